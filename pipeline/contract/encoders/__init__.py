"""What an encoder's folder says of itself: its type and its vocabulary."""
