"""Inspection of data and artifacts: SQL over the tables, and checks of raw data before anything is built."""
