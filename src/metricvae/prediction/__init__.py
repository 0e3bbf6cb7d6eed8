"""Predictions from a trained model: calibrated intervals, probabilities, novelty."""
