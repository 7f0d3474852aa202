"""What stages do otherwise for a corpus, text without labels, than for a data set."""
