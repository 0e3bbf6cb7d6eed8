"""Affinities by the convolutional network of Gnina beside the shipped model, on given poses. JSON.

    python benchmarks/affinity_cnn.py --affinity AFFINITY --out SCORES.csv [--sets gems gign merck] [--most 300]

The network is `fast` of GNINA 1.3.2 as Rustina runs it (extra `rustina`), on the pose as it is given, prepared as for
docking. It was trained on PDBbind and CrossDocked2020, so it has seen the crystal complexes of gems, gign and v2013core
or their like, and the proteins of merck (the poses there are modelled). The shipped model was trained on merck, so that
its figure for that set is one of `metricvae reproduce affinity`, with the target left out, and not of this command.
SCORES.csv gets a row a complex as soon as it is scored; a killed run goes on.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from metricvae.core.errors import InputError
from metricvae.kinds.pocket.sites import of_ligand
from metricvae.metrics.affinity.features.records import posed_complex
from metricvae.metrics.affinity.features.vector import NAMES, features_of
from metricvae.metrics.affinity.posed import PosedModel
from metricvae.metrics.affinity.posed_files import read_posed
from metricvae.metrics.affinity.posing import ComplexReader, check_pose
from metricvae.metrics.affinity.reference import fingerprint
from metricvae.reproduction.affinity.complexes import Entry, entries
from metricvae.reproduction.affinity.gnina import AFFINITY, POSE, network_scores
from metricvae.reproduction.affinity.series import FEWEST
from metricvae.reproduction.affinity.statistics import bootstrap_mean, kendall, pearson, rmse, spearman
from metricvae.training.checkpoint import SHIPPED

COLUMNS = ("id", "set", "system", "pk", "cnn", "cnn_pose", "model", "ranking", "heavy", "vina", "protein", "ligand")


def scored(folder: Path, entry: Entry, reader: ComplexReader, model: PosedModel) -> dict[str, Any]:
    """A row of `COLUMNS`.

    Raises:
        InputError: the complex is refused, or cannot be prepared.
    """
    structure = reader.receptor_of(str(folder / entry.protein))
    molecule = reader.ligand_of(str(folder / entry.ligand), entry.title)
    receptor = of_ligand(structure, molecule.positions).receptor
    posed = posed_complex(receptor, molecule)
    check_pose(posed)
    network = network_scores(receptor, posed)
    features = features_of(posed)[None]
    said = model.predict(features, NAMES, fingerprint(posed.mol)[None], [structure.sequence])
    return {
        **{"id": entry.id, "set": entry.set, "system": entry.system, "pk": entry.pk},
        **{"cnn": network[AFFINITY], "cnn_pose": network[POSE]},
        **{"model": said.pk[0], "ranking": said.ranking[0], "heavy": said.baseline[0]},
        "vina": -features[0, NAMES.index("term.vina.rotatable")],
        **{"protein": said.protein[0], "ligand": said.ligand[0]},
    }


def scores_of(folder: Path, chosen: list[Entry], path: Path) -> Iterator[dict[str, str]]:
    """The rows of complexes, those that are not in the file yet computed and added to it."""
    done = {}
    if path.is_file():
        with open(path, newline="", encoding="utf-8") as file:
            done = {row["id"]: row for row in csv.DictReader(file) if row["ligand"]}
    reader, model = ComplexReader(), read_posed(SHIPPED / "affinity")
    with open(path, "a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if not file.tell():
            writer.writeheader()
        for entry in chosen:
            if entry.id not in done:
                try:
                    row = scored(folder, entry, reader, model)
                except InputError as error:
                    print(f"{entry.id}: {' '.join(str(error).split())}"[:200])
                    continue
                writer.writerow(row)
                file.flush()
                done[entry.id] = {name: str(value) for name, value in row.items()}
            yield done[entry.id]


def over_all(rows: list[dict[str, str]]) -> dict[str, Any]:
    """Pearson R with its interval by bootstrap over complexes, Spearman and RMSE of each method over all rows."""
    pk = np.array([float(row["pk"]) for row in rows])
    draws = np.random.default_rng(0).integers(len(pk), size=(1_000, len(pk)))
    found: dict[str, Any] = {"n": len(pk)}
    for name in ("cnn", "model", "heavy", "vina"):
        said = np.array([float(row[name]) for row in rows])
        ends = np.quantile([pearson(said[one], pk[one]) for one in draws], (0.05, 0.95))
        found[name] = {
            "pearson": round(pearson(said, pk), 3),
            "interval": [round(float(end), 2) for end in ends],
            "spearman": round(spearman(said, pk), 3),
            "rmse": None if name == "vina" else round(rmse(said, pk), 2),
        }
    return found


def within_systems(rows: list[dict[str, str]]) -> dict[str, Any]:
    """Means over systems of ten or more ligands of Kendall's tau and Spearman's rho, of the network and of size."""
    systems: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        systems.setdefault(row["system"], []).append(row)
    large = {name: held for name, held in systems.items() if len(held) >= FEWEST}
    found: dict[str, Any] = {"systems": len(large), "n": sum(map(len, large.values()))}
    for name in ("cnn", "cnn_pose", "heavy", "vina") if large else ():
        columns = [[(float(row[name]), float(row["pk"])) for row in held] for held in large.values()]
        for measure, of in (("kendall", kendall), ("spearman", spearman)):
            values = [of(*np.array(pairs).T) for pairs in columns]
            found.setdefault(name, {})[measure] = str(bootstrap_mean(values))
    return found


def main() -> None:
    """Score, and print what was found for each set and for all sets of crystals."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--affinity", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=["gems", "gign", "v2013core", "merck"])
    parser.add_argument("--most", type=int, default=300, help="complexes of a set, a seeded choice")
    options = parser.parse_args()
    known = [one for one in entries(options.affinity) if not (one.bound or one.relative)]
    found: dict[str, list[dict[str, str]]] = {}
    for name in options.sets:
        own = [one for one in known if one.set == name]
        kept = [own[at] for at in np.random.default_rng(0).permutation(len(own))[: options.most].tolist()]
        kept.sort(key=lambda one: (one.protein, one.ligand))
        found[name] = list(scores_of(options.affinity, kept, options.out))
    crystal = [row for name, rows in found.items() if name != "merck" for row in rows]
    document = {name: within_systems(rows) if name == "merck" else over_all(rows) for name, rows in found.items()}
    if crystal:
        unlike = [row for row in crystal if float(row["protein"]) < 0.5]
        document |= {"crystal": over_all(crystal), "crystal, proteins unlike the model's": over_all(unlike)}
    print(json.dumps(document))


if __name__ == "__main__":
    main()
