"""What is known of residues by name: standard amino acids and their atoms, other names of them, caps and cofactors."""

from __future__ import annotations

from metricvae.kinds.pocket.records import ACCEPTOR, ANION, CATION, DONOR, HYDROPHOBE, RING

BACKBONE = ("N", "CA", "C", "O")

SIDE_CHAINS: dict[str, tuple[str, ...]] = {
    "ALA": ("CB",),
    "ARG": ("CB", "CG", "CD", "NE", "CZ", "NH1", "NH2"),
    "ASN": ("CB", "CG", "OD1", "ND2"),
    "ASP": ("CB", "CG", "OD1", "OD2"),
    "CYS": ("CB", "SG"),
    "GLN": ("CB", "CG", "CD", "OE1", "NE2"),
    "GLU": ("CB", "CG", "CD", "OE1", "OE2"),
    "GLY": (),
    "HIS": ("CB", "CG", "ND1", "CD2", "CE1", "NE2"),
    "ILE": ("CB", "CG1", "CG2", "CD1"),
    "LEU": ("CB", "CG", "CD1", "CD2"),
    "LYS": ("CB", "CG", "CD", "CE", "NZ"),
    "MET": ("CB", "CG", "SD", "CE"),
    "PHE": ("CB", "CG", "CD1", "CD2", "CE1", "CE2", "CZ"),
    "PRO": ("CB", "CG", "CD"),
    "SER": ("CB", "OG"),
    "THR": ("CB", "OG1", "CG2"),
    "TRP": ("CB", "CG", "CD1", "CD2", "NE1", "CE2", "CE3", "CZ2", "CZ3", "CH2"),
    "TYR": ("CB", "CG", "CD1", "CD2", "CE1", "CE2", "CZ", "OH"),
    "VAL": ("CB", "CG1", "CG2"),
}
"""Heavy atoms of the side chains of the standard amino acids."""

SAME_RESIDUE: dict[str, str] = {
    **dict.fromkeys(("HIE", "HID", "HIP", "HSD", "HSE", "HSP", "HIN"), "HIS"),
    **dict.fromkeys(("CYX", "CYM", "CYT"), "CYS"),
    **{"ASH": "ASP", "GLH": "GLU", "LYN": "LYS", "ARN": "ARG", "TYM": "TYR"},
}
"""Names of protonation states and disulphides -> standard names."""

CAPS = frozenset(("ACE", "NME", "NMA", "NH2", "FOR"))
"""Groups at the ends of chains: protein where they are bound to one."""

COFACTORS = frozenset(
    [
        *("HEM", "HEC", "HEA", "HEB", "HAS", "VER", "SRM", "B12", "COB", "CNC", "F43", "CLA", "BCL", "BPH"),
        *("NAD", "NAI", "NAP", "NDP", "NAJ", "FAD", "FDA", "FMN", "FNR", "PLP", "PMP", "LLP", "TPP", "TDP", "BTN"),
        *("COA", "ACO", "MCA", "CAO", "SAM", "SAH", "GSH", "MTE", "MGD", "PQQ", "TPQ", "LPA", "THG", "BH4", "H4B"),
        *("SF4", "FES", "F3S", "CUA", "CUB", "CLF", "FEO", "OEX"),
    ]
)
"""Small molecules that belong to the receptor: haems, nicotinamide and flavin nucleotides, pyridoxal phosphate,
thiamine, coenzyme A, adenosylmethionine, glutathione, pterins, iron-sulphur and other clusters."""

ROLES: dict[tuple[str, str], int] = {
    **{("SER", "OG"): DONOR | ACCEPTOR, ("THR", "OG1"): DONOR | ACCEPTOR, ("TYR", "OH"): DONOR | ACCEPTOR},
    **{("ASN", "ND2"): DONOR, ("ASN", "OD1"): ACCEPTOR, ("GLN", "NE2"): DONOR, ("GLN", "OE1"): ACCEPTOR},
    **{("HIS", "ND1"): DONOR | ACCEPTOR, ("HIS", "NE2"): DONOR | ACCEPTOR, ("TRP", "NE1"): DONOR},
    **{("ASP", "OD1"): ACCEPTOR | ANION, ("ASP", "OD2"): ACCEPTOR | ANION},
    **{("GLU", "OE1"): ACCEPTOR | ANION, ("GLU", "OE2"): ACCEPTOR | ANION},
    **{("LYS", "NZ"): DONOR | CATION, ("ARG", "NE"): DONOR | CATION},
    **{("ARG", "NH1"): DONOR | CATION, ("ARG", "NH2"): DONOR | CATION},
    **{("CYS", "SG"): HYDROPHOBE, ("MET", "SD"): HYDROPHOBE},
}
"""Roles of polar side-chain atoms and of sulphur. A histidine is taken as both of its tautomers."""

APOLAR: dict[str, tuple[str, ...]] = {
    **{"ALA": ("CB",), "ARG": ("CB", "CG"), "CYS": ("CB",), "GLN": ("CB",), "GLU": ("CB",), "ILE": SIDE_CHAINS["ILE"]},
    **{"LEU": SIDE_CHAINS["LEU"], "LYS": ("CB", "CG", "CD"), "MET": SIDE_CHAINS["MET"], "PHE": SIDE_CHAINS["PHE"]},
    **{"PRO": ("CB", "CG"), "THR": ("CG2",), "TRP": ("CB", "CG", "CD2", "CE3", "CZ2", "CZ3", "CH2")},
    **{"TYR": ("CB", "CG", "CD1", "CD2", "CE1", "CE2"), "VAL": SIDE_CHAINS["VAL"]},
}
"""Carbons (and sulphur) whose bonded neighbours are carbon or sulphur."""

RINGS: dict[str, tuple[tuple[str, ...], ...]] = {
    "HIS": (("CG", "ND1", "CD2", "CE1", "NE2"),),
    "PHE": (("CG", "CD1", "CD2", "CE1", "CE2", "CZ"),),
    "TRP": (("CG", "CD1", "CD2", "NE1", "CE2"), ("CD2", "CE2", "CE3", "CZ2", "CZ3", "CH2")),
    "TYR": (("CG", "CD1", "CD2", "CE1", "CE2", "CZ"),),
}
"""Aromatic rings of side chains."""


def roles_of(residue: str, atom: str) -> int:
    """Roles of an atom of a standard amino acid, by the names; the sum of `DONOR` ... `RING`.

    Example:
        >>> roles_of("LYS", "NZ") == DONOR | CATION
        True
    """
    found = ROLES.get((residue, atom), 0)
    if atom == "N" and residue != "PRO":
        found |= DONOR
    if atom in ("O", "OXT"):
        found |= ACCEPTOR | (ANION if atom == "OXT" else 0)
    if atom in APOLAR.get(residue, ()):
        found |= HYDROPHOBE
    if any(atom in ring for ring in RINGS.get(residue, ())):
        found |= RING
    return found
