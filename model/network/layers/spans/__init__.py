"""The parts of the span head, which scores stretches of characters where the CRF scores tag sequences."""
