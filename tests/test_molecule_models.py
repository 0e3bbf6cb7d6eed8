"""Models of molecules: codes that no motion changes, heads that keep their laws, and a data set end to end."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from metricvae.core.dataset import PairDataset
from metricvae.core.dataset_files import read_dataset
from metricvae.core.dataset_merge import merge
from metricvae.core.errors import InputError
from metricvae.evaluation.evaluate import evaluate
from metricvae.fitting.fit import fit
from metricvae.kinds.molecule import table as table_module
from metricvae.kinds.molecule.conformers import conform, flat
from metricvae.kinds.molecule.drawing import HIGH, HIT, LEGEND, MARGIN, QUERY, WIDE
from metricvae.kinds.molecule.encoders.point_set import PointSetEncoderConfig
from metricvae.kinds.molecule.fragments import draw, stream_smiles
from metricvae.kinds.molecule.kind import MoleculeKind
from metricvae.kinds.molecule.mol_blocks import write_sdf
from metricvae.kinds.molecule.packing import (
    COLUMNS,
    LINKED,
    atoms_of,
    links,
    packed_molecules,
    padded,
    unpacked_molecules,
)
from metricvae.kinds.molecule.readers import read
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.molecule.self_overlap import self_overlaps
from metricvae.kinds.molecule.table import read_molecules
from metricvae.kinds.molecule.transforms import RigidMotion, move, present, random_motions
from metricvae.kinds.volume.io import write_map
from metricvae.kinds.volume.simulation import density
from metricvae.labelling.run import label
from metricvae.metrics.shape.labelling import ShapePlan
from metricvae.metrics.shape.metric import ShapeMetric, tanimoto
from metricvae.metrics.shape.solver.gaussian_molecule import exponents, prepare
from metricvae.metrics.shape.solver.overlays import overlay
from metricvae.metrics.shape.solver.volumes import overlap_volume
from metricvae.nn.autoencoder import ModelConfig, TowerConfig, build
from metricvae.nn.density import DensityDecoderConfig
from metricvae.nn.heads import CosineDistance, CosineTanimoto, Head, InnerProduct
from metricvae.nn.rotations import rotation_matrices
from metricvae.prediction.predictor import Predictor
from metricvae.search.ann import InvertedFile, item_vectors, query_vector
from metricvae.search.build import build_index
from metricvae.search.encoding import Placement, encode_part, packed_model
from metricvae.search.index import read_index
from metricvae.search.rerank import exact_search, item_reader, rerank
from metricvae.search.search import search
from metricvae.training.presets import preset

COUNT = 12


@pytest.fixture(scope="module")
def molecules() -> list[Molecule]:
    return draw(COUNT, seed=4)


@pytest.fixture(scope="module")
def x(molecules: list[Molecule]) -> torch.Tensor:
    return torch.from_numpy(padded([atoms_of(one) for one in molecules]))


TOWER = TowerConfig(MoleculeKind(), PointSetEncoderConfig((16, 16)), DensityDecoderConfig((8, 8, 4, 4)))
TINY = ModelConfig(ShapeMetric(), TOWER, latent=12, head=CosineTanimoto())


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_arrays_of_molecules_come_back_from_their_bytes(x: torch.Tensor) -> None:
    assert np.array_equal(unpacked_molecules(packed_molecules(x.numpy())), x.numpy())


def test_links_are_bonds_and_shortest_ways() -> None:
    chain = np.array([[0, 1, 1], [1, 2, 2], [2, 3, 0]], np.int32)
    far = LINKED["two bonds"]
    assert links(5, chain).tolist() == [
        [1, 2, far, far + 1, LINKED["no way"]],
        [2, 1, 3, far, LINKED["no way"]],
        [far, 3, 1, LINKED["unknown bond"], LINKED["no way"]],
        [far + 1, far, LINKED["unknown bond"], 1, LINKED["no way"]],
        [LINKED["no way"]] * 4 + [1],
    ]


def test_rotations_are_proper_and_motions_keep_distances(x: torch.Tensor) -> None:
    motion = random_motions(COUNT, chance())
    assert torch.allclose(motion.rotation @ motion.rotation.mT, torch.eye(3).expand(COUNT, 3, 3), atol=1e-5)
    assert torch.allclose(torch.linalg.det(motion.rotation), torch.ones(COUNT), atol=1e-5)
    moved = move(x, motion)
    assert torch.equal(moved[..., 3:], x[..., 3:])
    assert not moved[~present(x)].any()
    before, after = (torch.cdist(one[..., :3].double(), one[..., :3].double()) for one in (x, moved))
    both = present(x)[:, :, None] & present(x)[:, None]
    assert (before - after)[both].abs().max() < 1e-3


def test_a_quarter_turn_is_where_it_belongs() -> None:
    quarter = rotation_matrices(torch.tensor([[math.cos(math.pi / 4), 0.0, 0.0, math.sin(math.pi / 4)]]))
    atom = torch.tensor([[[1.0, 0.0, 0.0, 1.7]]])
    assert torch.allclose(
        move(atom, RigidMotion(quarter, torch.zeros(1, 3)))[0, 0, :3], torch.tensor([0.0, 1, 0]), atol=1e-6
    )


def test_mirrored_codes_need_a_head_that_goes_by_angles() -> None:
    with pytest.raises(InputError, match="got mirrored codes with the head inner_product: expected one that goes"):
        replace(TINY, head=InnerProduct(), mirrored=True)


def test_self_overlaps_are_those_of_the_exact_search(molecules: list[Molecule], x: torch.Tensor) -> None:
    expected = [prepare(one.positions, one.radii).volume for one in molecules]
    assert self_overlaps(x).numpy() == pytest.approx(np.array(expected), rel=1e-5)


def test_self_overlaps_of_flat_molecules_are_about_those_in_space(molecules: list[Molecule], x: torch.Tensor) -> None:
    there = self_overlaps(x)
    guessed = self_overlaps(torch.from_numpy(padded([atoms_of(flat(one.smiles)) for one in molecules])))
    assert (guessed / there - 1).abs().max() < 0.1
    assert (guessed / there - 1).abs().mean() < 0.04


def test_the_overlap_follows_from_the_cosine() -> None:
    head = CosineTanimoto()
    size, other, t = torch.tensor([900.0, 700.0]), torch.tensor([800.0, 700.0]), torch.tensor([0.5, 1.0])
    overlap = head.value(t, size, other)
    assert overlap.tolist() == pytest.approx([0.5 * 1700 / 1.5, 700.0])
    assert torch.allclose(head.target(overlap, size, other), t)
    assert (overlap.numpy() <= ShapeMetric().limits(size.double().numpy(), other.double().numpy())[1]).all()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A data set of fragments and a small model of it."""
    folder = tmp_path_factory.mktemp("molecules")
    label(ShapePlan("fragments", 400, seed=3, molecules=160), folder / "data", workers=1)
    training = replace(
        preset("molecules").training,
        **{"steps": 80, "batch_pairs": 80, "warmup_steps": 10, "average_decay": None, "evaluate_every": 40},
        **{"threads": 1, "precision": "float32"},
    )
    fit(read_dataset(folder / "data"), TINY, training, folder / "model")
    return folder / "data", folder / "model"


@pytest.fixture(scope="module")
def data(trained: tuple[Path, Path]) -> PairDataset:
    return read_dataset(trained[0])


def arrays_of(data: PairDataset) -> np.ndarray:
    """All objects as encoders take them."""
    return data.left.tensor(np.arange(len(data.left))).numpy()


def test_labels_are_the_exact_overlays(data: PairDataset) -> None:
    assert data.metric == ShapeMetric()
    for row in range(0, len(data), 97):
        ends = data.left.tensor([data.first[row], data.second[row]]).numpy()
        found = overlay(*(prepare(each[each[:, 3] > 0, :3], each[each[:, 3] > 0, 3]) for each in ends))
        assert data.value[row] == pytest.approx(found.overlap, rel=1e-4)
        assert data.left.magnitudes[data.first[row]] == pytest.approx(found.self_a, rel=1e-5)


def test_molecules_are_read_a_few_at_a_time(
    data: PairDataset, trained: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_module, "AT_ONCE", 7)
    assert np.array_equal(read_dataset(trained[0]).left.packed, data.left.packed)
    table = pq.read_table(trained[0] / "objects.parquet").slice(20, 30)
    every = arrays_of(data)
    for row, one in enumerate(map(atoms_of, read_molecules(table)), 20):
        assert np.array_equal(padded([one, every[0]])[0], every[row])


def test_molecules_of_several_data_sets_have_room_for_the_largest(data: PairDataset) -> None:
    every = arrays_of(data)
    atoms = len(every[0])
    wide = padded([*every, np.zeros((atoms + 3, 9 + atoms), np.float32)])
    table = replace(data.left, packed=packed_molecules(wide[:-1]))
    other = replace(data, left=table, right=table)
    for parts in ((data, other), (other, data)):
        both = arrays_of(merge(parts))
        assert np.array_equal(both, np.concatenate([wide[:-1]] * 2))


def test_a_model_learns_and_answers(trained: tuple[Path, Path], data: PairDataset) -> None:
    predictor, rows = Predictor.load(trained[1]), data.rows("train")
    assert 0.8 <= evaluate(predictor, data, "calibration").interval_coverage <= 1.0
    encoded = predictor.encode_pairs(data, rows)
    magnitudes = predictor.magnitudes(*encoded.arguments)
    predicted = tanimoto(predictor.values(*encoded.arguments), *magnitudes)
    assert np.corrcoef(predicted, tanimoto(data.value[rows], *magnitudes))[0, 1] > 0.6
    whole = data.left.tensor(np.arange(3))
    codes = predictor.encode_rows(data.left, np.arange(3)).codes
    assert torch.allclose(codes, predictor.model.left.code(whole), atol=1e-4)
    assert self_overlaps(whole).numpy() == pytest.approx(data.left.magnitudes[:3], rel=1e-5)


def test_a_library_file_is_indexed_searched_and_overlaid(trained: tuple[Path, Path], tmp_path: Path) -> None:
    predictor = Predictor.load(trained[1])
    names = ["CC(=O)Oc1ccccc1C(=O)O aspirin", "CC(C)Cc1ccc(cc1)C(C)C(=O)O ibuprofen", "oops bad", "[Na+].[Cl-] salt"]
    (tmp_path / "library.smi").write_text("\n".join([*names, "CN1CCC[C@H]1c1cccnc1 nicotine"]))
    document = build_index(predictor, tmp_path / "library.smi", tmp_path / "index", workers=1)
    assert (document["rows"], document["skipped"]) == (3, 2)
    notes = (tmp_path / "index" / "skipped.txt").read_text().splitlines()
    assert [note.split(":")[0] for note in notes] == ["line 3 (bad)", "line 4 (salt)"]
    assert build_index(predictor, tmp_path / "library.smi", tmp_path / "index", workers=1) == document
    index, query = read_index(tmp_path / "index"), conform("CC(C)Cc1ccc(cc1)C(C)C(=O)O", 5)[0]
    hits = search(index, predictor, query, 3)
    assert list(hits.answers["tanimoto"]) == sorted(hits.score, reverse=True)
    best = rerank(hits, exact_search(predictor.metric, index, [query]), item_reader(index, hits))
    assert best.exact is not None
    assert index.ids[int(best.rows[0])] == "ibuprofen"
    assert list(best.exact) == sorted(best.exact, reverse=True)


def test_a_task_of_a_cluster_makes_the_part_that_one_process_makes(trained: tuple[Path, Path], tmp_path: Path) -> None:
    predictor, source = Predictor.load(trained[1]), tmp_path / "library.smi"
    source.write_text("CCCO propanol\noops bad\nCC(=O)Oc1ccccc1C(=O)O aspirin\n")
    build_index(predictor, source, tmp_path / "index", workers=1)
    library = predictor.kind().open_library(source, tmp_path)
    assert library.portable
    (tmp_path / "model.zip").write_bytes(packed_model(trained[1], Placement("right")))
    encode_part(library.loader, tmp_path / "model.zip", library.item(0), tmp_path / "part.parquet")
    part, whole = pq.read_table(tmp_path / "part.parquet"), pq.read_table(tmp_path / "index" / "items-000.parquet")
    assert part.drop_columns("code") == whole.drop_columns("code")
    for one, other in zip(part["code"].to_pylist(), whole["code"].to_pylist(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert json.loads(part.schema.metadata[b"skipped"]) == (
        (tmp_path / "index" / "skipped.txt").read_text().splitlines()
    )


@pytest.mark.slow
def test_an_index_made_on_a_cluster_is_that_of_one_machine(trained: tuple[Path, Path], tmp_path: Path) -> None:
    pytest.importorskip("ray")
    predictor, source = Predictor.load(trained[1]), tmp_path / "library.smi"
    source.write_text("".join(f"{one.smiles} m{number}\n" for number, one in enumerate(draw(30, seed=8))))
    build_index(predictor, source, tmp_path / "here", workers=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("metricvae.core.libraries.Library.at_once", 10)
        build_index(predictor, source, tmp_path / "there", workers=2, ray="local")
    here, there = read_index(tmp_path / "here"), read_index(tmp_path / "there")
    assert here.ids == there.ids
    assert torch.allclose(here.codes, there.codes, atol=1e-4)
    assert (tmp_path / "there" / "skipped.txt").read_text() == (tmp_path / "here" / "skipped.txt").read_text()
    with pytest.raises(InputError, match=r"a Ray cluster shares out files of many records, and .* is none"):
        build_index(predictor, trained[0], tmp_path / "data", workers=1, ray="local")


def test_a_library_without_a_molecule_is_refused(trained: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "library.smi").write_text("oops\nworse\n")
    with pytest.raises(InputError, match="gave an object, the first for this reason: line 1: "):
        build_index(Predictor.load(trained[1]), tmp_path / "library.smi", tmp_path / "index", workers=1)
    assert not (tmp_path / "index").exists(), "nothing of it can be gone on with"


def test_a_library_of_other_objects_is_refused(trained: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="are of the kind molecule, and the model takes silhouettes"):
        build_index(Predictor.load("overlap"), trained[0], tmp_path / "index", workers=1)


def test_flat_molecules_have_bonds_and_no_shape() -> None:
    one = flat("OC(=O)c1ccccc1.[Na]", name="benzoate")
    assert (one.id, one.smiles, len(one.elements), len(one.bonds)) == ("benzoate", "O=C(O)c1ccccc1", 9, 9)
    assert not one.positions.any()


@pytest.mark.parametrize("head", [InnerProduct(), CosineTanimoto(), CosineDistance(swapped=True)])
def test_cells_find_what_the_head_puts_first(head: Head, tmp_path: Path) -> None:
    rng = torch.Generator().manual_seed(0)
    middles = torch.randn(20, 16, generator=rng)
    codes = middles[torch.randint(20, (4000,), generator=rng)] + 0.3 * torch.randn(4000, 16, generator=rng)
    items = item_vectors(head, codes.numpy())
    InvertedFile.build([items[:1500], items[1500:]], items[::4], len(items)).write(tmp_path / "codes.faiss")
    cells = InvertedFile.read(tmp_path / "codes.faiss")
    for row in range(5):
        score = head.score(codes[row].expand_as(codes), codes)
        order = (-score if not isinstance(head, CosineDistance) else score).argsort()[:20]
        found, _ = cells.find(query_vector(head, codes[row : row + 1]), 20)
        assert len(set(found.tolist()) & set(order.tolist())) >= 18
        assert cells.codes(found) == pytest.approx(items[found], abs=2e-2)


def test_presets_of_molecules_can_be_built() -> None:
    for name in ("molecules", "molecules-2d"):
        built = build(preset(name).model)
        assert 2 * sum(weight.numel() for weight in built.parameters()) < 7_000_000


def test_sdf_and_index_columns_hold_the_same_molecule(tmp_path: Path, molecules: list[Molecule]) -> None:
    from metricvae.kinds.molecule.readers import read_one

    write_sdf(tmp_path / "one.sdf", molecules[:1])
    again = read_one(tmp_path / "one.sdf")
    assert atoms_of(again)[:, 3:COLUMNS] == pytest.approx(atoms_of(molecules[0])[:, 3:COLUMNS])


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Aspirin, ibuprofen and caffeine as SDF, a list of pairs, and files that cannot serve."""
    folder = tmp_path_factory.mktemp("files")
    smiles = {"aspirin": "CC(=O)Oc1ccccc1C(=O)O", "ibuprofen": "CC(C)Cc1ccc(cc1)C(C)C(=O)O", "caffeine": CAFFEINE}
    for name, text in smiles.items():
        write_sdf(folder / f"{name}.sdf", conform(text, 1, name=name))
    (folder / "pairs.csv").write_text("a,b\naspirin.sdf,ibuprofen.sdf\ncaffeine.sdf,caffeine.sdf\n")
    (folder / "bad.smi").write_text("C1CC\n")
    (folder / "mixed.smi").write_text("oops bad\nCCO ethanol\n" + "\n".join(stream_smiles(120, 5)))
    return folder


SMALL = ("--pairs", "10", "--out", "data")

CAFFEINE = "Cn1cnc2c1c(=O)n(C)c(=O)n2C"


def test_solve_lays_molecules_on_one_another(command, files: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.sdf"
    said = command("solve", files / "aspirin.sdf", files / "ibuprofen.sdf", "--aligned", out, "--json")
    found = json.loads(said.out)
    a, b = (next(iter(read(files / f"{name}.sdf"))) for name in ("aspirin", "ibuprofen"))
    moved = b.moved(found["rotation"], found["translation"])
    bodies = [(one.positions, exponents(one.radii)) for one in (a, moved)]
    assert overlap_volume(*bodies[0], *bodies[1]) == pytest.approx(found["overlap"], rel=1e-6)
    assert found["tanimoto"] == pytest.approx(found["overlap"] / (found["self_a"] + found["self_b"] - found["overlap"]))
    written = list(read(out))
    assert [one.id for one in written] == ["aspirin", "ibuprofen"]
    assert written[1].positions == pytest.approx(moved.positions, abs=1e-3)


def test_solve_takes_molecules_as_smiles(command, files: Path, tmp_path: Path) -> None:
    found = json.loads(command("solve", CAFFEINE, CAFFEINE, "--by", "combo", "--json").out)
    assert found["combo"] == pytest.approx(1.0, abs=1e-4)
    mixed = json.loads(command("solve", "CC(=O)Oc1ccccc1C(=O)O", files / "ibuprofen.sdf", "--json").out)
    assert 0.5 < mixed["tanimoto"] < 1.0


def test_solve_takes_lists_of_molecules(command, files: Path, tmp_path: Path) -> None:
    command("solve", "--pairs", files / "pairs.csv", "--out", tmp_path / "out.csv")
    with open(tmp_path / "out.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["a"] for row in rows] == ["aspirin.sdf", "caffeine.sdf"]
    assert float(rows[1]["tanimoto"]) == pytest.approx(1.0, abs=1e-5)
    assert set(rows[0]) == {
        "a",
        "b",
        "overlap",
        "tanimoto",
        *(f"r{i}{j}" for i in "123" for j in "123"),
        "tx",
        "ty",
        "tz",
    }


def test_solve_takes_density_maps(command, files: Path, tmp_path: Path) -> None:
    one = next(iter(read(files / "caffeine.sdf")))
    turn = rotation_matrices(torch.nn.functional.normalize(torch.tensor([[0.9, 0.2, -0.1, 0.3]]), dim=1))[0].numpy()
    for name, shown in (("a", one), ("b", one.moved(turn, (3.0, -2.0, 1.0)))):
        write_map(tmp_path / f"{name}.mrc", density(shown, resolution=3.0, spacing=0.8))
    found = json.loads(command("solve", tmp_path / "a.mrc", tmp_path / "b.mrc", "--json").out)
    assert found["correlation"] > 0.99


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("solve", "bad.smi", "aspirin.sdf"), "does not parse"),
        (("solve", "aspirin.sdf", "ibuprofen.sdf", "--join"), "--join is for images"),
        (("solve", "aspirin.sdf", "missing.sdf"), "missing.sdf"),
        (("solve", "CC(=O)Oc1ccccc1C(=O)O", "C(C", "--by", "combo"), "'C(C' does not parse as a SMILES"),
        (("solve", CAFFEINE, CAFFEINE, "--certify", "0.01"), "--certify is for images, got molecules"),
        (
            ("generate", "molecules", "--require", "aspirin.sdf=300", "--out", "data"),
            "nothing is called 'aspirin'",
        ),
        (
            ("predict", "overlap", "aspirin.sdf", "ibuprofen.sdf"),
            "is a file of molecules, and the model takes silhouettes",
        ),
        (
            ("label", "molecules", "--objects", "bad.smi", "--pairs", "10", "--out", "data"),
            "cannot form 10 distinct pairs",
        ),
        (
            ("label", "overlap", "--objects", "mixed", "--pairs", "10", "--conformers", "3", "--out", "data"),
            "for molecules",
        ),
        (("label", "molecules", "--objects", "nothing.smi", "--pairs", "10", "--out", "data"), "nothing.smi"),
    ],
)
def test_bad_input_is_one_line(
    command, files: Path, tmp_path: Path, arguments: tuple[str, ...], complaint: str
) -> None:
    named = [str(files / word) if word.endswith((".smi", ".sdf")) else word for word in arguments]
    named = [str(tmp_path / word) if word == "data" else word for word in named]
    said = command(*named)
    assert said.status == 2
    assert complaint in said.err
    assert len(said.err.strip().splitlines()) == 1


@pytest.mark.slow
def test_bad_lines_are_counted_and_the_good_ones_kept(files: Path, tmp_path: Path) -> None:
    plan = ShapePlan(str(files / "mixed.smi"), 20, seed=1, conformers=2)
    card = label(plan, tmp_path / "data", workers=1)
    assert card["counts"]["skipped"] == 2
    assert sum(card["counts"]["objects"].values()) == 120
    with open(tmp_path / "data" / "skipped.csv", newline="") as file:
        assert [row["number"] for row in csv.DictReader(file)] == ["1", "2"]
    pairs = pq.read_table(tmp_path / "data" / "pairs.parquet").to_pylist()
    assert {row["conformer_a"] for row in pairs} | {row["conformer_b"] for row in pairs} <= {0, 1}
    assert all(0 < row["tanimoto"] <= 1 for row in pairs)


def test_hits_are_written_and_drawn_laid_on_the_query(
    command, trained: tuple[Path, Path], files: Path, tmp_path: Path
) -> None:
    library, index = files / "mixed.smi", tmp_path / "index"
    assert command("index", trained[1], library, "--out", index, "--workers", "1").status == 0
    shown = ("--sdf", tmp_path / "hits.sdf", "--picture", tmp_path / "hits.png")
    said = command("search", index, files / "ibuprofen.sdf", "-k", "2", "--exact", "5", "--json", *shown)
    hits = said.document["hits"]
    assert hits[0]["tanimoto"] >= hits[1]["tanimoto"]
    query, *laid = read(tmp_path / "hits.sdf")
    assert (query.id, [one.id for one in laid]) == ("ibuprofen", [hit["id"] for hit in hits])
    for hit, one in zip(hits, laid, strict=True):
        bodies = [(each.positions, exponents(each.radii)) for each in (query, one)]
        assert overlap_volume(*bodies[0], *bodies[1]) == pytest.approx(hit["overlap"], rel=1e-3)
    with Image.open(tmp_path / "hits.png") as picture:
        colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 20)}
        assert picture.size == (2 * WIDE + 3 * MARGIN, 3 * (HIGH + LEGEND + MARGIN) + MARGIN)
    assert {QUERY, HIT} <= colours
    assert command("search", index, files / "ibuprofen.sdf", "--sdf", tmp_path / "x.sdf").status == 2
