"""Made complexes and a small model of poses for the tests of affinities."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np

from metricvae.kinds.molecule.conformers import conform
from metricvae.kinds.molecule.descriptors import ligand_numbers
from metricvae.kinds.molecule.mol_blocks import write_sdf
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.molecule.standardise import standard
from metricvae.kinds.pocket.structures import structure_of
from metricvae.metrics.affinity.features.vector import BLOCKS, NAMES
from metricvae.metrics.affinity.posed_fit import PosedConfig, TrainingSet
from metricvae.metrics.affinity.reference import reference_of
from pocket_problem import shell, structure, write

SMILES = ("Cc1ccccc1", "Oc1ccccc1", "Nc1ccccc1", "CC(C)CO", "CCCCN", "c1ccncc1", "OC(=O)CCC", "Clc1ccccc1")

CONFIG = PosedConfig(trees=8, folds=3)


def receptor(folder: Path) -> Path:
    """A shell of alanines about the origin."""
    return write(folder / "rec.pdb", structure(shell()))


def ligand(smiles: str = "Cc1ccccc1", shift: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Molecule:
    """A molecule whose centre lies at a place in the shell."""
    found = conform(smiles, 1, name=smiles)[0]
    return replace(found, positions=found.positions - found.centre + np.array(shift))


def training_set(folder: Path, copies: int = 8) -> TrainingSet:
    """Ligands of several proteins whose pK is a function of their size and of chance; features of poses are chance."""
    rng = np.random.default_rng(0)
    mols = [standard(one) for one in SMILES] * copies
    features = rng.normal(size=(len(mols), len(NAMES)))
    features[:, [NAMES.index(name) for name in BLOCKS["ligand"]]] = [ligand_numbers(one) for one in mols]
    pk = 4.0 + 1.0 * features[:, NAMES.index("ligand.heavy")] + 0.3 * rng.normal(size=len(mols))
    proteins = np.repeat(np.arange(copies), len(SMILES))
    own = structure_of(receptor(folder)).sequence
    sequences = [own if number == 0 else f"{'ACDEFGHIKLMNPQRSTVWY'[number] * 9}" for number in proteins.tolist()]
    reference = reference_of(mols, pk.tolist(), sequences, [f"made/{number}" for number in range(len(mols))])
    series = np.tile(np.arange(len(SMILES)), copies)
    posed = np.arange(len(mols)) % 5 > 0
    tested = posed & (np.arange(len(mols)) % 5 < 4)
    return TrainingSet(features, NAMES, np.ones(len(mols)), posed, tested, proteins, series, proteins, reference)


def complexes(folder: Path) -> Path:
    """A folder of affinities: five shells of different residues with five ligands each, the last pose a crystal's, and
    one complex whose ligand is no file."""
    head = "id,set,system,protein,ligand,affinity_pK,measured_kind,pdb_code,protein_cluster,inchikey"
    rows = [head + ",casf2016_ligand_overlap,casf2016_same_protein,glide_dock,glide_inplace,mmgbsa,fep"]
    for number, name in enumerate(("ALA", "SER", "VAL", "THR", "CYS")):
        write(folder / f"{name}.pdb", structure(shell(), name))
        for place in range(5):
            smiles = SMILES[(number + place) % len(SMILES)]
            write_sdf(folder / f"{name}-{place}.sdf", [ligand(smiles)])
            about = f"plb/{name}/{place},{'gems' if place == 4 else 'plb'},{name},{name}.pdb,{name}-{place}.sdf"
            rows.append(f"{about},{5 + 0.3 * number + 0.5 * place},Ki,,{number},{smiles},false,false,,,,")
    rows.append("plb/ALA/lost,plb,ALA,ALA.pdb,lost.sdf,5.0,Ki,,0,lost,false,false,,,,")
    (folder / "complexes.csv").write_text("\n".join(rows) + "\n")
    columns = "id,set,protein,ligand,ligand_title,pK,label,pdb_code,pose,casf2016_ligand,drop_for_casf,protein_cluster"
    with gzip.open(folder / "posed.csv.gz", "wt") as file:
        file.write(columns + ",casf2016_same_protein,inchikey\n")
    return folder
