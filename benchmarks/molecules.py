"""Quality of the models of molecules: one-shot shape Tanimoto, search, and enrichment. JSON on stdout.

    python benchmarks/molecules.py --smiles FILE --work FOLDER [--model molecules] [--flat molecules-2d] [--dude FOLDER]

Pairs are of molecules whose scaffolds no training saw (the test split, the same in every data set). FOLDER of --dude
holds `actives_final.mol2.gz`, `decoys_final.mol2.gz` and `crystal_ligand.mol2`. Peers: USRCAT (A. M. Schreyer and
T. Blundell 2012) and Morgan fingerprints, by RDKit; what all are compared with is the exact overlay.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import torch
from dude import figures, read_target
from rdkit import Chem, DataStructs
from rdkit.Chem import rdFingerprintGenerator, rdMolDescriptors
from scipy import stats

from metricvae.core.dataset import PairDataset
from metricvae.core.dataset_files import read_dataset
from metricvae.kinds.molecule.mol_blocks import mol_block
from metricvae.kinds.molecule.packing import unpacked_molecules
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.molecule.table import read_molecules
from metricvae.labelling.run import label
from metricvae.metrics.shape.labelling import ShapePlan
from metricvae.metrics.shape.metric import tanimoto
from metricvae.metrics.shape.solver.gaussian_molecule import prepare
from metricvae.metrics.shape.solver.overlays import overlay_many
from metricvae.prediction.predictor import Predictor
from metricvae.prediction.records import Encoded
from metricvae.search.ann import LEARNED_FROM, InvertedFile, item_vectors, query_vector

Floats = npt.NDArray[np.float64]

SEED = 314_159
QUERIES, LIBRARY, RERANKED, TOP = 20, 20_000, 1_000, 100
EMBEDDINGS, ENCODED_AT_ONCE = 1_000_000, 256


def report_progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def label_data(plan: ShapePlan, folder: Path) -> PairDataset:
    label(plan, folder)
    return read_dataset(folder)


def predicted_tanimoto(
    encoded: Encoded, predictor: Predictor, first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]
) -> Floats:
    """Predicted Tanimoto coefficients."""
    score = predictor.model.head.score(encoded.codes[first], encoded.codes[second])
    return score.double().cpu().numpy()


def one_shot(predictor: Predictor, data: PairDataset) -> dict[str, float]:
    """Predicted against exact Tanimoto of the test pairs."""
    rows = data.rows("test")
    encoded, _, first, second = predictor.encode_pairs(data, rows).arguments
    exact = tanimoto(data.value[rows], *data.magnitudes(rows))
    predicted = predicted_tanimoto(encoded, predictor, first, second)
    return {
        "pairs": len(rows),
        "molecules": len(encoded),
        "pearson": float(np.corrcoef(predicted, exact)[0, 1]),
        "spearman": float(stats.spearmanr(predicted, exact).statistic),
        "mae": float(np.abs(predicted - exact).mean()),
        "std_exact": float(exact.std()),
    }


def peers(data: PairDataset, folder: Path) -> dict[str, float]:
    """Correlation of other similarities with the exact Tanimoto of the test pairs."""
    rows = data.rows("test")
    molecules = list(read_molecules(pq.read_table(folder / "objects.parquet")))
    exact = tanimoto(data.value[rows], *data.magnitudes(rows))
    found = {}
    for name, describe in DESCRIPTIONS.items():
        used = {int(i) for side in (data.first, data.second) for i in side[rows]}
        described = {i: describe(molecules[i]) for i in used}
        predicted = [
            described[int(a)](described[int(b)]) for a, b in zip(data.first[rows], data.second[rows], strict=True)
        ]
        found[f"{name}_pearson"] = float(np.corrcoef(predicted, exact)[0, 1])
    return found


class Description(Protocol):
    """A description of a molecule; called with another, it gives their similarity."""

    def __call__(self, other: Any, /) -> float: ...


class Usrcat:
    """Similarity by ultrafast shape recognition with atom types."""

    def __init__(self, molecule: Molecule) -> None:
        self.numbers: Any = rdMolDescriptors.GetUSRCAT(Chem.MolFromMolBlock(mol_block(molecule)))

    def __call__(self, other: Usrcat) -> float:
        return float(rdMolDescriptors.GetUSRScore(self.numbers, other.numbers))


_MORGAN = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)


class Morgan:
    """Tanimoto coefficient of circular fingerprints."""

    def __init__(self, molecule: Molecule) -> None:
        self.bits = _MORGAN.GetFingerprint(Chem.MolFromMolBlock(mol_block(molecule)))

    def __call__(self, other: Morgan) -> float:
        return float(DataStructs.TanimotoSimilarity(self.bits, other.bits))


DESCRIPTIONS: dict[str, Callable[[Molecule], Description]] = {"usrcat": Usrcat, "morgan": Morgan}


def reranking(predictor: Predictor, data: PairDataset) -> dict[str, float]:
    """Share of the hundred most similar molecules of a library, by the exact overlay, that reranking the model's first
    thousand finds."""
    rng = np.random.default_rng(SEED)
    test = np.unique(np.concatenate([side[data.rows("test")] for side in (data.first, data.second)]))
    queries = rng.permutation(test)[:QUERIES]
    library = rng.permutation(np.setdiff1d(np.arange(len(data.left)), queries))[:LIBRARY]
    rows = np.concatenate([queries, library])
    atoms = unpacked_molecules(data.left.packed[rows])
    prepared = [prepare(one[one[:, 3] > 0, :3], one[one[:, 3] > 0, 3]) for one in atoms]
    encoded = predictor.encode_rows(data.left, rows)
    shares, before, recalls = [], [], []
    for query in range(len(queries)):
        others = np.arange(len(queries), len(rows))
        predicted = predicted_tanimoto(encoded, predictor, np.full(len(others), query), others)
        pairs = np.stack([np.full(len(others), query), others], axis=1)
        exact = overlay_many(prepared, pairs).tanimoto
        best, listed = np.argsort(-exact)[:TOP], np.argsort(-predicted)[:RERANKED]
        again = listed[np.argsort(-exact[listed])][:TOP]
        shares.append(len(set(best) & set(again)) / TOP)
        before.append(len(set(best) & set(listed[:TOP].tolist())) / TOP)
        recalls.append(float(np.corrcoef(predicted, exact)[0, 1]))
        report_progress(f"query {query}: overlap {before[-1]:.2f} -> {shares[-1]:.2f}, correlation {recalls[-1]:.3f}")
    return {
        "library": len(library),
        "queries": len(queries),
        "top_100_before": float(np.mean(before)),
        "top_100_after_1000": float(np.mean(shares)),
        "worst_query": float(np.min(shares)),
        "correlation": float(np.mean(recalls)),
    }


def searching(predictor: Predictor, data: PairDataset) -> dict[str, float]:
    """A million codes: those of molecules and of their mirror images, and as many between two of them as are lacking.

    Queries are codes of molecules.
    """
    head, tower = predictor.model.head, predictor.tower()
    parts: list[npt.NDArray[np.float32]] = []
    began = time.perf_counter()
    with torch.inference_mode():
        for first in range(0, len(data.left), ENCODED_AT_ONCE):
            rows = np.arange(first, min(first + ENCODED_AT_ONCE, len(data.left)))
            features = tower.encoder.prepare(data.left.tensor(rows, predictor.device))
            for shown in (features, tower.encoder.mirror(features)):
                parts.append(tower.code_features(shown).cpu().numpy())
    real = item_vectors(head, np.concatenate(parts))
    report_progress(f"{len(real)} codes in {time.perf_counter() - began:.0f} s")
    rng = np.random.default_rng(SEED)
    ends = rng.integers(len(real), size=(2, EMBEDDINGS - len(real)))
    share = rng.random((ends.shape[1], 1), np.float32)
    items = np.concatenate([real, item_vectors(head, share * real[ends[0]] + (1 - share) * real[ends[1]])])
    start = time.perf_counter()
    cells = InvertedFile.build(
        (items[i : i + 10_000] for i in range(0, len(items), 10_000)),
        items[:: len(items) // LEARNED_FROM].copy(),
        len(items),
    )
    built = time.perf_counter() - start
    queries = rng.permutation(len(real))[:200]
    found: dict[str, float] = {"codes": len(items), "built_per_second": len(items) / built}
    exact = []
    start = time.perf_counter()
    for query in queries.tolist():
        product = items @ items[query]
        exact.append(set(np.argpartition(-product, TOP)[:TOP].tolist()))
    found["all_looked_at_ms"] = 1e3 * (time.perf_counter() - start) / len(queries)
    for looked in (32, 64, 128, 192, 256):
        times, recall = [], []
        for query, best in zip(queries.tolist(), exact, strict=True):
            vector = query_vector(head, torch.from_numpy(items[query : query + 1]))
            start = time.perf_counter()
            hits, _ = cells.find(vector, TOP, cells=looked)
            times.append(time.perf_counter() - start)
            recall.append(len(best & set(hits.tolist())) / TOP)
        found |= {f"recall_{looked}": float(np.mean(recall)), f"ms_{looked}": 1e3 * float(np.median(times))}
    return found


def enrichment(models: dict[str, Predictor], folder: Path) -> dict[str, Any]:
    """Actives and decoys ranked by their similarity to the ligand of the crystal."""
    molecules, active = read_target(folder)
    prepared = [prepare(one.positions, one.radii) for one in molecules]
    pairs = np.stack([np.zeros(len(active), np.int64), np.arange(1, len(molecules))], axis=1)
    scores: dict[str, Floats] = {"exact overlay": overlay_many(prepared, pairs).tanimoto}
    for name, predictor in models.items():
        encoded = predictor.encode(molecules)
        scores[name] = predicted_tanimoto(encoded, predictor, pairs[:, 0], pairs[:, 1])
    for name, describe in DESCRIPTIONS.items():
        described = describe(molecules[0])
        scores[name] = np.array([described(describe(one)) for one in molecules[1:]])
    found: dict[str, Any] = {"actives": int(active.sum()), "decoys": int((~active).sum())}
    return found | {name: figures(score, scores["exact overlay"], active) for name, score in scores.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smiles", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--model", default="molecules")
    parser.add_argument("--flat", default=None)
    parser.add_argument("--dude", type=Path)
    parser.add_argument("--only", nargs="*", help="some of one-shot, flat, reranking, searching, enrichment")
    options = parser.parse_args(arguments)
    wanted: Callable[[str], bool] = lambda name: options.only is None or name in options.only  # noqa: E731
    source, report = str(options.smiles), {}
    model = Predictor.load(options.model)
    flat = None if options.flat is None else Predictor.load(options.flat)
    data = label_data(ShapePlan(source, 100_000, SEED, molecules=LIBRARY + 2_000), options.work / "spatial")
    if wanted("one-shot"):
        report["given conformers"] = one_shot(model, data) | peers(data, options.work / "spatial")
        report_progress(json.dumps(report["given conformers"]))
    if wanted("flat") and flat is not None:
        best = label_data(ShapePlan(source, 20_000, SEED, molecules=4_000, conformers=5), options.work / "best")
        report["SMILES only, best of 5 conformers"] = one_shot(flat, best)
        report["first conformers, best of 5 conformers"] = one_shot(model, best)
    if wanted("reranking"):
        report["re-ranking"] = reranking(model, data)
    if wanted("searching"):
        report["search"] = searching(model, data)
    if wanted("enrichment") and options.dude is not None:
        models = {"model": model} | ({} if flat is None else {"model, SMILES only": flat})
        report["enrichment"] = enrichment(models, options.dude)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
