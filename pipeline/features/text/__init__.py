"""A text as features see it: its characters without idle blanks, its segments, its tokens, its windows."""
