"""What a network's predictions are worth: scores, errors, counts by sentence, differences of runs, calibration."""
