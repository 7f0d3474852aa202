"""Task-adaptive training: an encoder goes on learning to guess masked words, on a data set's own text."""
