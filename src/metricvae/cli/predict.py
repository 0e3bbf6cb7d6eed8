"""`metricvae predict`: answers in one shot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import Namespace

from metricvae.cli.common import about, device_named, pair_options, read_options, say, wants_list
from metricvae.cli.parser import Fields, Parser, Verb
from metricvae.cli.predict_each import predict_each
from metricvae.cli.predict_own import own_options, own_predictor_of, predict_own
from metricvae.runtime.progress import progress

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

    from metricvae.core.libraries import ReadOptions
    from metricvae.core.metric import Metric
    from metricvae.core.pair_list import PairList
    from metricvae.prediction.predictor import Predictor, Rows
    from metricvae.prediction.records import Encoded, Predictions

    Floats = npt.NDArray[np.float64]


def _predict_options(parser: Parser, arguments: Sequence[str]) -> None:
    parser.add_argument("model", help="folder, or the name of a model that ships")
    pair_options(parser)
    parser.add_argument("--metric", metavar="NAME", help="which of the model's metrics; default its own")
    parser.add_argument("--novelty", action="store_true", help="a column: above 1, an object is unlike the training's")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")
    own_options(parser, arguments)


def _predict(options: Namespace) -> Fields:
    from metricvae.core.pair_list import one_pair, read_pair_list

    own = None if options.metric is not None else own_predictor_of(options.model)
    if own is not None:
        return predict_own(options, own)
    predictor = calibrated(options)
    if predictor.anchor is not None:
        return predict_each(options, predictor)
    listing = wants_list(options)
    inline = any(kind.inline for kind in predictor.kinds)
    listed = read_pair_list(Path(options.pairs), inline=inline) if listing else one_pair(options.a, options.b)
    pairs = _encode(predictor, listed, read_options(options))
    predictions = predictor.predict(*pairs)
    answers = predictor.metric.answers(predictions.value, *predictor.magnitudes(*pairs))
    if listing:
        return _write_list(options, predictor.metric, listed, predictions, answers)
    return _print_pair(options, predictor.metric, predictions, answers)


def _encode(predictor: Predictor, listed: PairList, reading: ReadOptions) -> tuple[Encoded, Encoded, Rows, Rows]:
    """The objects in the files of some pairs, as `Predictor.predict` takes them."""
    import numpy as np

    if predictor.model.shared:
        encoded = _encode_side(predictor, listed.files, "left", reading)
        return encoded, encoded, listed.first, listed.second
    (left, first), (right, second) = (np.unique(ends, return_inverse=True) for ends in (listed.first, listed.second))
    encoded, other = (
        _encode_side(predictor, [listed.files[place] for place in places.tolist()], side, reading)
        for places, side in ((left, "left"), (right, "right"))
    )
    return encoded, other, first, second


def _encode_side(predictor: Predictor, files: Sequence[Path | str], side: str, reading: ReadOptions) -> Encoded:
    from metricvae.core.object_files import LazyObjects

    objects = LazyObjects(predictor.kind(side), files, predictor.read_options(reading))
    with progress() as step:
        return predictor.encode(objects, side, on_progress=lambda done, total: step("encoding", done, total))


def _print_pair(options: Namespace, metric: Metric, predictions: Predictions, answers: Mapping[str, Floats]) -> Fields:
    """The answer for the only pair."""
    numbers = {"predicted": predictions.value, "low": predictions.low, "high": predictions.high}
    document: Fields = {name: float(column[0]) for name, column in numbers.items()}
    document |= {} if predictions.match is None else {"match": bool(predictions.match[0])}
    document |= {name: float(column[0]) for name, column in answers.items()}
    document |= {"novelty": float(predictions.novelty[0]), "novel": bool(predictions.novel[0])}
    further = "".join(f", {name} {column[0]:.3f}" for name, column in answers.items())
    text = f"{_answer(predictions, metric)}{further}{_warning(metric, int(predictions.novel[0]), 1)}"
    return say(options, document, text)


def _write_list(
    options: Namespace, metric: Metric, listed: PairList, predictions: Predictions, answers: Mapping[str, Floats]
) -> Fields:
    """The answers for a list of pairs, as a CSV."""
    from metricvae.core.pair_list import write_rows

    style = _style(predictions)
    columns = {"predicted": predictions.value, "low": predictions.low, "high": predictions.high}
    texts = {name: [format(number, style) for number in column.tolist()] for name, column in columns.items()}
    texts |= {} if predictions.match is None else {"match": [str(int(match)) for match in predictions.match]}
    texts |= {name: [f"{number:.4f}" for number in column.tolist()] for name, column in answers.items()}
    texts |= {"novelty": [f"{number:.2f}" for number in predictions.novelty]} if options.novelty else {}
    rows = [[*names, *row] for names, *row in zip(listed.names, *texts.values(), strict=True)]
    write_rows(Path(options.out), ["a", "b", *texts], rows)
    novel = int(predictions.novel.sum())
    document = {"pairs": len(rows), "novel": novel, "out": options.out}
    warning = _warning(metric, novel, len(rows))
    return say(options, document, f"{len(rows)} pairs predicted, written to {options.out}{warning}")


def _style(predictions: Predictions) -> str:
    """How the numbers of a list are written: probabilities to four digits, large values to two, others as they are."""
    if predictions.match is not None:
        return ".4f"
    return ".2f" if float(abs(predictions.value).max()) >= 100 else ".6g"


def _answer(predictions: Predictions, metric: Metric) -> str:
    """The first prediction in words."""
    value, low, high = (float(column[0]) for column in (predictions.value, predictions.low, predictions.high))
    if predictions.match is None:
        style = ".0f" if max(abs(value), abs(high)) >= 100 else ".4g"
        unit = f" {metric.unit}" if metric.unit else ""
        interval = f"{predictions.level:.0%} interval {low:{style}} to {high:{style}}"
        return f"predicted {metric.description.value} {value:{style}}{unit}, {interval}"
    description = metric.description
    verdict = description.positive if predictions.match[0] else description.negative
    sure = "" if low == high else f"; neither answer can be ruled out at {predictions.level:.0%}"
    return f"{verdict}, {description.value} {value:.3f}{sure}"


def _warning(metric: Metric, novel: int, pairs: int) -> str:
    """What is said when objects are unlike those the model was trained on."""
    if not novel:
        return ""
    which = "an object here is" if pairs == 1 else f"in {novel} pairs an object is"
    exact = f"; `{metric.description.exact}` is exact" if metric.description.exact else ""
    return f"\n{which} unlike those of the training: wider interval, still a guess{exact}"


def calibrated(options: Namespace) -> Predictor:
    """The model of the options, which must have been calibrated."""
    from metricvae.prediction.predictor import Predictor

    predictor = Predictor.load(options.model, device_named(options.device), options.metric)
    with about(options.model):
        predictor.require_calibration()
    return predictor


PREDICT = Verb(
    "predict the metric of two objects, or of a list of pairs",
    (
        "MODEL A B [--metric NAME] [--fit]",
        "MODEL OBJECTS --metric NAME [--out out.csv]",
        "MODEL --pairs pairs.csv --out out.csv [--fit] [--novelty]",
        "affinity RECEPTOR[@SITE] LIGANDS [--known known.csv] [--html FILE]",
    ),
    _predict_options,
    _predict,
)
