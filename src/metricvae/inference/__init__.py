"""Answers from a trained model: predictions with intervals, and how good they are."""

from metricvae.inference.evaluate import Evaluation, calibrate, evaluate
from metricvae.inference.predict import Predictions, Predictor

__all__ = ["Evaluation", "Predictions", "Predictor", "calibrate", "evaluate"]
