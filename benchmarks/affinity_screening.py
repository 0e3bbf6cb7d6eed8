"""Does this ligand bind this pocket at all? A score of that, without poses, beside what the ligand alone says. JSON.

    python benchmarks/affinity_screening.py --affinity AFFINITY --work FOLDER [--dude DUDE] [--folds 0 1 2 3 4]

AFFINITY and FOLDER as for `ship_affinity.py`; DUDE holds folders of targets with `receptor.pdb`, `crystal_ligand.mol2`,
`actives_final.mol2.gz` and `decoys_final.mol2.gz`. Actives are ligands of the sets that may ship with a pK of at least
6, at most forty a cluster of proteins; decoys are ligands of other clusters with the most similar properties (size,
logP, donors ...) and no similar formula, three an active in the training and ten in the test. Clusters that are tested
are left out of the training with all their ligands, and so are those whose ligands are the decoys of the test.

A pocket is what lines it about one ligand of its series, the same for actives and decoys. Scores: extremely randomised
trees on pocket and ligand; a ridge regression on products of components of the two; the sum of their ranks. Floors:
trees on the ligand alone, with the same actives and decoys, and heavy atoms. AUC and enrichment in the first 1 %, means
over clusters of ten actives or more, with 90 % bootstrap intervals over clusters.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata
from sklearn.ensemble import ExtraTreesClassifier

from metricvae.core.binary_scores import auc
from metricvae.kinds.molecule.descriptors import ligand_numbers
from metricvae.kinds.molecule.extra import require
from metricvae.kinds.molecule.readers import read, read_one
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.pocket.sites import of_ligand
from metricvae.kinds.pocket.structures import structure_of
from metricvae.metrics.affinity.features.composition import composition
from metricvae.metrics.affinity.features.records import posed_complex
from metricvae.metrics.affinity.features.vector import BLOCKS
from metricvae.metrics.affinity.posed_fit import TrainingSet, folds_of
from metricvae.metrics.affinity.reference import fingerprint
from metricvae.reproduction.affinity.complexes import SHIPPABLE, computed, entries
from metricvae.reproduction.affinity.statistics import Floats, Ints, bootstrap_mean
from metricvae.reproduction.affinity.training_rows import training_set
from metricvae.runtime.process_pool import worker_pool

ACTIVE, MOST, SIMILAR = 6.0, 40, 0.6
"""pK from which on a ligand counts as active, actives of a cluster, and the similarity to an active of a decoy, at
most (Tanimoto coefficient)."""

MATCHED = {
    **{"heavy": 2.5, "logp": 1.5},
    **dict.fromkeys(("rotatable", "donors", "acceptors", "tpsa", "aromatic-rings", "charge-high"), 1.0),
}
"""Descriptors in which decoys are like actives, and how much each counts."""

COMPONENTS, POCKET_COMPONENTS, PENALTY, BOUND = 48, 16, 0.3, 4.0

FEWEST = 10
"""Actives of a cluster that is measured."""

HEAVY, ALONE, TREES, PRODUCT, SUM = "heavy atoms", "ligand alone", "trees", "product", "sum of ranks"


@dataclass(frozen=True, eq=False)
class Screens:
    """n ligands, each with the pocket that it binds to.

    Attributes:
        ligand, pocket: (n, f) descriptors and (n, g) counts of what lines the pocket.
        bits: (n, b) fingerprints.
        protein: (n,) clusters.
    """

    ligand: Floats
    pocket: Floats
    bits: np.ndarray
    protein: Ints

    @property
    def properties(self) -> Floats:
        """(n, p) standardised descriptors of `MATCHED`."""
        place = [BLOCKS["ligand"].index(f"ligand.{name}") for name in MATCHED]
        rows = self.ligand[:, place]
        found: Floats = (rows - rows.mean(0)) / (rows.std(0) + 1e-6) * np.array(list(MATCHED.values()))
        return found


def screens_of(data: TrainingSet) -> tuple[Screens, Ints]:
    """All ligands, and the rows of the actives."""
    columns = {name: [data.names.index(one) for one in BLOCKS[name]] for name in ("ligand", "pocket")}
    _, first, series = np.unique(data.series, return_index=True, return_inverse=True)
    bits = np.unpackbits(data.reference.fingerprints, axis=1).astype(np.float32)
    pocket = data.features[first[series]][:, columns["pocket"]]
    screens = Screens(data.features[:, columns["ligand"]], pocket, bits, data.proteins)
    known: dict[tuple[bytes, int], int] = {}
    for row in np.flatnonzero(data.pk >= ACTIVE).tolist():
        known.setdefault((data.reference.fingerprints[row].tobytes(), int(data.proteins[row])), row)
    rows, rng = np.array(sorted(known.values())), np.random.default_rng(0)
    parts = [rng.permutation(rows[data.proteins[rows] == one])[:MOST] for one in np.unique(data.proteins[rows])]
    return screens, np.concatenate(parts)


@dataclass(frozen=True, eq=False)
class Candidates:
    """(k,) pairs: the row whose pocket is asked, the row of the ligand, whether it is active, and the cluster asked."""

    pocket: Ints
    ligand: Ints
    active: Ints
    cluster: Ints


def candidates(screens: Screens, rows: Ints, count: int, seed: int) -> Candidates:
    """Actives, each with some decoys among the ligands of other clusters of these rows."""
    rng, found, properties = np.random.default_rng(seed), [], screens.properties
    for cluster in np.unique(screens.protein[rows]):
        own, others = rows[screens.protein[rows] == cluster], rows[screens.protein[rows] != cluster]
        away = ((properties[own][:, None] - properties[others]) ** 2).sum(-1)
        common = screens.bits[others] @ screens.bits[own].T
        union = screens.bits[others].sum(1)[:, None] + screens.bits[own].sum(1) - common
        away[:, (common / union).max(1) > SIMILAR] = np.inf
        for active, near in zip(own, np.argsort(away, axis=1)[:, : 4 * count], strict=True):
            chosen = [active, *others[rng.permutation(near)[:count]]]
            found += [(active, one, int(one == active), cluster) for one in chosen]
    return Candidates(*np.array(found).T)


def scores(screens: Screens, known: Ints, train: Candidates, test: Candidates) -> dict[str, Floats]:
    """(k,) scores of the test by method, learned from the training, with scales of the rows that are known."""
    logs = np.sign(screens.ligand) * np.log1p(np.abs(screens.ligand))
    ligand, pocket = _standard(logs, known), _standard(np.log1p(np.abs(screens.pocket)), known)
    formula = _components(screens.bits, known, COMPONENTS)
    alone = np.hstack([ligand, formula])
    sizes = {one: (train.cluster == one).sum() ** -0.5 for one in np.unique(train.cluster)}
    weight = np.array([sizes[one] for one in train.cluster])
    forest = {"n_estimators": 40, "min_samples_leaf": 3, "max_features": 0.2, "random_state": 0}

    def learned(rows: Floats, asked: Floats) -> Floats:
        model = ExtraTreesClassifier(**forest).fit(rows, train.active, sample_weight=weight)
        return np.asarray(model.predict_proba(asked)[:, 1])

    both = [np.hstack([pocket[one.pocket], alone[one.ligand]]) for one in (train, test)]
    lines = _components(pocket, known, POCKET_COMPONENTS)
    sides = lines / lines[known].std(0), np.hstack([ligand, formula / formula[known].std(0)])
    products = [
        (sides[0][one.pocket][:, :, None] * sides[1][one.ligand][:, None]).reshape(len(one.pocket), -1)
        for one in (train, test)
    ]
    found = {
        HEAVY: screens.ligand[test.ligand, BLOCKS["ligand"].index("ligand.heavy")],
        ALONE: learned(alone[train.ligand], alone[test.ligand]),
        TREES: learned(*both),
        PRODUCT: products[1] @ _ridge(products[0], train.active, weight),
    }
    return found | {SUM: rankdata(found[TREES]) + rankdata(found[PRODUCT])}


def _standard(rows: Floats, known: Ints) -> Floats:
    return np.clip((rows - rows[known].mean(0)) / (rows[known].std(0) + 1e-6), -BOUND, BOUND)


def _components(rows: Any, known: Ints, count: int) -> Floats:
    """(n, count) principal components of the known rows; of all."""
    middle = rows[known].mean(0)
    _, vectors = np.linalg.eigh((rows[known] - middle).T @ (rows[known] - middle))
    return np.asarray((rows - middle) @ vectors[:, ::-1][:, :count])


def _ridge(rows: Floats, value: Ints, weight: Floats) -> Floats:
    middle = rows - np.average(rows, axis=0, weights=weight)
    weighted = middle * weight[:, None]
    gram = weighted.T @ middle
    penalty = PENALTY * np.trace(gram) / len(gram)
    target = weighted.T @ (value - np.average(value, weights=weight))
    return np.asarray(np.linalg.solve(gram + penalty * np.eye(len(gram)), target))


def enrichment(score: Floats, active: Ints, share: float = 0.01) -> float:
    """The share of actives among the first, over that among all; equal scores are in a seeded random order."""
    order = np.random.default_rng(0).permutation(len(score))
    first = order[np.argsort(-score[order], kind="stable")][: max(1, round(share * len(score)))]
    return float(active[first].mean() / active.mean())


def folds_measured(screens: Screens, actives: Ints, folds: Ints, chosen: list[int]) -> dict[str, list[list[float]]]:
    """AUC and enrichment of each cluster that is left out, by method."""
    found: dict[str, list[list[float]]] = {}
    for fold in chosen:
        known, asked = actives[folds[actives] != fold], actives[folds[actives] == fold]
        test = candidates(screens, asked, 10, 2)
        said = scores(screens, known, candidates(screens, known, 3, 1), test)
        for cluster in np.unique(test.cluster):
            own = test.cluster == cluster
            if test.active[own].sum() >= FEWEST:
                for name, one in said.items():
                    pair = [auc(one[own], test.active[own] > 0), enrichment(one[own], test.active[own])]
                    found.setdefault(name, []).append(pair)
    return found


def dude_targets(folder: Path) -> Iterator[tuple[str, list[Molecule], list[Molecule], Floats, str]]:
    """Name, actives, decoys, what lines the pocket, and sequence, of each target that has decoys."""
    for place in sorted(folder.iterdir()):
        if (place / "decoys_final.mol2.gz").is_file():
            ligand, structure = read_one(place / "crystal_ligand.mol2"), structure_of(str(place / "receptor.pdb"))
            sides = [
                [one for one in read(place / f"{part}_final.mol2.gz") if isinstance(one, Molecule)]
                for part in ("actives", "decoys")
            ]
            lined = composition(posed_complex(of_ligand(structure, ligand.positions).receptor, ligand))
            yield place.name, sides[0], sides[1], lined, structure.sequence


def on_dude(data: TrainingSet, screens: Screens, actives: Ints, folder: Path) -> dict[str, Any]:
    """AUC and enrichment on targets of DUD-E, without clusters that share half of the words of the sequence."""
    found, chem = {}, require("rdkit.Chem")
    for name, bound, decoys, lined, sequence in dude_targets(folder):
        mols = [chem.MolFromSmiles(one.smiles) for one in (*bound, *decoys)]
        alike = data.reference.protein_similarity(sequence)
        out = set(data.proteins[alike[data.reference.protein] >= 0.5].tolist())
        known = np.array([row for row in actives.tolist() if int(data.proteins[row]) not in out])
        more = len(screens.ligand) + np.arange(len(mols))
        joined = replace(
            screens,
            ligand=np.vstack([screens.ligand, [ligand_numbers(one) for one in mols]]),
            pocket=np.vstack([screens.pocket, np.tile(lined, (len(mols), 1))]),
            bits=np.vstack([screens.bits, np.unpackbits([fingerprint(one) for one in mols], axis=1)]).astype(
                np.float32
            ),
        )
        active = (np.arange(len(mols)) < len(bound)).astype(np.int64)
        train, test = candidates(screens, known, 3, 1), Candidates(more, more, active, np.zeros_like(more))
        said = scores(joined, known, train, test)
        numbers = {
            key: [round(auc(one, active > 0), 3), round(enrichment(one, active), 2)] for key, one in said.items()
        }
        found[name] = {"actives": len(bound), "decoys": len(decoys), "clusters left out": len(out), **numbers}
    return found


def summary(found: dict[str, list[list[float]]]) -> dict[str, Any]:
    """Means over clusters with their intervals, and the differences from the ligand alone."""
    document: dict[str, Any] = {"clusters": len(next(iter(found.values())))}
    for name, pairs in found.items():
        rows, floor = np.array(pairs), np.array(found[ALONE])
        document[name] = {
            "auc": str(bootstrap_mean(rows[:, 0])),
            "enrichment": str(bootstrap_mean(rows[:, 1])),
            "auc above ligand alone": str(bootstrap_mean(rows[:, 0] - floor[:, 0])),
        }
    return document


def main() -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--affinity", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--dude", type=Path)
    parser.add_argument("--folds", nargs="*", type=int, default=[0, 1, 2, 3, 4])
    options = parser.parse_args()
    with worker_pool(1) as pool:
        known = computed(options.affinity, entries(options.affinity), options.work, pool)
    data = training_set(options.affinity, known, SHIPPABLE)
    screens, actives = screens_of(data)
    found = folds_measured(screens, actives, folds_of(data.proteins, 5, 0), options.folds)
    document = {"left out": summary(found)} if found else {}
    if options.dude is not None:
        document["DUD-E"] = on_dude(data, screens, actives, options.dude)
    print(json.dumps(document))


if __name__ == "__main__":
    main()
