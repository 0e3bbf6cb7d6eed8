"""The public interface: models that predict, index and search; exact answers; data sets of one's own.

Import it as `import metricvae as mv`; everything here is loaded when it is first asked for.
"""

from __future__ import annotations

import contextlib
import functools
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, overload

import torch
from torch import Tensor

from metricvae.core.dataset import PairDataset
from metricvae.core.dataset_files import read_dataset
from metricvae.core.dataset_merge import merge
from metricvae.core.display import cell_of, facts_html
from metricvae.core.errors import InputError
from metricvae.core.kind import KINDS, Object, ReadOptions, kind_from_json
from metricvae.core.metric import METRICS, Metric, Solution, metric_from_json
from metricvae.decoding.decoder import TEMPERATURE, ObjectDecoder
from metricvae.evaluation.binary import BinaryEvaluation
from metricvae.evaluation.evaluate import Evaluation, evaluate
from metricvae.evaluation.ranking import RankingEvaluation
from metricvae.fitting.fit import fit as fit_model
from metricvae.nn.autoencoder import Sides
from metricvae.nn.model_settings import with_settings
from metricvae.prediction.predictor import Predictor
from metricvae.prediction.records import Predictions
from metricvae.runtime.folders import copy_folder, new_folder
from metricvae.runtime.progress import progress
from metricvae.search.build import build_index
from metricvae.search.index import read_index
from metricvae.search.searcher import SearchIndex
from metricvae.training.presets import preset, preset_of_data


@dataclass(frozen=True)
class Prediction:
    """The answer for one pair.

    Attributes:
        value: predicted metric in its unit; of a binary metric, the probability of a 1.
        low, high: ends of the interval.
        novelty: above 1, an object is unlike those of the training, and the interval a guess.
        match: whether the answer of a binary metric is 1; None of another metric.

    Example:
        >>> Prediction(value=120.0, low=100.0, high=140.0, novelty=0.4).high
        140.0
    """

    value: float
    low: float
    high: float
    novelty: float
    match: bool | None = None

    def _repr_html_(self) -> str:
        facts = {"value": self.value, "interval": f"{cell_of(self.low)} to {cell_of(self.high)}"}
        facts |= {"novelty": self.novelty} | ({} if self.match is None else {"verdict": self.match})
        return facts_html("prediction", facts)


@dataclass(frozen=True)
class SolvedPair(Solution):
    """The exact answer for two objects, which draws them in notebooks.

    Attributes:
        metric: that it answers.
        left, right: the objects.
    """

    metric: Metric | None = field(default=None, repr=False, compare=False)
    left: Object = field(default=None, repr=False, compare=False)
    right: Object = field(default=None, repr=False, compare=False)

    def _repr_html_(self) -> str:
        picture = None if self.metric is None else self.metric.overlay(self.left, self.right, self.pose)
        return str(picture or "") + super()._repr_html_()


class PairModel:
    """A trained model of a metric between objects.

    Args:
        predictor: the networks with their calibration.

    Example:
        >>> import numpy as np, metricvae as mv
        >>> y, x = np.indices((200, 200)) - 99.5
        >>> disc, bar = x**2 + y**2 < 60**2, (abs(x) < 80) & (abs(y) < 20)
        >>> model = mv.load("overlap")
        >>> bool(model.predict(disc, bar).low < mv.solve(disc, bar).value < model.predict(disc, bar).high)
        True
        >>> model.encode([disc, bar]).shape
        torch.Size([2, 128])
    """

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor

    @property
    def metric(self) -> Metric:
        """That it predicts."""
        return self.predictor.metric

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self.predictor.base.folder

    def _repr_html_(self) -> str:
        kinds = " and ".join(dict.fromkeys(kind.title for kind in self.predictor.loaded.config.kinds))
        facts = {"metric": self.metric.description.predicts, "objects": kinds, "folder": str(self.folder)}
        return facts_html("model", facts | {"numbers in a code": self.predictor.loaded.config.latent})

    @property
    def card(self) -> str:
        """Its model card, as Markdown."""
        return (self.folder / "README.md").read_text(encoding="utf-8")

    @overload
    def predict(self, left: Sequence[Object], right: Sequence[Object], *, fit: bool = ...) -> Predictions: ...
    @overload
    def predict(self, left: Object, right: Object, *, fit: bool = ...) -> Prediction: ...
    def predict(self, left: Any, right: Any, *, fit: bool = False) -> Prediction | Predictions:
        """Predicted metric with its interval.

        Args:
            left, right: an object each (a path, an array, what the kind converts), or lists of objects, pair by pair.
            fit: scale and centre images of other sizes.

        Raises:
            InputError: not objects of the model's kinds, lists of different lengths, or a model without calibration.
        """
        many = isinstance(left, list | tuple) and isinstance(right, list | tuple)
        lefts, rights = (list(left), list(right)) if many else ([left], [right])
        if len(lefts) != len(rights):
            raise InputError(f"got {len(lefts)} left and {len(rights)} right objects: expected as many")
        options = self.predictor.read_options(ReadOptions(fit=fit))
        found = self.predictor.predict_objects(list(zip(lefts, rights, strict=True)), options)
        return found if many else _single(found)

    def predict_each(self, objects: Sequence[Object], *, fit: bool = False) -> Predictions:
        """Predicted property of each object, of a model that answers a metric of one object.

        Raises:
            InputError: not objects of the model's kind, a metric of pairs, or a model without calibration.

        Example:
            >>> import metricvae as mv
            >>> logp = mv.load("molecules-many", metric="logp")
            >>> found = logp.predict_each(["CCCCCCCC", "OCC(O)C(O)CO"])
            >>> bool(found.value[0] > found.value[1])
            True
        """
        return self.predictor.predict_each(self._encode(objects, "left", fit))

    def encode(self, objects: Sequence[Object], side: str = "left", *, fit: bool = False) -> Tensor:
        """Codes of objects, (n, d); `side` tells towers of two kinds apart."""
        return self._encode(objects, side, fit).codes

    def _encode(self, objects: Sequence[Object], side: str, fit: bool) -> Any:
        kind, options = self.predictor.kind(side), self.predictor.read_options(ReadOptions(fit=fit))
        return self.predictor.encode([kind.convert(one, options) for one in objects], side)

    @functools.cached_property
    def _decoder(self) -> ObjectDecoder:
        return ObjectDecoder(self.predictor)

    def decode(self, codes: Tensor, *, temperature: float = TEMPERATURE, seed: int = 0) -> list[Object | None]:
        """Objects of codes, of a model with a decoder that writes them symbol by symbol.

        Args:
            codes: (n, d), as `encode` gives them.
            temperature: of the draws; 0 takes the likeliest symbol each time.
            seed: of the draws.

        Returns:
            n objects, None where none of several texts meant one.

        Raises:
            InputError: the model has no such decoder.
        """
        return self._decoder.decode(codes, torch.Generator().manual_seed(seed), temperature)

    def sample(self, count: int, *, temperature: float = TEMPERATURE, seed: int = 0) -> list[Object]:
        """Objects decoded from drawn codes: what is like the objects that the decoder learned from.

        Args:
            count: objects; there may be fewer if the decoder seldom writes what means one.
            temperature, seed: as for `decode`.

        Raises:
            InputError: the model has no such decoder.
        """
        return self._decoder.sample(count, torch.Generator().manual_seed(seed), temperature)

    def similarity(self, left: Sequence[Object], right: Sequence[Object], *, fit: bool = False) -> Tensor:
        """Predicted metric of all pairs, (n, m) float32; each object is encoded once."""
        return self.predictor.value_matrix(self._encode(left, "left", fit), self._encode(right, "right", fit))

    def index(
        self,
        library: str | Path,
        folder: str | Path | None = None,
        *,
        side: Sides = "right",
        conformers: int = 1,
        fit: bool = False,
    ) -> SearchIndex:
        """Encode a library (a folder, a file of many objects, a data set) once, to search in it.

        Args:
            library: as `metricvae index` takes it.
            folder: of the index, which `metricvae search` reads too; by default one that goes with the result.
            side: of a pair on which the items stand, of a model of two kinds; queries stand on the other.
            conformers: of each molecule of SMILES, at most; a search finds molecules by their best.
            fit: scale and centre images of other sizes.
        """
        with _kept_folder(folder, "index") as place:
            build_index(self.predictor, Path(library), place, side=side, options=ReadOptions(fit, conformers))
            found = SearchIndex(self.predictor, read_index(place))
        if folder is None:
            weakref.finalize(found, shutil.rmtree, place.parent, ignore_errors=True)
        return found

    def evaluate(self, data: PairDataset, split: str = "test") -> Evaluation | BinaryEvaluation | RankingEvaluation:
        """Errors, baselines and coverage on one split of a data set; see `metricvae.evaluation.evaluate.evaluate`."""
        return evaluate(self.predictor, data, split)

    def save(self, folder: str | Path) -> None:
        """Copy the model into a new folder, from which `load` reads it.

        Raises:
            InputError: something is there already, or the disk refuses.
        """
        folder = Path(folder)
        if folder.exists():
            raise InputError(f"{folder} is there already: name a new folder")
        with new_folder(folder, "model") as target:
            copy_folder(self.folder, target)


def load(folder_or_name: str | Path, device: str = "cpu", metric: str | None = None) -> PairModel:
    """A model from its folder, or one that ships by its name.

    Args:
        folder_or_name: of the model.
        device: where to compute.
        metric: which of its metrics it answers; by default its own.

    Raises:
        InputError: no such model, or a damaged one.

    Example:
        >>> import metricvae as mv
        >>> mv.load("molecules").metric.name
        'shape'
    """
    return PairModel(Predictor.load(folder_or_name, device, metric))


def fit(
    data: PairDataset,
    folder: str | Path | None = None,
    *,
    preset_name: str | None = None,
    start: str | Path | None = None,
    model: Mapping[str, Any] | None = None,
    pair_head: bool = False,
    device: str = "cpu",
    show_progress: bool = True,
    **training: Any,
) -> PairModel:
    """Train, calibrate and describe a model of a data set.

    Args:
        data: with splits `train`, `validation` and `calibration`.
        folder: of the model; by default one that goes with the result (`save` keeps it).
        preset_name: of a ready-made model and training; by default what the metric, the kinds and the number of pairs
            suggest.
        start: model whose weights training starts from (folder or name), `"none"` for random ones; by default, where no
            preset is named, a model that ships for such objects, if there is one. It need not be of the same metric.
        model: settings of the networks and the head that differ from the preset's, by dotted name, as
            `{"latent": 64, "left.encoder.widths": (64, 64)}`; see `metricvae.nn.model_settings.settings_of`.
        pair_head: add a network of both codes to their product; see `metricvae.prediction.pair_head`.
        device: where to train.
        show_progress: on stderr.
        training: settings that differ from the preset's, as `steps=500`; see `metricvae.training.config`.

    Raises:
        InputError: splits too small, values without variety, or settings that there are not.

    Example:
        >>> import numpy as np, metricvae as mv
        >>> from metricvae.core.dataset import ObjectTable
        >>> from metricvae.kinds.arrays import ArrayKind
        >>> from metricvae.core.kind import KINDS
        >>> class Point(ArrayKind):
        ...     name, title = "doc-point", "points"
        >>> KINDS.register("doc-point", Point)
        >>> random = np.random.default_rng(0)
        >>> table = ObjectTable.from_objects(Point((2,)), random.normal(size=(90, 2)))
        >>> first, second = random.integers(0, 90, (2, 900))
        >>> values = (table.tensor(first) * table.tensor(second)).sum(1).numpy()
        >>> metric = mv.metrics.Tabular("product").of_kinds("doc-point")
        >>> splits = random.choice(["train", "validation", "calibration", "test"], 900)
        >>> data = mv.PairDataset.from_objects(metric, table, first, second, values, split=splits)
        >>> model = mv.fit(data, steps=30, batch_pairs=32, evaluate_every=30, threads=1, show_progress=False)
        >>> model.similarity([[1.0, 0.0], [0.0, 1.0]], [[1.0, 1.0]]).shape
        torch.Size([2, 1])
    """
    chosen = preset(preset_name) if preset_name is not None else preset_of_data(data)
    chosen = chosen.started(start)
    try:
        settings = replace(chosen.training, **training)
    except TypeError as error:
        raise InputError(f"the training cannot be set so ({error}): see metricvae train --help") from None
    config = with_settings(chosen.model, model or {})
    with _kept_folder(folder, "model") as place:
        train = functools.partial(
            fit_model,
            *(data, config, settings, place),
            device=device,
            start=chosen.start_of(config, start),
            pair_head=pair_head,
            heads=chosen.heads_beside(config),
        )
        if show_progress:
            with progress() as step:
                train(
                    on_prepare=lambda done, total: step("preparing objects", done, total),
                    on_progress=lambda now: step(now.stage, now.step, now.steps, seconds_left=now.seconds_left),
                )
        else:
            train()
        fitted = load(place, device)
    if folder is None:
        weakref.finalize(fitted, shutil.rmtree, place.parent, ignore_errors=True)
    return fitted


@contextlib.contextmanager
def _kept_folder(folder: str | Path | None, name: str) -> Iterator[Path]:
    """Yield a folder, or one of that name in a new temporary one, which is removed after an exception."""
    if folder is not None:
        yield Path(folder)
        return
    temporary = Path(tempfile.mkdtemp(prefix="metricvae-"))
    try:
        yield temporary / name
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def solve(left: Object, right: Object, metric: str | Metric | None = None, *, fit: bool = False) -> SolvedPair:
    """The exact answer for two objects: the value, and the pose of the right one that gives it.

    Args:
        left, right: a path each, an array, or what the metric's kind converts.
        metric: its name; by default the first one with an exact solver whose kind takes both objects.
        fit: scale and centre images of other sizes.

    Raises:
        InputError: no metric with a solver takes them.

    Example:
        >>> import numpy as np, metricvae as mv
        >>> square = np.zeros((200, 200), np.uint8)
        >>> square[60:140, 60:140] = 1
        >>> round(mv.solve(square, square).value)
        6400
    """
    options = ReadOptions(fit=fit)
    if metric is None:
        known, first, second = _solvable(left, right, options)
    else:
        known = metric_from_json(metric) if isinstance(metric, str) else metric
        if known.solver is None:
            raise InputError(f"there is no exact solver for the metric {known.name}: take one that has one")
        first, second = _converted(known, left, right, options)
    solver = known.solver
    assert solver is not None
    found = solver.solve(solver.prepare(first), solver.prepare(second))
    return SolvedPair(found.value, found.score, found.pose, known, first, second)


def _solvable(left: Object, right: Object, options: ReadOptions) -> tuple[Metric, Object, Object]:
    """The first metric with a solver whose kinds take both objects, and these as the kinds read them."""
    reason = "no metric has a solver"
    for name in METRICS.names():
        metric = METRICS.get(name)()
        if metric.solver is None:
            continue
        try:
            for kind, one in ((metric.left, left), (metric.right, right)):
                _check_suffix(kind, one)
            return metric, *_converted(metric, left, right, options)
        except InputError as error:
            reason = str(error) if reason.startswith("no metric") else reason
    raise InputError(f"no metric with an exact solver takes these objects ({reason})")


def _converted(metric: Metric, left: Object, right: Object, options: ReadOptions) -> tuple[Object, Object]:
    """Objects as the kinds of a metric read them."""
    left_kind, right_kind = kind_from_json(metric.left), kind_from_json(metric.right)
    return left_kind.convert(left, options), right_kind.convert(right, options)


def _check_suffix(kind: str, one: Object) -> None:
    """Raise InputError if a path ends otherwise than files of the kind do."""
    suffixes = KINDS.get(kind).suffixes
    if isinstance(one, Path) and not str(one).lower().endswith(suffixes):
        raise InputError(f"{one} is no file of {KINDS.get(kind).title}")


def _single(found: Predictions) -> Prediction:
    value, low, high, novelty = (float(part[0]) for part in (found.value, found.low, found.high, found.novelty))
    return Prediction(value, low, high, novelty, None if found.match is None else bool(found.match[0]))


__all__ = [
    "PairDataset",
    "PairModel",
    "Prediction",
    "SearchIndex",
    "fit",
    "load",
    "merge",
    "read_dataset",
    "solve",
]
