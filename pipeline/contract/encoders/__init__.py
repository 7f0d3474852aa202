"""Reading of an encoder's folder: its type, its sizes and its vocabulary."""
