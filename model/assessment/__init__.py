"""What is made of predictions beyond the scores: counts by sentence, differences of runs, calibration."""
