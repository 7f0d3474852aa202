"""The command line: parses arguments, calls ssmi, and prints."""
