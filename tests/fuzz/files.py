"""Targets: files of single objects and of many, in every format that kinds read."""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gemmi
import numpy as np
from PIL import Image
from rdkit import Chem

from metricvae.core.array_files import ArrayFiles
from metricvae.core.pair_list import read_pair_list
from metricvae.kinds.image.io import read_image as read_levels
from metricvae.kinds.molecule.conformers import conform
from metricvae.kinds.molecule.mol_blocks import mol_block
from metricvae.kinds.molecule.readers import read as read_molecules
from metricvae.kinds.pocket.ligand_files import positions_in
from metricvae.kinds.pocket.site_list import listed_sites
from metricvae.kinds.pocket.structures import structure_of
from metricvae.kinds.points.kind import PointsKind
from metricvae.kinds.sequence.io import read_fasta, read_sequence
from metricvae.kinds.silhouette.io import read_image
from metricvae.kinds.vector.io import read_numbers
from metricvae.kinds.volume.io import read_map, write_map
from metricvae.kinds.volume.kind import VolumeKind
from metricvae.kinds.volume.records import DensityMap

from .target import Target

Make = Callable[[Path], Target]
"""Makes a target, whose files lie in a folder."""


# Pictures


def pictures() -> dict[str, Make]:
    """Every format of pictures; PNG is under its checksums, and once more with checksums that are right again."""
    found = {
        name: _picture(name, suffix, options)
        for name, suffix, options in (
            ("TIFF", "tif", ({}, {"compression": "tiff_lzw"}, {"compression": "tiff_adobe_deflate"})),
            ("BMP", "bmp", ({},)),
            ("GIF", "gif", ({},)),
            ("ICO", "ico", ({},)),
            ("JPEG", "jpg", ({}, {"progressive": True, "quality": 20})),
            ("WEBP", "webp", ({"lossless": True}, {"quality": 20})),
            ("PPM", "ppm", ({},)),
            ("TGA", "tga", ({},)),
        )
    }
    sealed = _picture("PNG", "png", ({},))
    return {"PNG": _picture("PNG", "png", ({},), covered=True), **found, "PNG, resealed": _resealed(sealed)}


def _picture(name: str, suffix: str, options: tuple[dict[str, Any], ...], *, covered: bool = False) -> Make:
    seeds = tuple(saved(mode, name, one) for mode in ("L", "RGB", "P") for one in options if _holds(name, mode))
    words = (
        b"IHDR",
        b"IDAT",
        b"IEND",
        b"tRNS",
        b"PLTE",
        b"eXIf",
        b"II*\0",
        b"MM\0*",
        b"\xff\xd9",
        b"\xff\xda",
        b"VP8X",
        b"\x21\xf9\x04",
    )

    def make(folder: Path) -> Target:
        return Target(name, folder / f"x.{suffix}", seeds, read_both, words, covered)

    return make


def _holds(name: str, mode: str) -> bool:
    return mode != "P" or name in ("PNG", "GIF", "TIFF", "BMP")


def read_both(path: Path) -> Any:
    """A picture as a silhouette, of any size, and as an image."""
    levels = read_levels(path)
    return levels, read_image(path, canvas=None)


def saved(mode: str, name: str, options: dict[str, Any]) -> bytes:
    """A small picture of a shape in a format."""
    y, x = np.indices((24, 24))
    shape = ((x - 11) ** 2 + (y - 12) ** 2 < 70) * np.uint8(255)
    picture, file = Image.fromarray(shape).convert(mode), io.BytesIO()
    picture.save(file, name, **options)
    return file.getvalue()


def _resealed(make: Make) -> Make:
    def remade(folder: Path) -> Target:
        target = make(folder)
        return Target("PNG, resealed", target.path, target.seeds, target.read, target.words, seal=sealed_png)

    return remade


def sealed_png(content: bytes) -> bytes:
    """A PNG whose chunks have right checksums, as far as it has chunks."""
    data, place = bytearray(content), 8
    while place + 12 <= len(data):
        end = place + 8 + int.from_bytes(data[place : place + 4], "big")
        if end + 4 > len(data):
            break
        data[end : end + 4] = struct.pack(">I", zlib.crc32(data[place + 4 : end]))
        place = end + 4
    return bytes(data)


# Arrays and numbers


def arrays() -> dict[str, Make]:
    """NumPy files as images, volumes, clouds, vectors, and at an address; text files of numbers."""
    words = (
        b"descr",
        b"'<f4'",
        b"'|O'",
        b"'<U99999999'",
        b"'>c16'",
        b"fortran_order",
        b"True",
        b"shape",
        b"(99999999,)",
        b"(-1,)",
        b"PK\x03\x04",
        b"PK\x01\x02",
    )
    plain, cube, cloud = (
        np.arange(48.0).reshape(6, 8) / 48,
        np.ones((3, 4, 5), np.float32),
        np.arange(12.0).reshape(4, 3),
    )
    files = {"npy": tuple(map(_npy, (plain, (plain * 255).astype(np.uint8), cube, cloud, np.arange(5.0))))}
    readers = {
        "NPY image": read_levels,
        "NPY volume": VolumeKind().read,
        "NPY cloud": PointsKind().read,
        "NPY vector": read_numbers,
        "NPY address": lambda path: ArrayFiles().read(path, "1"),
    }
    made = {name: _simple(name, "x.npy", files["npy"], read, words) for name, read in readers.items()}
    archives = _npz(False, a=plain, b=cube), _npz(True, a=plain, b=cube), _npz(True, a=plain)
    made["NPZ"] = _simple("NPZ", "x.npz", archives, read_archive, words)
    texts = (b"1.0, 2.5, 3\n", b"1\n2\n3\n", b"[1;2;3]")
    made["numbers"] = _simple("numbers", "x.csv", texts, read_numbers)
    return made


def read_archive(path: Path) -> Any:
    """An array of an archive by its key, and the only one."""
    files = ArrayFiles()
    return files.read(path, "a"), files.read(path, "a")


def _npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _npz(compress: bool, **arrays: Any) -> bytes:
    file = io.BytesIO()
    (np.savez_compressed if compress else np.savez)(file, **arrays)
    return file.getvalue()


# Clouds, maps, sequences


def clouds() -> dict[str, Make]:
    """PLY, XYZ and tables as point clouds."""
    axes = b"property float x\nproperty float y\n"
    faces = b"element face 1\nproperty list uchar int vertex_indices\nend_header\n"
    ply = b"ply\nformat ascii 1.0\nelement vertex 3\n" + axes + b"property float z\n" + faces
    ply += b"0 0 0\n1 0 0\n0 1 2\n3 0 1 2\n"
    binary = b"ply\nformat binary_little_endian 1.0\nelement vertex 3\n" + axes + b"property double nx\nend_header\n"
    binary += struct.pack("<" + "ffd" * 3, *range(9))
    words = (
        b"property list uchar float x\n",
        b"property ",
        b"element vertex 1000000\n",
        b"end_header\n",
        b"binary_big_endian",
        b"list ",
        b"uint",
        b"float64",
        b"comment ",
    )
    xyz = b"3\nname\nC 0 0 0\nN 1.5 0 0\nO 0 2 1\n", b"0 0 0\n1 2 3\n"
    table = b"x,y,z,q\n0,0,0,1\n1,2,3,2\n", b"0 1\n2 3\n", b"a;x;y\nC;1;2\nN;3;4\n"
    read = PointsKind().read
    return {
        "PLY": _simple("PLY", "x.ply", (ply, binary), read, words),
        "XYZ": _simple("XYZ", "x.xyz", xyz, read, (b"nan", b"C", b"99999999\n")),
        "CSV cloud": _simple("CSV cloud", "x.csv", table, read, (b",x", b",y", b'"', b"x,y\n")),
        "FASTA": _simple(
            "FASTA",
            "x.fasta",
            (b">a first\nACDEF\nGHI\n>b\nKLM\n",),
            lambda path: list(read_fasta(path)),
            (b">", b">\n"),
        ),
        "sequence": _simple("sequence", "x.txt", (b"ACDEFGH\n", "Straße".encode()), read_sequence),
    }


def maps() -> dict[str, Make]:
    """Density maps, plain and gzipped."""
    words = (b"MAP ", b"\x44\x44\0\0", b"\x11\x11\0\0", struct.pack("<i", 2), struct.pack("<f", float("nan")))

    def make(folder: Path) -> Target:
        values = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
        write_map(folder / "y.mrc", DensityMap(values, np.full(3, 1.5), np.array([1.0, -2.0, 3.0])))
        whole = (folder / "y.mrc").read_bytes()
        return Target("MRC", folder / "x.mrc", (whole, gzip.compress(whole, mtime=0)), read_map, words)

    return {"MRC": make}


# Molecules and structures


def molecules() -> dict[str, Make]:
    """Files of molecules, by all their formats."""
    molecule = conform("CC(C)Cc1ccc(cc1)C(C)C(=O)O", 1, name="ibuprofen")[0]
    block = mol_block(molecule)
    mol = Chem.MolFromMolBlock(block)
    v2000 = f"{block}> <x>\n1\n\n$$$$\n{mol_block(conform('CCC[NH3+]', 0, name='b')[0])}$$$$\n".encode()
    v3000 = f"{Chem.MolToV3KMolBlock(mol)}$$$$\n".encode()
    atoms = "".join(
        f"{n + 1} C{n} {x:.4f} {y:.4f} {z:.4f} C.3 1 LIG 0\n" for n, (x, y, z) in enumerate(molecule.positions[:5])
    )
    bonds = "".join(f"{n} {n} {n + 1} 1\n" for n in range(1, 5))
    mol2 = (
        f"@<TRIPOS>MOLECULE\nx\n 5 4 0 0 0\nSMALL\nNO_CHARGES\n\n@<TRIPOS>ATOM\n{atoms}@<TRIPOS>BOND\n{bonds}".encode()
    )
    table = b'smiles,id\nCCCCO,a\n"c1ccccc1C(=O)[O-].[Na+]",b\nC[C@H](N)C(=O)O,c\n'
    lines = table.replace(b",", b" ").replace(b'"', b"")
    ctab = (
        b"M  CHG  1   1   1\n",
        b"M  RAD  1   1   2\n",
        b"M  ISO  1   1  13\n",
        b"M  END\n",
        b"$$$$\n",
        b"M  RGP  1   1   1\n",
        b"M  SED   1 x\n",
        b"M  STY  1   1 SUP\n",
        b" R# ",
        b" * ",
        b" L  ",
        b"999999",
        b"V3000",
        b"> <y>\n",
    )
    long = (
        b"M  V30 ",
        b"COUNTS 1 0 0 0 0",
        b"BEGIN COLLECTION\n",
        b"MASS=13",
        b"CHG=99",
        b"RAD=3",
        b"CFG=1",
        b"VAL=-1",
        b"-\n",
        b"ENDPTS=(2 1 2)",
        b"ATTCHPT=1",
        b"END CTAB\n",
        b"SGROUP",
        b"=(4000000000 1)",
    )
    tripos = (
        b"@<TRIPOS>ATOM\n",
        b"@<TRIPOS>BOND\n",
        b"@<TRIPOS>SUBSTRUCTURE\n",
        b" ar\n",
        b" du\n",
        b" N.4 ",
        b" Du ",
        b" C.cat ",
        b"un\n",
    )
    smiles = (
        b"[",
        b"]",
        b"(",
        b")",
        b"=",
        b"#",
        b"@@",
        b"@TH9",
        b"@OH30",
        b"%(99)",
        b".",
        b"/",
        b"\\",
        b"[2H]",
        b"[U]",
        b"*",
        b"->",
        b"|$;$|",
        b"[C:99999]",
        b":",
        b"~",
        b"[Fe+99]",
        b"c1",
        b"{",
        b"$",
    )
    return {
        "SDF V2000": _simple("SDF V2000", "x.sdf", (v2000,), read_all, ctab, 2.0),
        "SDF V3000": _simple("SDF V3000", "x.sdf", (v3000,), read_all, long, 2.0),
        "mol2": _simple("mol2", "x.mol2", (mol2,), read_all, tripos),
        "SMILES": _simple("SMILES", "x.smi", (lines,), read_all, smiles, 0.5),
        "SMILES, gzipped": _simple("SMILES, gzipped", "x.smi.gz", (gzip.compress(lines, mtime=0),), read_all, (), 2.0),
        "CSV of SMILES": _simple("CSV of SMILES", "x.csv", (table,), read_all, (*smiles[:9], b'"', b";", b"\t"), 0.5),
        "SDF ligand": _simple("SDF ligand", "x.sdf", (v2000, v3000), positions_in, ctab),
        "mol2 ligand": _simple("mol2 ligand", "x.mol2", (mol2,), positions_in, tripos),
    }


def read_all(path: Path) -> list[str]:
    """What each record of a file of molecules gave."""
    return [type(found).__name__ for found in read_molecules(path)]


def structures() -> dict[str, Make]:
    """PDB, PDBQT and mmCIF, as receptors and as files of ligands; lists of sites."""
    peptide = Chem.MolFromFASTA("GAVS")
    with_places = Chem.AddHs(peptide)
    from rdkit.Chem import AllChem

    AllChem.EmbedMolecule(with_places, randomSeed=1)
    whole = gemmi.read_pdb_string(Chem.MolToPDBBlock(Chem.RemoveHs(with_places), flavor=4))
    drug = gemmi.read_pdb_string(
        Chem.MolToPDBBlock(Chem.MolFromMolBlock(mol_block(conform("CC(C)Cc1ccccc1", 1, name="x")[0])))
    )
    residue = drug[0][0][0].clone()
    residue.name, residue.het_flag = "LIG", "H"
    residue.seqid = gemmi.SeqId("99")
    chain = gemmi.Chain("L")
    chain.add_residue(residue)
    whole[0].add_chain(chain)
    pdb = whole.make_pdb_string().encode()
    cif = whole.make_mmcif_document().as_string().encode()
    old = (
        b"HETATM",
        b"ATOM  ",
        b"ANISOU",
        b"MODEL        2\n",
        b"ENDMDL\n",
        b"TER\n",
        b"CONECT",
        b"CRYST1",
        b"SEQRES",
        b"LINK  ",
        b"SSBOND",
        b"HELIX ",
        b"AALA A",
        b"HOH",
        b"********",
        b"A0000",
        b"REMARK 350",
    )
    new = (
        b"loop_\n",
        b"data_y\n",
        b"_atom_site.Cartn_x\n",
        b"save_\n",
        b";\n",
        b"'",
        b"?",
        b".",
        b"_entity_poly.type",
        b"stop_",
        b"global_",
        b"\n;x\n;\n",
    )
    sites = b"rec.pdb@ligand=LIG\n# x\nrec.pdb@point=1,2,3\n", b"site\nrec.pdb@auto:2\n"
    return {
        "PDB": _simple("PDB", "x.pdb", (pdb,), read_structure, old, 1.0),
        "PDBQT": _simple("PDBQT", "x.pdbqt", (pdb,), read_structure, (*old, b" OA\n", b" HD\n"), 1.0),
        "mmCIF": _simple("mmCIF", "x.cif", (cif,), read_structure, new, 1.0),
        "PDB of ligands": _simple("PDB of ligands", "x.pdb", (pdb,), read_all, old, 1.0),
        "mmCIF of ligands": _simple("mmCIF of ligands", "x.cif", (cif,), read_all, new, 1.0),
        "list of sites": _simple("list of sites", "x.txt", sites, listed_sites),
        "table of sites": _simple(
            "table of sites", "x.csv", (b"site,name\nrec.pdb@auto,a\n", b"pocket;id\nx.pdb;b\n"), listed_sites
        ),
    }


def read_structure(path: Path) -> Any:
    """A structure, and what it holds."""
    found = structure_of(path)
    return found.sequence, len(found.receptor.elements)


# Tables


def tables() -> dict[str, Make]:
    """Lists of pairs of files."""
    seeds = b"a,b\nx.csv,x.csv\n", b"a;b;c\nx.csv;x.csv;1\n"
    return {"list of pairs": _simple("list of pairs", "x.csv", seeds, lambda path: read_pair_list(path, inline=True))}


def _simple(
    name: str,
    file: str,
    seeds: tuple[bytes, ...],
    read: Callable[[Path], Any],
    words: tuple[bytes, ...] = (),
    weight: float = 4.0,
) -> Make:
    def make(folder: Path) -> Target:
        return Target(name, folder / file, seeds, read, words, weight=weight)

    return make


def file_targets() -> Iterator[tuple[str, Make]]:
    """All of them by name."""
    for group in (pictures, arrays, clouds, maps, molecules, structures, tables):
        yield from group().items()
