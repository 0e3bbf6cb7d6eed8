"""The model of poses as files: `posed.json` and `posed.safetensors`, with the SHA-256 of the latter in the former."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from metricvae.core.errors import InputError
from metricvae.metrics.affinity.linear import LinearFunction
from metricvae.metrics.affinity.posed import Baseline, ErrorModel, PosedModel, WeightedForest
from metricvae.metrics.affinity.reference import Reference
from metricvae.metrics.affinity.trees import ARRAYS, Forest
from metricvae.runtime.files import check_sha256, read_json, sha256_of, write_bytes, write_json

MODEL = "posed.json"
TENSORS = "posed.safetensors"
FORMAT = 1


def write_posed(folder: Path, model: PosedModel) -> None:
    """Write a model of poses into a folder."""
    tensors: dict[str, Any] = {
        "reference.fingerprints": model.reference.fingerprints,
        "reference.pk": model.reference.pk,
        "reference.protein": model.reference.protein,
    }
    functions = (*model.parts, model.ranking)
    for number, part in enumerate(functions):
        tensors |= {f"part{number}.{name}": value for name, value in part.function.arrays().items()}
    folder.mkdir(parents=True, exist_ok=True)
    write_bytes(folder / TENSORS, save({name: np.ascontiguousarray(value) for name, value in tensors.items()}))
    document = {
        "format": FORMAT,
        "sha256": sha256_of(folder / TENSORS),
        "parts": [_described(part) for part in functions],
        "error": asdict(model.error),
        "baseline": asdict(model.baseline),
        "names": model.reference.names,
        "sequences": model.reference.sequences,
        "facts": model.facts,
    }
    write_json(folder / MODEL, json.loads(json.dumps(document)))


def read_posed(folder: Path) -> PosedModel:
    """The inverse of `write_posed`.

    Raises:
        InputError: a file is missing, changed or of another format.
    """
    document = read_json(folder / MODEL)
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise InputError(f"{folder / MODEL} is no model of poses of format {FORMAT}: restore it or update metricvae")
    check_sha256(folder / TENSORS, document["sha256"])
    try:
        tensors = load_file(folder / TENSORS)
        parts = tuple(_part(number, one, tensors) for number, one in enumerate(document["parts"]))
        reference = Reference(
            tensors["reference.fingerprints"],
            tensors["reference.pk"],
            tensors["reference.protein"],
            tuple(document["names"]),
            tuple(document["sequences"]),
        )
        error = dict(document["error"])
        error["coefficients"] = tuple(error["coefficients"])
        known = ErrorModel(**error), Baseline(**document["baseline"])
        return PosedModel(parts[:-1], parts[-1], *known, reference, document["facts"])
    except (KeyError, TypeError, SafetensorError, OSError) as fault:
        raise InputError(f"{folder / MODEL} is damaged ({fault}): restore it or make the model again") from None


def _described(part: WeightedForest) -> dict[str, Any]:
    known = {"columns": part.columns, "weight": part.weight}
    if isinstance(part.function, LinearFunction):
        return known | {"offset": part.function.offset}
    return known | {"base": part.function.base, "scale": part.function.scale}


def _part(number: int, document: dict[str, Any], tensors: dict[str, Any]) -> WeightedForest:
    """A function with its arrays; the last one ranks."""
    columns, weight = tuple(document["columns"]), float(document["weight"])
    if "offset" in document:
        held = {name: tensors[f"part{number}.{name}"] for name in ("mean", "deviation", "coefficients")}
        if any(one.shape != (len(columns),) for one in held.values()):
            raise InputError(f"part {number} of the model is damaged: restore its folder or make it again")
        return WeightedForest(LinearFunction(**held, offset=float(document["offset"])), columns, weight)
    arrays = {name: tensors[f"part{number}.{name}"] for name in ARRAYS}
    forest = Forest(**arrays, base=float(document["base"]), scale=float(document["scale"]))
    forest.check(len(columns))
    return WeightedForest(forest, columns, weight)
