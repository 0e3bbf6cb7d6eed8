"""Molecules and density maps: records, readers and writers, conformers, and an embedded set of drug-like ones.

Importing this needs no extra; the functions that need RDKit or gemmi (the extra `chem`) say so when they are called.
"""

from metricvae.objects.molecules.blocks import mol_block, write_sdf
from metricvae.objects.molecules.conformers import conform
from metricvae.objects.molecules.densities import density, density_on
from metricvae.objects.molecules.fragments import draw, stream, stream_smiles
from metricvae.objects.molecules.listing import Record, records
from metricvae.objects.molecules.maps import DensityMap, read_map, write_map
from metricvae.objects.molecules.readers import Skipped, molecule_of, read, read_one
from metricvae.objects.molecules.records import RADII, SYMBOLS, Molecule, radii_of

__all__ = [
    "RADII",
    "SYMBOLS",
    "DensityMap",
    "Molecule",
    "Record",
    "Skipped",
    "conform",
    "density",
    "density_on",
    "draw",
    "mol_block",
    "molecule_of",
    "radii_of",
    "read",
    "read_map",
    "read_one",
    "records",
    "stream",
    "stream_smiles",
    "write_map",
    "write_sdf",
]
