"""Make the `molecules-many` model that ships: shape, fingerprint similarity and some thirty properties in one code.

    python benchmarks/ship_molecules_many.py --table FILE --conformers FILE --work FOLDER

FILE of the table is described in `many_metrics_data.py`; that of conformers is an SDF file, for the pairs on which
shape is calibrated: what ships took the 1,000 molecules of MOSES of the ShEPhERD project (MIT), relaxed with xTB.

The atoms' encoder is that of the shipped model `molecules`, as it is, so shape is predicted as there. The encoder of
descriptors and circular substructures, the anchors of all properties, and the view of fingerprints are trained together
(`metricvae.training.joint`), each molecule for the properties that are known of it; then each head is fitted to the
finished codes once more, and the better one on the validation split is kept. On one core: ten minutes to
describe the molecules, six to train, two to label pairs and to calibrate. What is finished in the work folder is not
made again.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from many_metrics_data import DESCRIBED_KIND, Described, described, joint_metrics, object_table
from torch import Tensor

from metricvae.cli import main as metricvae
from metricvae.core.dataset_files import read_dataset
from metricvae.fitting.add_metric import ViewConfig, fit_head, install_metric
from metricvae.fitting.fit_jointly import write_joint_model
from metricvae.kinds.molecule_described.encoders.described import DescribedEncoderConfig
from metricvae.kinds.molecule_fingerprint.kind import MoleculeFingerprintKind
from metricvae.metrics.shape.metric import ShapeMetric
from metricvae.nn.autoencoder import ModelConfig, TowerConfig
from metricvae.nn.descriptors import DescriptorEncoderConfig
from metricvae.nn.heads import CosineTanimoto
from metricvae.nn.views import ViewedHead
from metricvae.runtime.files import write_text
from metricvae.training.checkpoint import SHIPPED, begin_model, load_model, read_tensors, write_tensors
from metricvae.training.joint import JointConfig, JointlyTrained, train_jointly
from metricvae.training.network_state import NetworkProgress

NAME, BASE = "molecules-many", "molecules"
LEARNED, COMPONENTS, PLAIN = 256, 256, 64
GUESSED = LEARNED + COMPONENTS
NUMBERS = GUESSED + PLAIN
"""Numbers of a code that descriptors and substructures give: those that all metrics read, of perceptrons with dropout
and of a kernel, and those, of a perceptron without dropout, that computed properties read as well."""

NETWORK = DescriptorEncoderConfig(
    inputs=MoleculeFingerprintKind.count,
    width=208,
    plain=PLAIN,
    components=COMPONENTS,
    landmarks=600,
    counts=MoleculeFingerprintKind.counts,
)
TRAINING = JointConfig(steps=1_200, batch_objects=384, batch_pairs=128, evaluate_every=200)
SHAPE = ["molecules", "--pairs", "7500", "--molecules", "1000", "--seed", "7"]
"""Pairs on which shape is calibrated."""

VIEW = ViewConfig(steps=600, batch_pairs=1_024)

SOURCES = f"""
**Shape** (`--metric shape`, the default) is read off the conformers that are given, by the encoder of the model
`{BASE}`, as it is there. All other metrics are read off the formula.

**Data.** AqSolDB and PharmaBench (CC0 1.0), Biogen's ADME set (MIT), Tox21 and ClinTox of MoleculeNet as the GROVER
project gives them (MIT); computed properties by RDKit. Split by scaffold. Measured properties are of the assays of
these sets: on other chemistry measure first.
"""


def train(data: Described, work: Path) -> JointlyTrained:
    """The encoder of numbers and the views, trained once and kept in the work folder."""
    path = work / "trained.safetensors"
    kind = MoleculeFingerprintKind()
    metrics = joint_metrics(data, object_table(data, kind), (0, GUESSED))
    if not path.exists():
        found = train_jointly(TowerConfig(kind, NETWORK), NUMBERS, metrics, TRAINING, work, progress)
        parts = {f"encoder/{name}": part for name, part in found.encoder.state_dict().items()}
        for name, view in found.views.items():
            part = view.matrix if view.anchor is None else view.anchor
            assert part is not None
            parts[f"view/{name}"] = part
        write_tensors(path, parts, {"validation": found.validation, "seconds": found.seconds})
    kept = read_tensors(path)
    encoder = NETWORK.build(NUMBERS)
    encoder.load_state_dict(kept.under("encoder"))
    views = {}
    for metric in metrics:
        part = kept.tensors[f"view/{metric.name}"]
        parted = {"anchor": part} if metric.data.metric.anchored else {"matrix": part}
        views[metric.name] = ViewedHead(metric.head, metric.reads(NUMBERS), **parted)
    return JointlyTrained(encoder.eval(), views, kept.numbers["validation"], kept.numbers["seconds"])


def progress(now: NetworkProgress) -> None:
    """A line after each measurement."""
    if now.step % TRAINING.evaluate_every == 0:
        print(f"{now.step} of {now.steps}: loss {now.loss:.3f}, explained {now.measured:.4f}", flush=True)


def refitted(data: Described, trained: JointlyTrained) -> JointlyTrained:
    """The same code, with those heads fitted anew to all of it that explain more of the validation split: a penalty
    chosen there suits a property of few values better than the common training does."""
    table = object_table(data, MoleculeFingerprintKind())
    with torch.inference_mode():
        rows = np.array_split(np.arange(len(table)), len(table) // 2_000 + 1)
        codes = torch.cat([trained.encoder(trained.encoder.prepare(table.tensor(some)))[0] for some in rows]).clone()
    views, validation = dict(trained.views), dict(trained.validation)
    for metric in joint_metrics(data, table, (0, GUESSED)):
        found, explained = fit_head(ViewedHead(metric.head, (0, NUMBERS)), codes, metric.data, VIEW)
        print(f"{metric.name}: explained {validation[metric.name]:.3f}, fitted anew {explained:.3f}", flush=True)
        if explained > validation[metric.name]:
            views[metric.name], validation[metric.name] = found, explained
    return replace(trained, views=views, validation=validation)


def moved(view: ViewedHead, start: int, latent: int) -> ViewedHead:
    """A view of the numbers' part of a code, as one of the whole code, in which that begins at `start`."""
    columns = start + view.columns[0], start + view.columns[1]
    if view.anchor is None:
        return replace(view, columns=columns)
    anchor = torch.zeros(1, latent)
    anchor[:, start:] = view.anchor
    return replace(view, columns=columns, anchor=anchor)


def weights_of(base: Mapping[str, Tensor], trained: JointlyTrained) -> dict[str, Tensor]:
    """The weights of the model: those of the atoms' encoder, and of the numbers'."""
    atoms = {
        name.removeprefix("left.encoder."): part for name, part in base.items() if name.startswith("left.encoder.")
    }
    numbers = trained.encoder.state_dict()
    prefix = "towers.left.encoder"
    found = {f"{prefix}.atoms.{name}": part for name, part in atoms.items()}
    return found | {f"{prefix}.numbers.{name}": part for name, part in numbers.items()}


def main() -> None:
    """Make the model, and put it into the package."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("table", "conformers", "work"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = described(options.table, options.work)
    trained = refitted(data, train(data, options.work))
    pairs = options.work / "shape"
    if not (pairs / "card.json").exists() and metricvae(
        ["label", *SHAPE, "--objects", str(options.conformers), "--out", str(pairs)]
    ):
        raise SystemExit(2)
    base = load_model(BASE)
    own = base.config.left.encoder.to_json()
    latent = 2 * base.config.latent + NUMBERS
    encoder = DescribedEncoderConfig.from_json(
        own
        | {"name": "described", "numbers": NUMBERS / latent}
        | {name: getattr(NETWORK, name) for name in ("width", "members", "plain", "components", "landmarks")}
    )
    tower = TowerConfig(DESCRIBED_KIND, encoder)
    model = ModelConfig(ShapeMetric(), tower, latent=latent, head=CosineTanimoto())
    folder = options.work / NAME
    shutil.rmtree(folder, ignore_errors=True)
    begin_model(folder, model, asdict(TRAINING), {"molecules": len(data.smiles), "atoms": base.sha256})
    start = latent - NUMBERS
    views = {name: moved(view, start, latent) for name, view in trained.views.items()}
    metrics = joint_metrics(data, object_table(data, DESCRIBED_KIND), (0, GUESSED))
    weights = weights_of(base.model.towers.state_dict(), trained)
    write_joint_model(folder, weights, metrics, replace(trained, views=views), TRAINING.steps)
    shape = read_dataset(pairs, None, (DESCRIBED_KIND,))
    counts = {"train": base.facts["pairs"], "calibration": int((shape.split == "calibration").sum())}
    facts = {"values": counts, "validation": base.facts["validation_r2"], "atoms": f"as in {BASE}"}
    view = ViewedHead(CosineTanimoto(), (0, start))
    install_metric(load_model(folder), "shape", shape, view, folder, facts)
    write_text(folder / "README.md", (folder / "README.md").read_text(encoding="utf-8") + SOURCES)
    target = SHIPPED / NAME
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns("*.tmp", "log.jsonl"))


if __name__ == "__main__":
    main()
