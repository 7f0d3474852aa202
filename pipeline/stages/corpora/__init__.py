"""What stages do differently for a corpus (text without labels) than for a data set."""
