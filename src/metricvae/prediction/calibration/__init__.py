"""From scores to calibrated answers."""
