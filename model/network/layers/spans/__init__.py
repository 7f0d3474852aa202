"""The parts of the span head, which scores spans instead of tag sequences."""
