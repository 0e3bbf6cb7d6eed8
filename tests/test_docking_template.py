"""Docking led by a template, by another engine, and checks of poses: known answers, laws and bad input."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from metricvae.core.errors import InputError

Chem = pytest.importorskip("rdkit.Chem")
pytest.importorskip("gemmi")

from metricvae.cli import main  # noqa: E402
from metricvae.kinds.molecule.conformers import conform  # noqa: E402
from metricvae.kinds.molecule.mol_blocks import write_sdf  # noqa: E402
from metricvae.kinds.molecule.records import Molecule  # noqa: E402
from metricvae.kinds.pocket.records import Receptor  # noqa: E402
from metricvae.metrics.docking.atom_types import ligand_types  # noqa: E402
from metricvae.metrics.docking.clustering import deviation, symmetries  # noqa: E402
from metricvae.metrics.docking.config import DockingConfig, TemplateConfig  # noqa: E402
from metricvae.metrics.docking.dock import dock  # noqa: E402
from metricvae.metrics.docking.energy import coordinates  # noqa: E402
from metricvae.metrics.docking.engines import engine as engines  # noqa: E402
from metricvae.metrics.docking.engines.engine import EngineJob, engine_of, require_engine  # noqa: E402
from metricvae.metrics.docking.engines.pdbqt import receptor_pdbqt  # noqa: E402
from metricvae.metrics.docking.records import Floats  # noqa: E402
from metricvae.metrics.docking.scoring import VINA  # noqa: E402
from metricvae.metrics.docking.site import DockingSite, prepare_site  # noqa: E402
from metricvae.metrics.docking.template import (  # noqa: E402
    attracted,
    require_in,
    similarity,
    starts_on,
    template_of,
)
from metricvae.metrics.docking.torsions import arrays_of, topology_of  # noqa: E402
from metricvae.metrics.docking.validity import geometry_faults, shared_volume  # noqa: E402
from pocket_problem import shell, structure, write  # noqa: E402
from test_docking import made_receptor  # noqa: E402

SMILES = "CC(=O)Nc1ccc(OCC(O)CNC(C)C)cc1"
LED = DockingConfig(
    strain=False, poses=3, template=TemplateConfig(conformers=4, overlays=1, chains=2, rounds=1, random=0)
)

Site = tuple[Receptor, Molecule, DockingSite]


@pytest.fixture(scope="module")
def made() -> Site:
    molecule = conform(SMILES, seed=77)[0].moved(np.eye(3), (40.0, -20.0, 10.0))
    types = ligand_types(Chem.MolFromSmiles(molecule.smiles))
    receptor = made_receptor(molecule.positions, types)
    return receptor, molecule, prepare_site(receptor, molecule.centre, VINA)


def test_a_molecule_is_laid_on_itself_where_it_lies(made: Site) -> None:
    _, molecule, site = made
    topology = topology_of(Chem.MolFromSmiles(molecule.smiles))
    turned = molecule.moved(np.diag([-1.0, -1.0, 1.0]), (3.0, 1.0, 90.0))
    first = starts_on(template_of(molecule), [turned], topology.rotatable, site, TemplateConfig())[0]
    places = coordinates(arrays_of(topology, turned.positions), first.pose)
    np.testing.assert_allclose(site.to_receptor(places), molecule.positions, atol=0.05)


def test_similarity_is_one_with_itself_and_none_far_away(made: Site) -> None:
    _, molecule, _ = made
    template = template_of(molecule)
    assert similarity(template, molecule) == pytest.approx((1.0, 1.0))
    assert max(similarity(template, molecule.moved(np.eye(3), (50.0, 0.0, 0.0)))) < 1e-9


def test_atoms_gain_where_the_template_has_them_and_twice_in_their_class(made: Site) -> None:
    _, molecule, site = made
    template = template_of(replace(molecule, positions=molecule.positions * 4.0 - 3.0 * molecule.centre))
    number = int(np.argmin(np.abs(template.molecule.positions - site.centre).max(axis=1)))
    maps = attracted(site, template, template.types, 0.5)
    place = (template.molecule.positions[number] - site.centre) @ site.rotation.T
    entry = tuple(np.rint((place - maps.origin) / maps.spacing).astype(int))
    away = np.linalg.norm(maps.origin + maps.spacing * np.array(entry) - place)
    gain = (site.maps.values - maps.values)[(int(template.types[number]), *entry)]
    alone = 0.5 * math.exp(-(away**2))
    assert gain == pytest.approx(alone, rel=0.1) or gain == pytest.approx(2 * alone, rel=0.1)
    untouched = np.setdiff1d(np.arange(len(maps.values)), template.types)
    np.testing.assert_array_equal(maps.values[untouched], site.maps.values[untouched])


def test_a_template_leads_to_its_own_pose_in_few_steps(made: Site) -> None:
    receptor, molecule, _ = made
    poses = dock(receptor, molecule.centre, molecule.smiles, LED, template=template_of(molecule))
    permutations = symmetries(Chem.MolFromSmiles(molecule.smiles))
    assert deviation(molecule.positions, poses[0].molecule.positions, permutations) < 1.5
    assert poses[0].similarity is not None
    assert poses[0].similarity > 0.6
    assert {"template.shape", "template.colour"} <= set(poses[0].parts)


def test_templates_that_cannot_serve_are_refused(made: Site) -> None:
    _, molecule, site = made
    with pytest.raises(InputError, match=r"lies 30\.0 angstroms from the centre"):
        require_in(site, template_of(molecule.moved(np.eye(3), (30.0, 0.0, 0.0))))
    with pytest.raises(InputError, match="has no coordinates"):
        template_of(replace(molecule, positions=molecule.positions * 0.0))
    with pytest.raises(InputError, match="bond orders"):
        template_of(replace(molecule, smiles=""))
    with pytest.raises(InputError, match="overlays is 0"):
        TemplateConfig(overlays=0)


@pytest.mark.parametrize(
    ("smiles", "change", "fault"),
    [
        ("c1ccccc1C", lambda x: x, ""),
        ("c1ccccc1C", lambda x: x * 1.4, "bond lengths"),
        ("C[C@H](O)c1ccccc1", lambda x: x * [1.0, 1.0, -1.0], "stereochemistry"),
        ("C/C=C/c1ccccc1", lambda x: x * [1.0, 1.0, -1.0], ""),
    ],
)
def test_faults_of_geometry(smiles: str, change: object, fault: str) -> None:
    molecule = conform(smiles, seed=3)[0]
    found = geometry_faults(molecule.smiles, change(molecule.positions))  # type: ignore[operator]
    wrong = [name for name, bad in found.items() if bad]
    assert (fault in wrong) if fault else not wrong


def test_a_bent_ring_is_not_flat_and_a_folded_chain_overlaps() -> None:
    ring = conform("c1ccccc1C", seed=3)[0]
    normal = np.linalg.svd(ring.positions - ring.positions.mean(axis=0))[2][-1]
    bent = ring.positions.copy()
    bent[3] += 0.8 * normal
    assert geometry_faults(ring.smiles, bent)["not flat"]
    chain = conform("CCCCCCCC", seed=3)[0]
    folded = chain.positions.copy()
    folded[7] = folded[0] + 0.5
    assert geometry_faults(chain.smiles, folded)["atoms of the molecule too near"]


def test_volume_that_is_shared() -> None:
    atom, radius = np.zeros((1, 3)), np.array([2.5])
    assert shared_volume(atom, radius, atom, radius) == 1.0
    assert shared_volume(atom, radius, atom + 4.01, radius) == 0.0
    lens = shared_volume(atom, radius, np.array([[1.0, 0.0, 0.0]]), radius)  # of spheres of 2 angstroms, 1 apart
    assert lens == pytest.approx(81 / 128, abs=0.02)


def _fake(poses: list[Floats]) -> engines.Engine:
    def answer(job: EngineJob) -> list[Floats]:
        assert job.exhaustiveness == 3
        return poses

    return answer


def test_poses_of_an_engine_are_ranked_and_checked_as_our_own(made: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    receptor, molecule, _ = made
    far = molecule.positions + 1.5
    known: Mapping[str, engines.Engine] = {"vina": _fake([far, molecule.positions])}
    monkeypatch.setattr(engines, "ENGINES", known)
    config = replace(LED, engine="vina", exhaustiveness=3)
    good, bad = dock(receptor, molecule.centre, molecule.smiles, config)
    np.testing.assert_allclose(good.molecule.positions, molecule.positions, atol=1e-3)
    assert (good.place, bad.place) == (1, 0)
    assert good.ranking < bad.ranking
    assert good.valid
    assert "too near to the protein" in bad.faults
    monkeypatch.setattr(engines, "ENGINES", {"vina": _fake([])})
    with pytest.raises(InputError, match="found no pose"):
        dock(receptor, molecule.centre, molecule.smiles, config)


def test_engines_that_are_unknown_or_absent_are_one_line(made: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="expected one of metricvae, vina, rustina"):
        engine_of("glide")
    monkeypatch.setitem(engines.PACKAGES, "vina", ("no_such_package",))  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r'pip install "metricvae\[vina\]"'):
        require_engine("vina")


def test_a_receptor_as_pdbqt_has_a_hydrogen_on_each_donor(made: Site) -> None:
    receptor, molecule, _ = made
    lines = receptor_pdbqt(receptor, molecule.centre, 24.0).splitlines()
    assert len({line[6:11] for line in lines}) == len(lines)
    assert sum(line.endswith("HD") for line in lines) == int((receptor.roles & 1).sum())
    assert len(lines) == len(receptor) + int((receptor.roles & 1).sum())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vina", "rustina"])
def test_engines_find_the_pose_that_a_site_was_made_for(made: Site, name: str) -> None:
    pytest.importorskip(name)
    pytest.importorskip("meeko")
    receptor, molecule, _ = made
    poses = dock(receptor, molecule.centre, molecule.smiles, DockingConfig(engine=name, strain=False))
    permutations = symmetries(Chem.MolFromSmiles(molecule.smiles))
    assert min(deviation(molecule.positions, one.molecule.positions, permutations) for one in poses) < 2.0


@pytest.mark.slow
def test_a_template_names_the_site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "rec.pdb", structure(shell()))
    write_sdf(tmp_path / "known.sdf", [conform("Cc1ccccc1", seed=1)[0]])
    words = ["dock", str(tmp_path / "rec.pdb"), "Oc1ccccc1", "--template", str(tmp_path / "known.sdf"), "-n", "1"]
    page = tmp_path / "poses.html"
    assert main([*words, "--out", str(tmp_path / "out"), "--workers", "1", "--html", str(page)]) == 0
    assert all(text in page.read_text() for text in ("1 pose for", "ATOM ", "similarity", "Template"))
    (poses,) = (tmp_path / "out" / "poses").glob("*.sdf")
    assert {"<similarity>", "<valid>"} <= set(poses.read_text().split())
    assert main([*words[:2], "C", *words[3:4], str(tmp_path / "none.sdf"), "--out", str(tmp_path / "other")]) == 2
    assert "none.sdf" in capsys.readouterr().err
