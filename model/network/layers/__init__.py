"""One brick a file; none knows the network that it becomes part of."""
