"""Prediction by more than two codes: what a metric reads itself from the folder of a model.

A model answers a pair by one product of two codes. A metric may have something better to go on where its user names
files: how a ligand lies in a pocket, what is known of its relatives. Its folder then holds what it needs beside, or in
the place of, the two towers, and `metricvae predict` hands the request over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from metricvae.core.hits import Value

OnStep = Callable[[str, int, int], None]
"""Told what is being done, and how many of how many are."""


@dataclass(frozen=True)
class PredictionRequest:
    """What is to be predicted.

    Attributes:
        left, right: names of the objects; of the right ones perhaps a file of many; empty where there is a table.
        pairs: a table of pairs instead.
        options: of the predictor, by their names; those that were given.
    """

    left: str = ""
    right: str = ""
    pairs: Path | None = None
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PredictionTable:
    """Answers, a row a pair.

    Attributes:
        columns: names of the columns that are printed.
        rows: a document a pair, with a value for each column; None where there is none.
        notes: what is to be said of them, a sentence each.
        facts: what is known of all of them, by name.
        page: an HTML page of them, where one was asked for.
    """

    columns: tuple[str, ...]
    rows: tuple[Mapping[str, Value | Any | None], ...]
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    page: str | None = None


class OwnPredictor(Protocol):
    """What a metric predicts with."""

    @property
    def options(self) -> Mapping[str, str]:
        """Options beside the objects, by name, and what to write after each."""
        ...

    def predict(self, request: PredictionRequest, progress: OnStep) -> PredictionTable:
        """Answers for what is asked; a pair that cannot be predicted is a row with its reason.

        Raises:
            InputError: the request as a whole cannot be met.
        """
        ...


OwnPredictors = Callable[[str], "OwnPredictor | None"]
"""Gives the predictor of a model by the model's folder or name; None where it has none."""
