"""A project on disk: its folders, the names of its stages and data sets, and who works in it."""
