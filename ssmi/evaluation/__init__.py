"""Scoring a run on any labelled file, comparing runs, and drawing calibration."""
