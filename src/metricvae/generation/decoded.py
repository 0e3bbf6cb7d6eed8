"""Objects that a decoder writes for codes: around an object, or on the way from one to another.

Many texts are written for each code. Those that mean an object are encoded again, those whose codes come nearest to
what was asked for are kept, and what is required of them is measured exactly.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from metricvae.core.errors import InputError
from metricvae.core.kind import Object
from metricvae.core.requirements import Requirement
from metricvae.decoding.decoder import ObjectDecoder
from metricvae.generation.evolution import Evolved, answer_of
from metricvae.generation.judging import Judge, Judged
from metricvae.generation.screening import editor_of
from metricvae.prediction.predictor import Predictor

NO_OBJECT = "a text that means no object"
"""Why some texts give no answer."""


@dataclass(frozen=True)
class WritingConfig:
    """How texts are written.

    Attributes:
        tries: texts for each answer that is asked for.
        spread: standard deviation of codes around an object, in units of the deviation of the training codes.
        temperature: of the draws; 0 takes the likeliest symbol each time.
        seed: of all that is drawn.
    """

    tries: int = 8
    spread: float = 0.3
    temperature: float = 0.8
    seed: int = 0

    def __post_init__(self) -> None:
        if self.tries < 1 or not 0 <= self.spread < math.inf:
            raise InputError(f"tries is {self.tries} and spread {self.spread}: expected at least 1, and 0 or more")


def write_around(
    predictor: Predictor,
    value: Object,
    requirements: Sequence[Requirement],
    n: int,
    config: WritingConfig | None = None,
) -> Evolved:
    """At most `n` other objects whose codes lie around that of an object, the nearest first.

    Args:
        predictor: of a model with a decoder.
        value: the object.
        requirements: what is measured of each answer.
        n: how many.
        config: how texts are written.

    Raises:
        InputError: a model without a decoder, or no text that means an object.
    """
    config = config or WritingConfig()
    writer = _Writer(predictor, config)
    code = writer.encode([value])
    codes = code + config.spread * writer.decoder.network.deviations(n * config.tries, writer.generator)
    found = writer.write(codes, code.expand_as(codes), given={writer.key(value)})
    return writer.answers([one for one, _ in found][:n], requirements)


def write_between(
    predictor: Predictor,
    first: Object,
    second: Object,
    requirements: Sequence[Requirement],
    n: int,
    config: WritingConfig | None = None,
) -> Evolved:
    """At most `n` objects on the way from one object to another: at each of `n` equal steps the one whose code comes
    nearest, each object once.

    Raises:
        InputError: fewer than one step, a model without a decoder, or no text that means an object.
    """
    config = config or WritingConfig()
    writer = _Writer(predictor, config)
    ends = writer.encode([first, second])
    shares = torch.arange(1, n + 1, device=ends.device)[:, None] / (n + 1)
    line = (1 - shares) * ends[0] + shares * ends[1]
    given, answers = {writer.key(first), writer.key(second)}, []
    for code in line:
        codes = code.expand(config.tries, -1)
        for one, _ in writer.write(codes, codes, given)[:1]:
            answers.append(one)
            given.add(writer.key(one))
    return writer.answers(answers, requirements)


class _Writer:
    """Writes objects and keeps count."""

    def __init__(self, predictor: Predictor, config: WritingConfig) -> None:
        self.predictor, self.config, self.decoder = predictor, config, ObjectDecoder(predictor)
        self.editor = editor_of(predictor.kind("right"))
        self.generator = torch.Generator().manual_seed(config.seed)
        self.skipped: Counter[str] = Counter()
        self.encoded = 0

    def encode(self, objects: Sequence[Object]) -> Tensor:
        """(m, d) codes."""
        self.encoded += len(objects)
        return self.predictor.encode(self.editor.encodable(objects), "right").codes

    def key(self, value: Object) -> str:
        return self.editor.key(value)

    def write(self, codes: Tensor, wanted: Tensor, given: set[str]) -> list[tuple[Object, float]]:
        """Objects that are new, and how near their codes come to `wanted`, as a cosine; the nearest first."""
        decoded = self.decoder.decode(codes, self.generator, self.config.temperature)
        fresh: dict[str, tuple[Object, int]] = {}
        for row, one in enumerate(decoded):
            if one is None:
                self.skipped[NO_OBJECT] += 1
            elif self.key(one) not in given:
                fresh.setdefault(self.key(one), (one, row))
        if not fresh:
            return []
        objects, rows = zip(*fresh.values(), strict=True)
        near = functional.cosine_similarity(self.encode(objects), wanted[list(rows)])
        order = near.argsort(descending=True, stable=True).tolist()
        return [(objects[place], float(near[place])) for place in order]

    def answers(self, objects: Sequence[Object], requirements: Sequence[Requirement]) -> Evolved:
        """Objects with all that is required of them measured."""
        if not objects:
            said = f"{sum(self.skipped.values())} texts were written, and none means an object that is new"
            raise InputError(f"{said}: ask for more answers, or give another object")
        judge = Judge(self.predictor, requirements, self.editor, math.inf)
        several = self.editor.encoded_at_once
        parts = [objects[start : start + several] for start in range(0, len(objects), several)]
        judged = {one.key: one for part in parts for one in judge.judge(part, [several] * 2)}
        kept: list[Judged] = [judged[self.key(one)] for one in objects if self.key(one) in judged]
        answers = tuple(answer_of(one, self.editor, None) for one in kept)
        encoded = self.encoded + judge.encoded
        return Evolved(answers, len(kept), judge.evaluations, encoded, 0, 0, dict(self.skipped + judge.skipped))
