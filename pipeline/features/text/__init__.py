"""A text as features see it: characters without meaningless blanks, segments, tokens and windows."""
