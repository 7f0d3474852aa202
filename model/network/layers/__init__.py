"""The layers of the network, one per file and independent of the network that uses them."""
