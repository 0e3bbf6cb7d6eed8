"""Affinities beside other programs: the statistics against known answers, and a small folder through the command."""

from __future__ import annotations

import csv
import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from affinity_problem import CONFIG, complexes, ligand, receptor, training_set
from metricvae.cli import main
from metricvae.core.errors import InputError
from metricvae.kinds.molecule.mol_blocks import write_sdf
from metricvae.kinds.molecule.scaffolds import scaffold_group
from metricvae.kinds.molecule.standardise import standard
from metricvae.kinds.pocket.structures import structure_of
from metricvae.metrics.affinity.features.records import PosedComplex, posed_complex
from metricvae.metrics.affinity.features.vector import NAMES
from metricvae.metrics.affinity.known_kernels import LigandFeatures, ligand_features
from metricvae.metrics.affinity.posed_fit import folds_of, left_out
from metricvae.reproduction.affinity.claims import Claim, claims_of, summary_of
from metricvae.reproduction.affinity.complexes import SHIPPABLE, Entry, computed, entries
from metricvae.reproduction.affinity.complexes_tables import proteins_section
from metricvae.reproduction.affinity.docked_congeners import DockedTask, docked_features
from metricvae.reproduction.affinity.dta import columns_of, mean_of, nearest, ridge, similarities_of
from metricvae.reproduction.affinity.dta_data import SPLITS, DtaSet, read_dta, split_of
from metricvae.reproduction.affinity.dta_model import pairs_of
from metricvae.reproduction.affinity.gnina import network_scores, score_part
from metricvae.reproduction.affinity.left_out import (
    GIVEN,
    GNINA,
    NEW_PROTEINS,
    NEW_SCAFFOLDS,
    OURS,
    RANKING,
    VINA,
    LeftOutAnswers,
    answers_of,
)
from metricvae.reproduction.affinity.ligand_series import systems_of
from metricvae.reproduction.affinity.one_shot import (
    EQUATION_2,
    NEW_LIGANDS,
    PRODUCT,
    TREES,
    measure_one_shot,
    one_shot_section,
    table_of_pairs,
)
from metricvae.reproduction.affinity.run import reproduce_affinity
from metricvae.reproduction.affinity.series import rank_series
from metricvae.reproduction.affinity.statistics import (
    bootstrap_mean,
    bootstrap_p,
    concordance,
    contest,
    kendall,
    pearson,
)
from metricvae.reproduction.affinity.training_rows import scaffolds_of
from metricvae.reproduction.config import AffinityConfig
from metricvae.runtime.process_pool import worker_pool
from metricvae.training.presets import preset


def answers_made(seed: int = 0) -> LeftOutAnswers:
    """Three targets of Merck, twelve ligands each: `ranking` is exact, Vina is the wrong way round, Glide is chance."""
    rng, targets, each = np.random.default_rng(seed), 3, 12
    pk = rng.normal(6.0, 1.0, targets * each)
    said = {
        OURS: pk + rng.normal(0, 0.1, len(pk)),
        RANKING: pk,
        "mean": np.full(len(pk), 6.0),
        "heavy atoms": rng.normal(size=len(pk)),
        "ligand alone": rng.normal(size=len(pk)),
        "nearest neighbour": rng.normal(size=len(pk)),
        VINA: -pk,
    }
    proteins = np.repeat(np.arange(targets), each)
    return LeftOutAnswers(
        ids=[f"merck/{number}" for number in range(len(pk))],
        sets=["merck"] * len(pk),
        systems=[f"merck/t{number}" for number in proteins.tolist()],
        crystal=np.zeros(len(pk), bool),
        pk=pk,
        proteins=proteins,
        given={
            name: rng.normal(size=len(pk)) if name != "FEP+" else np.full(len(pk), np.nan) for name in GIVEN.values()
        },
        said={NEW_PROTEINS: said, NEW_SCAFFOLDS: said},
        half={NEW_PROTEINS: np.full(len(pk), 1.0), NEW_SCAFFOLDS: np.full(len(pk), 1.0)},
        outside=np.arange(len(pk)) % 6 == 0,
    )


def pairs_made(folder: Path) -> Path:
    """Davis of six targets and ten drugs, in which the value is a sum over both."""
    (folder / "dta").mkdir(parents=True)
    smiles = [f"{'C' * number}O" for number in range(4, 14)]
    columns = ("pair_index", "drug_id", "smiles", "target_id", "sequence", "affinity", "fold")
    with gzip.open(folder / "dta" / "davis.csv.gz", "wt", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(columns)
        rows.writerow([240, "peptide", "C" * 120, "t0", "MKVLA", 5.0, "train0"])
        for number in range(240):
            target, drug = number % 24, number // 24
            sequence = "ACDEFGHIKLMNPQRSTVWY"[target % 20] * 8 + "MKVLA" * (1 + target // 4)
            fold = "test" if (target + drug) % 6 == 0 else f"train{number % 5}"
            rows.writerow(
                [number, f"d{drug}", smiles[drug], f"t{target}", sequence, 5 + 0.1 * target + 0.2 * drug, fold]
            )
    return folder


def test_the_concordance_index_is_the_share_of_pairs_in_order() -> None:
    rng = np.random.default_rng(0)
    said, value = rng.integers(0, 5, 60).astype(float), rng.integers(0, 7, 60).astype(float)
    higher = value[:, None] > value[None]
    right = np.where(said[:, None] > said[None], 1.0, np.where(said[:, None] == said[None], 0.5, 0.0))
    assert concordance(said, value) == pytest.approx(right[higher].mean(), abs=1e-12)
    assert (concordance(value, value), concordance(-value, value), concordance(0 * value, value)) == (1.0, 0.0, 0.5)


def test_paired_tests_over_targets() -> None:
    better = contest([0.5, 0.6, 0.7, 0.8, 0.9], [0.1, 0.1, 0.1, 0.1, 0.1])
    assert (better.above, better.of, better.p) == (5, 5, pytest.approx(2 / 32))
    assert np.isnan(contest([0.5], [0.5]).p)
    assert contest([0.5, 0.1], [0.4, float("nan")]).of == 1


def test_the_bootstrap_of_equal_numbers_has_no_width_and_holds_the_mean() -> None:
    assert bootstrap_mean([0.3, 0.3]).low == bootstrap_mean([0.3, 0.3]).high == pytest.approx(0.3)
    found = bootstrap_mean(np.random.default_rng(0).normal(size=50))
    assert found.low < found.value < found.high
    pk = np.arange(20.0)
    assert bootstrap_p(pk, -pk, pk, np.arange(20)) == pytest.approx(2 / 501)
    assert bootstrap_p(pk, pk, pk, np.arange(20)) == 1.0


def test_constant_answers_rank_nothing() -> None:
    assert kendall(np.ones(5), np.arange(5.0)) == 0.0


def test_rankings_count_each_target_and_the_first_sentence_follows() -> None:
    answers = answers_made()
    one = rank_series([answers], "merck")
    assert one is not None
    assert one.targets == {"t0": 12, "t1": 12, "t2": 12}
    assert one.mean("Kendall", RANKING).value == pytest.approx(1.0)
    assert one.mean("Spearman", VINA).value == pytest.approx(-1.0)
    assert (one.beside("Kendall", VINA).above, one.beside("Kendall", VINA).of) == (3, 3)
    assert "FEP+" not in one.methods
    assert rank_series([answers], "plb") is None
    claims = claims_of({"merck": one}, [answers])
    assert {claim.other: claim.verdict for claim in claims}[VINA] == "better"  # by Pearson R, over 36 complexes
    assert summary_of(claims).startswith("metricvae beats Vina on new proteins")
    lost = [Claim(VINA, "PLB", 0.1, 0.3, 0.01), Claim("Glide docked", "the Merck set", 0.4, 0.3, 0.2)]
    assert summary_of(lost).startswith(
        "metricvae beats none of Vina and Glide docked for certain; it is ahead, but by no more than chance may give, "
        "of Glide docked on the Merck set (0.40 against 0.30, p = 0.2); it does not beat Vina on PLB (0.10 against"
    )


def test_congeners_are_docked_once_where_their_reference_lies(tmp_path: Path) -> None:
    """A complex of a metal gets no pose, and the others theirs."""
    receptor(tmp_path)
    write_sdf(tmp_path / "ref.sdf", [ligand()])
    about = {"set": "unifep_ref", "system": "s", "title": "", "pk": 6.0, "bound": 0, "inchikey": "", "pdb": ""}
    about |= {"crystal": True, "cluster": "", "casf": False, "relative": False, "scores": {}}
    entry = Entry(id="p000", protein="rec.pdb", ligand="ref.sdf", **about)
    names, smiles = ("toluene", "iron", "phenol"), ("Cc1ccccc1", "C[Fe]CC", "Oc1ccccc1")
    task = DockedTask(entry, names, smiles, tmp_path / "work" / "docked-p000.npz")
    with worker_pool(1) as pool:
        found = docked_features(tmp_path, [task], pool)
        written = task.path.stat().st_mtime_ns
        again = docked_features(tmp_path, [task], pool)
    assert set(found) == {("p000", "toluene"), ("p000", "phenol")}
    assert task.path.stat().st_mtime_ns == written
    assert all(np.array_equal(again[key], row) and len(row) == len(NAMES) for key, row in found.items())
    assert found["p000", "toluene"][NAMES.index("term.vina")] < 0


def test_answers_and_floors_of_complexes_left_out(tmp_path: Path) -> None:
    data = training_set(tmp_path)
    folds = folds_of(data.proteins, CONFIG.folds, CONFIG.seed)
    found = answers_of(data, left_out(data, folds, CONFIG), folds, CONFIG)
    rows = np.flatnonzero(data.tested)
    assert all(np.isfinite(said[rows]).all() for said in found.values())
    assert pearson(found["heavy atoms"][rows], data.pk[rows]) > 0.9  # pK is made of size
    assert np.allclose(found["nearest neighbour"][rows], data.pk[rows], atol=2.0)  # the same ligands, other proteins
    assert len(np.unique(found["mean"][rows])) == CONFIG.folds


def test_one_shot_is_measured_on_proteins_and_ligands_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = preset("affinity")
    small = replace(small, training=replace(small.training, steps=2, taught_pairs=50, batch_pairs=16, warmup_steps=1))
    monkeypatch.setattr("metricvae.reproduction.affinity.one_shot.preset", lambda _: small)
    monkeypatch.setattr("metricvae.reproduction.affinity.one_shot.PARTS", 3)
    folder, told = complexes(tmp_path), []
    with worker_pool(1) as pool:
        known = computed(folder, entries(folder), tmp_path / "work" / "features", pool)
        found = measure_one_shot(folder, tmp_path / "work", "all sets", 0, pool, lambda *step: told.append(step))
    assert set(found) == {NEW_PROTEINS, NEW_LIGANDS}
    looked = {rows: (one["n"], one["clusters"]) for rows, one in found[NEW_PROTEINS].items()}
    assert looked == {"with poses": (25, 5), "crystal poses": (5, 5)}
    methods = found[NEW_PROTEINS]["with poses"]["methods"]
    assert list(methods) == [PRODUCT, EQUATION_2, TREES, "heavy atoms"]
    assert all(np.isfinite(list(numbers.values())).all() for numbers in methods.values())
    assert [step[1] for step in told if "all sets" in step[0]] == list(range(6))
    section = one_shot_section({"all sets": found})
    assert [row[0] for row in section.tables[0].rows] == list(methods)
    assert section.tables[0].caption == "New proteins, all sets, with poses: n = 25, 5 clusters of proteins."
    rows = list(csv.DictReader(table_of_pairs(folder, known, SHIPPABLE).splitlines()))
    assert {row["id"].split("/")[0] for row in rows} == {"plb"}
    assert len(rows) == 20  # those of gems may not ship


def test_the_network_of_gnina_stands_where_it_has_an_answer() -> None:
    answers = answers_made()
    scores = {name: float(pk) + 1.0 for name, pk in zip(answers.ids[1:], answers.pk[1:], strict=True)}
    found = answers.with_given(GNINA, {**scores, answers.ids[0]: None, "other": 3.0})
    table = proteins_section([found]).tables[0]
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows[f"{GNINA} (n = 35)"][::3] == (1.0, 1.0)  # R and RMSE of what is one too high
    assert not [row for row in proteins_section([answers]).tables[0].rows if str(row[0]).startswith(GNINA)]
    one = rank_series([found], "merck")
    assert one is not None
    assert one.mean("Kendall", GNINA).value == pytest.approx(1.0)
    claims = [claim for claim in claims_of({"merck": one}, [found]) if claim.other == GNINA]
    assert [claim.place for claim in claims] == ["the Merck set", "new proteins by Pearson R"]


def test_scores_of_gnina_are_computed_once_and_missing_where_it_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def network_scores(_: object, posed: PosedComplex) -> dict[str, float]:
        asked.append(posed.molecule.smiles)
        if len(asked) == 1:
            raise InputError("no types")
        return {"cnn_affinity": float(len(asked)), "cnn_score": 0.5}

    monkeypatch.setattr("metricvae.reproduction.affinity.gnina.network_scores", network_scores)
    chosen = [one for one in entries(complexes(tmp_path)) if one.system == "plb/ALA"]
    path = tmp_path / "work" / "gnina.json"
    for _ in range(2):
        score_part(tmp_path, chosen, path)
    found = json.loads(path.read_text())
    assert list(found.values()) == [None, 2.0, 3.0, 4.0, None]
    assert found["plb/ALA/lost"] is None
    assert len(asked) == 4
    score_part(tmp_path, chosen[:1], path)  # other complexes than those of the file
    assert list(json.loads(path.read_text())) == [chosen[0].id]


def test_the_network_of_gnina_scores_a_pose(tmp_path: Path) -> None:
    pytest.importorskip("rustina")
    receptor(tmp_path)
    near, far = (
        network_scores(found, posed_complex(found, ligand(shift=shift)))
        for found in [structure_of(tmp_path / "rec.pdb").receptor]
        for shift in ((0.0, 0.0, 0.0), (0.0, 0.0, 25.0))
    )
    assert set(near) == {"cnn_affinity", "cnn_score"}
    assert near["cnn_affinity"] != far["cnn_affinity"]


def test_answers_are_the_same_after_json() -> None:
    answers = answers_made()
    again = LeftOutAnswers.from_json(json.loads(json.dumps(answers.to_json())))
    assert np.allclose(again.pk, answers.pk, atol=1e-5)
    assert np.isnan(again.given["FEP+"]).all()
    assert np.array_equal(again.outside, answers.outside)


def test_cold_splits_share_no_drug_and_no_target(tmp_path: Path) -> None:
    data = read_dta(pairs_made(tmp_path), "davis")
    assert (len(data.value), data.refused) == (240, 1)  # a molecule of 120 heavy atoms is left out
    for name in SPLITS:
        split = split_of(data, name, 0)
        assert not (
            (split.train & split.test) | (split.train & split.validation) | (split.validation & split.test)
        ).any()
        for column, cold in ((data.drug, ("cold drug", "both cold")), (data.target, ("cold target", "both cold"))):
            if name in cold:
                assert not set(column[split.train]) & set(column[split.test])


def test_the_nearest_pairs_of_a_sum_are_near(tmp_path: Path) -> None:
    data: DtaSet = read_dta(pairs_made(tmp_path), "davis")
    split = split_of(data, SPLITS[0], 0)
    true = data.value[split.test]
    assert np.mean((nearest(data, split) - true) ** 2) < np.mean((mean_of(data, split) - true) ** 2)


def test_what_is_the_same_for_all_splits_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = read_dta(pairs_made(tmp_path), "davis")
    asked: list[tuple[int, ...]] = []

    def counted(rows: np.ndarray, **settings: bool) -> tuple[np.ndarray, ...]:
        asked.append(rows.shape)
        return svd(rows, **settings)

    svd = np.linalg.svd
    monkeypatch.setattr(np.linalg, "svd", counted)
    for name in SPLITS[:2]:
        assert np.isfinite(ridge(data, split_of(data, name, 0))).all()
    assert asked == [data.targets.shape, data.drugs.shape]
    assert similarities_of(data) is similarities_of(data)
    assert pairs_of(data) is pairs_of(data)
    again = read_dta(tmp_path, "davis")
    assert columns_of(again) is not columns_of(data)


def test_scaffolds_are_numbered_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def counted(smiles: str, name: str) -> str:
        asked.append(smiles)
        return scaffold_group(smiles, name)

    monkeypatch.setattr("metricvae.reproduction.affinity.training_rows.scaffold_group", counted)
    mols = [standard(smiles) for smiles in ("Cc1ccncc1", "c1ccccc1O", "Nc1ccncc1", "C1CCCCC1")]
    assert scaffolds_of(mols).tolist() == [0, 1, 0, 2]
    assert len(asked) == len(mols)


def test_a_series_holds_each_ligand_once_and_leaves_out_what_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ["id,set,system,smiles,affinity_pK,protein_cluster"]
    for number, smiles in enumerate(("OCCCC", "c1ccccc1O", "C" * 120, "CCCCO", "nonsense")):
        lines.append(f"m/{number},merck,t,{smiles},{5 + number},c")
    (tmp_path / "complexes.csv").write_text("\n".join(lines) + "\n")
    asked: list[int] = []

    def counted(smiles: list[str]) -> LigandFeatures:
        asked.append(len(smiles))
        return ligand_features(smiles)

    monkeypatch.setattr("metricvae.reproduction.affinity.ligand_series.ligand_features", counted)
    (found,) = systems_of(tmp_path, "merck", {"m/0": 4.0, "m/1": 5.0})
    assert (found.smiles, found.pk.tolist()) == (["OCCCC", "c1ccccc1O"], [6.5, 6.0])
    assert found.ligands.names.tolist() == ["CCCCO", "Oc1ccccc1"]
    assert found.given is not None
    assert found.given.tolist() == [4.0, 5.0]
    assert asked == [3]


def test_sections_go_through_and_what_is_there_is_not_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    for name in ("complexes.csv", "posed.csv.gz"):
        (tmp_path / "data" / name).touch()
    asked = []

    def answers_of_folder(*_: object) -> LeftOutAnswers:
        asked.append(1)
        return answers_made()

    monkeypatch.setattr("metricvae.reproduction.affinity.run.answers_of_folder", answers_of_folder)
    config = AffinityConfig(tmp_path / "data", ("merck", "proteins", "precision"), seeds=1, trees=4)
    run = reproduce_affinity(tmp_path / "report", config)
    assert run.report.summary.startswith("metricvae beats Vina on new proteins")
    titles = ["Merck set", "New proteins, new scaffolds", "Precision"]
    assert [one.title for one in run.report.sections] == titles
    assert {path.name for path in (tmp_path / "report").iterdir()} >= {"index.html", "report.md", "report.json"}
    again = reproduce_affinity(tmp_path / "report", config)
    assert asked == [1]
    assert again.report.sections == run.report.sections


@pytest.mark.slow
def test_pairs_of_sequence_and_molecule_from_the_command_line(tmp_path: Path) -> None:
    words = ["--data", str(pairs_made(tmp_path / "data")), "--out", str(tmp_path / "report"), "--only", "dta"]
    words += ["--pair-sets", "davis", "--pair-steps", "3"]
    assert main(["reproduce", "affinity", *words]) == 0
    (section,) = json.loads((tmp_path / "report" / "report.json").read_text())["sections"]
    assert [row[0] for row in section["tables"][0]["rows"]] == list(SPLITS)
    assert section["tables"][0]["columns"][3:] == ["mean", "nearest neighbour", "ridge", "boosted trees", "metricvae"]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (AffinityConfig(), "got no --data"),
        (AffinityConfig(Path("nowhere")), "nowhere has no complexes.csv: expected a folder of affinities"),
        (AffinityConfig(Path("nowhere"), ("dta",)), "nowhere has no dta/davis.csv.gz"),
        (AffinityConfig(Path("nowhere"), ("glide",)), "there is no section 'glide'"),
    ],
)
def test_data_or_sections_that_are_not_there(config: AffinityConfig, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        reproduce_affinity(tmp_path / "report", config)
