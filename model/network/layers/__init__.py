"""The layers of the network, one a file; none knows the network that it becomes part of."""
