"""Evaluation of predictions: scores, errors, counts per sentence, differences between runs, calibration."""
