"""`metricvae predict`: answers in one shot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import Namespace

from metricvae.cli.common import about, device_named, pair_options, say, wants_list
from metricvae.cli.parser import Fields, Parser, Verb
from metricvae.runtime.progress import progress

if TYPE_CHECKING:
    from metricvae.kinds.molecule.packing import Form
    from metricvae.prediction.predictor import Predictions, Predictor


def _predict_options(parser: Parser, _: Sequence[str]) -> None:
    parser.add_argument("model", help="folder, or the name of a model that ships")
    pair_options(parser)
    parser.add_argument("--novelty", action="store_true", help="a column: above 1, a shape is unlike the training's")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")


def _predict(options: Namespace) -> Fields:
    import numpy as np

    from metricvae.core.pair_list import read_pair_list, write_rows
    from metricvae.prediction.predictor import tanimoto
    from metricvae.prediction.reading import read_object

    listing = wants_list(options)
    predictor = calibrated(options)
    form = predictor.loaded.config.form
    if not listing:
        a, b = (read_object(Path(path), form, fit=options.fit) for path in (options.a, options.b))
        encoded = predictor.encode([a, b].__getitem__, 2)
        said = predictor.predict(encoded, np.array([0]), np.array([1]))
        document = {"predicted": float(said.value[0]), "low": float(said.low[0]), "high": float(said.high[0])}
        document |= {} if said.match is None else {"match": bool(said.match[0])}
        if form == "molecules":
            document["tanimoto"] = float(tanimoto(said.value, encoded, np.array([0]), np.array([1]))[0])
        document |= {"novelty": float(said.novelty[0]), "novel": bool(said.novel[0])}
        likeness = f", shape Tanimoto {document['tanimoto']:.3f}" if form == "molecules" else ""
        text = f"{_answer(said, form)}{likeness}{_warning(int(said.novel[0]), 1)}"
        return say(options, document, text)
    listed = read_pair_list(Path(options.pairs))
    with progress() as step:
        encoded = predictor.encode(
            lambda i: read_object(listed.files[i], form, fit=options.fit),
            len(listed.files),
            on_progress=lambda done, total: step("encoding shapes", done, total),
        )
    said = predictor.predict(encoded, listed.first, listed.second)
    digits = 2 if said.match is None else 4
    columns = [[f"{number:.{digits}f}" for number in column] for column in (said.value, said.low, said.high)]
    extra = {} if said.match is None else {"match": [str(int(match)) for match in said.match]}
    if form == "molecules":
        extra["tanimoto"] = [f"{t:.4f}" for t in tanimoto(said.value, encoded, listed.first, listed.second)]
    extra |= {"novelty": [f"{number:.2f}" for number in said.novelty]} if options.novelty else {}
    rows = [[*names, *row] for names, *row in zip(listed.names, *columns, *extra.values(), strict=True)]
    write_rows(Path(options.out), ["a", "b", "predicted", "low", "high", *extra], rows)
    novel = int(said.novel.sum())
    document = {"pairs": len(rows), "novel": novel, "out": options.out}
    return say(options, document, f"{len(rows)} pairs predicted, written to {options.out}{_warning(novel, len(rows))}")


def _answer(said: Predictions, form: Form) -> str:
    """The first prediction in words."""
    if said.match is None:
        interval = f"{said.level:.0%} interval {said.low[0]:.0f} to {said.high[0]:.0f}"
        unit = "pixels" if form == "masks" else "cubic angstroms"
        return f"predicted maximum overlap {said.value[0]:.0f} {unit}, {interval}"
    verdict = "a match" if said.match[0] else "no match"
    sure = "" if said.low[0] == said.high[0] else f"; neither answer can be ruled out at {said.level:.0%}"
    return f"{verdict}, probability of a match {said.value[0]:.3f}{sure}"


def _warning(novel: int, pairs: int) -> str:
    """What is said when shapes are unlike those the model was trained on."""
    if not novel:
        return ""
    which = "a shape here is" if pairs == 1 else f"in {novel} pairs a shape is"
    return f"\n{which} unlike the training shapes: wider interval, still a guess; `metricvae solve` is exact"


def calibrated(options: Namespace) -> Predictor:
    """The model of the options, which must have been calibrated."""
    from metricvae.prediction.predictor import Predictor

    predictor = Predictor.load(options.model, device_named(options.device))
    with about(options.model):
        predictor.require_calibration()
    return predictor


PREDICT = Verb(
    "predict the overlap of two shapes or molecules, or of a list of pairs",
    ("MODEL A B [--fit]", "MODEL --pairs pairs.csv --out out.csv [--fit] [--novelty]"),
    _predict_options,
    _predict,
)
