"""Evaluation of runs: scores on splits and labelled files, calibration, and comparison of systems."""
