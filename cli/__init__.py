"""The command line: it parses, calls ssmi, and prints."""
