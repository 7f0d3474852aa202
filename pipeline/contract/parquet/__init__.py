"""The tables of a stage: their columns, their files, and statistics of what they hold."""
