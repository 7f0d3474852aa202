"""Task-adaptive pre-training: continue an encoder's masked-word training on the text of a data set."""
