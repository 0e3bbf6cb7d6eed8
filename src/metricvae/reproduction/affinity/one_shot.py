"""Affinity in one shot, without a pose: a pocket and a molecule each by itself, on pockets and ligands left out.

A table of pockets, molecules and values is written and imported as a user's would be. Two forms of the preset
`affinity` are trained: its product of codes, and the paper's equation (2), the inverse of their cosine. Beside them
stand the forest that teaches them, which reads both objects side by side and is no product of codes, and heavy atoms.
"""

from __future__ import annotations

import csv
import dataclasses
import io
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from metricvae.core.dataset import PairDataset
from metricvae.core.dataset_files import read_dataset
from metricvae.core.importing.request import Columns, ImportRequest
from metricvae.core.importing.run import import_table
from metricvae.core.kind import kind_from_json
from metricvae.kinds.molecule.descriptors import NAMES
from metricvae.kinds.molecule.extra import require
from metricvae.metrics.affinity.metric import AffinityMetric
from metricvae.metrics.affinity.posed_fit import folds_of
from metricvae.metrics.affinity.units import MOST
from metricvae.nn.heads import InverseCosine
from metricvae.reproduction.affinity.code_products import some_pairs, trained_answers
from metricvae.reproduction.affinity.complexes import SHIPPABLE, Computed, computed, entries
from metricvae.reproduction.affinity.complexes_tables import AGREEMENT, agreement_cells, agreement_of
from metricvae.reproduction.affinity.left_out import HEAVY, NEW_PROTEINS
from metricvae.reproduction.affinity.training_rows import congeners, protein_clusters
from metricvae.reproduction.inputs import OnStep
from metricvae.reproduction.report import Section, Table
from metricvae.runtime.files import write_bytes
from metricvae.training.presets import ChosenPreset, preset
from metricvae.training.teacher import Teacher

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

TABLE, DATA = "pairs.csv", "data"
COLUMNS = ("a", "b", "value", "weight", "split", "id", "cluster", "posed", "crystal")

NAMED = ("train", "validation", "calibration")
"""Splits in the table, by clusters of proteins: a table needs them, and no figure here is of them."""

SETS: dict[str, tuple[str, ...] | None] = {"all sets": None, "sets that may ship": SHIPPABLE}
"""Names and sets of complexes; None for all."""

NEW_LIGANDS = "new ligands"
"""Left out in five parts, with their proteins known."""

PRODUCT, EQUATION_2 = "product of two codes", "inverse cosine of two codes, equation (2)"
TREES = "trees on both objects side by side"

LOOKED_AT = {"posed": "with poses", "crystal": "crystal poses"}
"""Columns of the table that say which rows are looked at, and their names: congeners without poses are only learned."""

STOPPING = 0.06
"""Share of the clusters of proteins that tell which network is kept."""

PARTS = 5


def measure_one_shot(folder: Path, work: Path, name: str, seed: int, pool: Executor, on_step: OnStep) -> dict[str, Any]:
    """Train and answer in five parts by clusters of proteins, and in five by ligands.

    Args:
        folder: of affinities; see `complexes.check_complexes`.
        work: where features are kept, and the imported pairs.
        name: of `SETS`.
        seed: of the parts and the trainings.
        pool: that computes features.
        on_step: told how far it is.

    Returns:
        by what is left out, by which rows are looked at: how many rows and clusters of proteins, and of each method R
        with its 90 % interval, Spearman's rho and RMSE.
    """
    place = work / f"one-shot-{name.replace(' ', '-')}"
    on_step("features of complexes", 0, 1)
    import_pairs(folder, computed(folder, entries(folder), work / "features", pool), SETS[name], place)
    data = read_dataset(place / DATA, 1, preset("affinity").model.kinds)
    with open(place / TABLE, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    table = [rows[row - 1] for row in data.columns["row"].tolist()]
    clusters = np.array([int(row["cluster"]) for row in table])
    looked = {column: np.array([row[column] == "1" for row in table]) for column in LOOKED_AT}
    document: dict[str, Any] = {}
    for at, (left_out, groups) in enumerate(((NEW_PROTEINS, clusters), (NEW_LIGANDS, data.second))):
        said = answers_left_out(data, folds_of(groups, PARTS, seed), clusters, seed, partial(_step, on_step, name, at))
        document[left_out] = {
            LOOKED_AT[column]: _agreement(said, data, mask, clusters)
            for column, mask in looked.items()
            if mask.sum() > PARTS
        }
    return document


def _step(on_step: OnStep, name: str, at: int, done: int) -> None:
    on_step(f"one shot, {name}", at * PARTS + done, 2 * PARTS)


def _agreement(
    said: dict[str, Floats], data: PairDataset, mask: npt.NDArray[np.bool_], clusters: Ints
) -> dict[str, Any]:
    pk, groups = data.value[mask], clusters[mask]
    methods = {name: agreement_of([answers[mask]], pk, groups) for name, answers in said.items()}
    return {"n": len(pk), "clusters": len(np.unique(groups)), "methods": methods}


def one_shot_section(documents: Mapping[str, Mapping[str, Any]]) -> Section:
    """The tables.

    Args:
        documents: of `measure_one_shot` by set.
    """
    tables = []
    for name, found in documents.items():
        for left_out, looked in found.items():
            for rows, one in looked.items():
                caption = (
                    f"{left_out.capitalize()}, {name}, {rows}: n = {one['n']}, {one['clusters']} clusters of proteins."
                )
                lines = tuple((method, *agreement_cells(numbers)) for method, numbers in one["methods"].items())
                tables.append(Table(caption, AGREEMENT, lines, (), (0,)))
    text = (
        "A pocket is encoded by what lines it and a molecule by its descriptors, each alone, so that a library is "
        "ranked for a pocket by one product of matrices. Both forms of the preset `affinity` learn from the measured "
        "pairs and from random ones that a forest of trees labels. Five parts; the first seed alone; congeners of "
        "Uni-FEP without poses are learned and not counted. Intervals hold 90 % of bootstrap draws over clusters."
    )
    return Section("In one shot, without a pose", text, tuple(tables))


def forms() -> dict[str, ChosenPreset]:
    """What is trained, by name. The inverse cosine has the largest pK as that of codes of one direction, and a bound on
    the norm of the gradient, without which the steps near its pole undo the training (R of -0.09 on new proteins)."""
    product = preset("affinity")
    inverse = ChosenPreset(
        dataclasses.replace(product.model, head=InverseCosine(scale=MOST)),
        dataclasses.replace(product.training, clip_norm=1.0),
    )
    return {PRODUCT: product, EQUATION_2: inverse}


def answers_left_out(
    data: PairDataset, parts: Ints, clusters: Ints, seed: int, on_part: Callable[[int], None]
) -> dict[str, Floats]:
    """Answers (n,) by method, of models that were trained without the part of a pair.

    Args:
        data: pairs of what lines a pocket and of descriptors of a molecule.
        parts: (n,) number of the part that a pair is in.
        clusters: (n,) number of the cluster of its protein.
        seed: of the trainings.
        on_part: told how many parts are done.
    """
    heavy = np.log(data.right.tensor(np.arange(len(data.right)))[:, NAMES.index("ligand.heavy")].double().numpy())
    trained = forms()
    said = {name: np.full(len(data), np.nan) for name in (*trained, TREES, HEAVY)}
    weight = np.ones(len(data)) if data.weight is None else data.weight
    for done, part in enumerate(np.unique(parts).tolist()):
        on_part(done)
        rest, rows = np.flatnonzero(parts != part), np.flatnonzero(parts == part)
        names = np.unique(clusters[rest])
        held = np.random.default_rng(seed).choice(names, max(1, round(STOPPING * len(names))), replace=False)
        stopping = np.isin(clusters[rest], held)
        teacher = Teacher(some_pairs(data, rest[~stopping], "train"), seed)
        taught = teacher.taught(trained[PRODUCT].training.taught_pairs)
        learned = taught, some_pairs(data, rest[stopping], "validation")
        for name, form in trained.items():
            training = dataclasses.replace(form.training, seed=seed, threads=1)
            said[name][rows] = trained_answers(form.model, training, learned, data, rows)
        said[TREES][rows] = teacher.values(data.first[rows], data.second[rows])
        line = np.polyfit(heavy[data.second[rest]], data.value[rest], 1, w=weight[rest] ** 0.5)
        said[HEAVY][rows] = np.polyval(line, heavy[data.second[rows]])
    return said


def import_pairs(folder: Path, data: Computed, sets: tuple[str, ...] | None, place: Path) -> None:
    """The data set of the pairs of pocket and molecule in a folder, made unless it is there."""
    if not (place / DATA).exists():
        place.mkdir(parents=True, exist_ok=True)
        write_bytes(place / TABLE, table_of_pairs(folder, data, sets).encode())
        kinds = kind_from_json("pocket-lining"), kind_from_json("molecule-descriptors")
        columns = Columns(split="split", weight="weight", group="cluster")
        import_table(place / TABLE, ImportRequest(AffinityMetric(), kinds, columns), place / DATA)


def table_of_pairs(folder: Path, data: Computed, sets: tuple[str, ...] | None) -> str:
    """CSV of pockets, ligands and exact values.

    A pocket is that around the first ligand of its structure. A row counts by the inverse square root of how many its
    series has, and a congener of Uni-FEP without a pose by half of that.

    Args:
        folder: of the tables.
        data: features of their complexes.
        sets: that may be used; all for None.
    """
    chem, clusters = require("rdkit.Chem"), protein_clusters(data)
    kept = [
        row
        for row, entry in enumerate(data.entries)
        if not (entry.relative or entry.bound) and (sets is None or entry.set in sets)
    ]
    more = congeners(folder, data, clusters, kept) if sets is None or "unifep" in sets else []
    first: dict[str, str] = {}
    for entry in data.entries:
        first.setdefault(entry.protein, entry.ligand)
    pocket = {protein: f"{folder / protein}@ligand={folder / ligand}" for protein, ligand in first.items()}
    size = Counter([data.entries[row].system for row in kept] + [one.system for one in more])
    rows: list[tuple[Any, ...]] = []
    for row in kept:
        one = data.entries[row]
        about = size[one.system] ** -0.5, NAMED[clusters[row] % 3], one.id, clusters[row], 1, int(one.crystal)
        rows.append((pocket[one.protein], data.smiles[row], one.pk, *about))
    for mate in more:
        about = 0.5 * size[mate.system] ** -0.5, NAMED[clusters[mate.row] % 3], mate.name, clusters[mate.row], 0, 0
        rows.append((pocket[data.entries[mate.row].protein], chem.MolToSmiles(mate.mol), mate.pk, *about))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *rows])
    return text.getvalue()
