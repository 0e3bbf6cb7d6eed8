"""Objects that a model's decoder proposes in a search: decoded from codes around its best objects and between them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from metricvae.core.editing import ObjectEditor
from metricvae.core.kind import Object
from metricvae.decoding.decoder import KEY, ObjectDecoder
from metricvae.prediction.predictor import Predictor

BETWEEN = 0.5
"""Share of the codes that lie between two parents; all others lie around one."""

SPREAD = (0.1, 0.6)
"""Standard deviation of codes around a parent, in units of the deviation of the training codes: uniform in between."""

TEMPERATURE = 0.8
"""Of the draws of the decoder."""

PRESSURE = 2.0
"""The best parents are drawn most: place u ** PRESSURE of all, u uniform in [0, 1)."""


class DecodedProposals:
    """Proposes objects by the decoder of a model.

    Args:
        predictor: of a model with a decoder.
        editor: of its kind.
        seed: of all that is drawn.
    """

    def __init__(self, predictor: Predictor, editor: ObjectEditor, seed: int) -> None:
        self.predictor, self.editor, self.decoder = predictor, editor, ObjectDecoder(predictor)
        self.rng, self.generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
        self.codes: dict[str, Tensor] = {}

    def propose(self, parents: Sequence[Object], count: int) -> list[Object]:
        """What `count` texts mean; fewer objects where some mean none.

        Args:
            parents: the best first.
            count: texts that are written.
        """
        if not parents or count < 1:
            return []
        codes = self._encoded(parents)
        first, second = (len(parents) * self.rng.random((2, count)) ** PRESSURE).astype(int)
        shares = self.rng.random(count) * (self.rng.random(count) < BETWEEN)
        spread = self.rng.uniform(*SPREAD, count) * (shares == 0)
        along, around = (torch.from_numpy(one).to(codes)[:, None] for one in (shares, spread))
        aimed = (1 - along) * codes[first] + along * codes[second]
        aimed = aimed + around * self.decoder.network.deviations(count, self.generator)
        found = self.decoder.decode(aimed, self.generator, TEMPERATURE)
        return [one for one in found if one is not None]

    def _encoded(self, objects: Sequence[Object]) -> Tensor:
        """(m, d) codes; each object is encoded once."""
        keys = [self.editor.key(one) for one in objects]
        fresh = {key: one for key, one in zip(keys, objects, strict=True) if key not in self.codes}
        if fresh:
            made = self.predictor.encode(self.editor.encodable(list(fresh.values())), "right").codes
            self.codes.update(zip(fresh, made, strict=True))
        return torch.stack([self.codes[key] for key in keys])


def proposals_of(predictor: Predictor, editor: ObjectEditor, seed: int) -> DecodedProposals | None:
    """What a model's decoder proposes; None where it has none."""
    return DecodedProposals(predictor, editor, seed) if KEY in predictor.base.calibration else None
