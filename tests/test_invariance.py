"""Invariance of codes and predictions: what motions change of them, and the measure itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from metricvae.evaluation.invariance import motion_change
from metricvae.kinds.silhouette.kind import SilhouetteKind
from metricvae.kinds.silhouette.sources.generators import draw
from metricvae.prediction.predictor import Predictor


def test_codes_of_moved_shapes_change_little_and_those_of_others_much(monkeypatch: pytest.MonkeyPatch) -> None:
    predictor, masks = Predictor.load("overlap"), [shape.mask for shape in draw("mixed", 140, seed=8)]
    found = motion_change(predictor, masks, 50, seed=1)
    assert found.codes.shape == (140,)
    assert np.median(found.codes) < 0.1
    assert np.median(found.predictions) < 0.05
    again = motion_change(predictor, masks, 50, seed=1)
    np.testing.assert_array_equal(again.codes, found.codes)

    def exchange(_: SilhouetteKind, x: Tensor, generator: torch.Generator) -> Tensor:
        return x.roll(1, 0)

    monkeypatch.setattr(SilhouetteKind, "move", exchange)
    assert np.median(motion_change(predictor, masks, 50, seed=1).codes) > 0.5
    monkeypatch.setattr(SilhouetteKind, "move", lambda kind, x, generator: x)
    assert motion_change(predictor, masks, 50, seed=1).codes.max() < 1e-4
