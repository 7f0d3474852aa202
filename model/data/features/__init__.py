"""What the network is told of a character beside its token: its places, the words that match, its boundary's gate."""
