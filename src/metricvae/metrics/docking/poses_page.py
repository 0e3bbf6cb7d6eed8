"""Poses in their binding site as an HTML page with a viewer in three dimensions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from metricvae.core.errors import InputError
from metricvae.core.hits import FoundObject, PageAbout, PageWords, Value
from metricvae.kinds.molecule.drawing import flat_svg
from metricvae.kinds.molecule.extra import require
from metricvae.kinds.molecule.mol_blocks import sdf_record
from metricvae.kinds.molecule.page.overlay_page import viewer_of
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.pocket.records import Receptor
from metricvae.metrics.docking.atom_types import ACCEPTORS, DONORS, molecule_types, receptor_types
from metricvae.metrics.docking.records import Floats, Ints
from metricvae.plotting.page.hits import ShownObject, hit_page

WORDS = PageWords(one="pose", many="poses", query="site", index="Ligands", model="Engine")

AROUND = 5.0
"""Angstroms from a pose to the residues that are shown, at most."""

BONDED = 3.4
"""Angstroms between a donor and an acceptor that a hydrogen bond joins, at most."""

ROUGH = 2
"""Decimals of coordinates of the page."""


@dataclass(frozen=True)
class PosedLigand(FoundObject):
    """A pose as a row of the page: its columns are its fields."""

    @property
    def columns(self) -> dict[str, Value]:
        return dict(self.fields)


def posed_ligand(name: str, molecule: Molecule, fields: Mapping[str, Value], path: str = "") -> PosedLigand:
    """A row of the page.

    Args:
        name: of the pose.
        molecule: where it lies in the frame of the receptor.
        fields: what is known of it, by name.
        path: of its file.
    """
    return PosedLigand(name, molecule, None, "", 0.0, 0.0, path, fields)


def poses_page(
    receptor: Receptor, poses: Sequence[PosedLigand], about: PageAbout, template: Molecule | None = None
) -> str:
    """The page of poses in a site.

    Args:
        receptor: its atoms.
        poses: rows, the best first.
        about: the run; its words are best `WORDS`.
        template: a ligand that is shown beside them.

    Raises:
        InputError: no poses.
    """
    if not poses:
        raise InputError("there is no pose to show: no ligand could be docked, and each row says why")
    places = np.concatenate([one.value.positions for one in poses])
    near = around(receptor, places)
    view = {
        "pdb": pdb_text(near),
        "quaternion": _towards_the_opening(near, places),
        "template": sdf_record(template) if template is not None else "",
    }
    site = ShownObject("", view, {"sdf": ""})
    types = receptor_types(near)
    rows = [
        ShownObject(
            flat_svg(one.value),
            {"bonds": hydrogen_bonds(one.value, near.positions, types)},
            {"sdf": sdf_record(one.value, one.fields)},
        )
        for one in poses
    ]
    script = resources.files("metricvae.metrics.docking").joinpath("poses_viewer.js").read_text("utf-8")
    return hit_page(poses, about, site, rows, viewer_of(script, "poses"))


def around(receptor: Receptor, places: Floats) -> Receptor:
    """The whole residues of a receptor that have an atom within `AROUND` of places (n, 3)."""
    away, _ = cKDTree(places).query(receptor.positions, distance_upper_bound=AROUND)
    return receptor.select(np.isin(receptor.residue_ids, receptor.residue_ids[np.isfinite(away)]))


def hydrogen_bonds(molecule: Molecule, places: Floats, types: Ints) -> list[list[list[float]]]:
    """The ends of each hydrogen bond, by distance and types alone: from the molecule to the receptor, angstroms.

    Args:
        molecule: where it lies.
        places, types: (m, 3) and (m,) of the receptor's atoms.
    """
    own = molecule_types(molecule)
    apart = np.linalg.norm(molecule.positions[:, None] - places, axis=-1)
    gives = np.isin(own, DONORS)[:, None] & np.isin(types, ACCEPTORS)
    takes = np.isin(own, ACCEPTORS)[:, None] & np.isin(types, DONORS)
    pairs = np.argwhere((apart <= BONDED) & (gives | takes)).tolist()
    return [[np.round(molecule.positions[a], ROUGH).tolist(), np.round(places[b], ROUGH).tolist()] for a, b in pairs]


def pdb_text(receptor: Receptor) -> str:
    """The atoms of a receptor as PDB records."""
    return "".join(_atom(receptor, row) for row in range(len(receptor))) + "END\n"


def _atom(receptor: Receptor, row: int) -> str:
    symbol = str(require("gemmi").Element(int(receptor.elements[row])).name)
    chain, _, residue = str(receptor.residue_ids[row]).rpartition(":")
    digits = "".join(one for one in residue if one in "-0123456789") or "0"
    name = str(receptor.atom_names[row])
    placed = f"{name:<4}"[:4] if len(name) > 3 or len(symbol) > 1 else f" {name:<3}"
    x, y, z = receptor.positions[row]
    return (
        f"ATOM  {row % 99999 + 1:5d} {placed} {str(receptor.residue_names[row])[:3]:>3} {chain[:1] or 'A'}"
        f"{int(digits) % 10000:4d}    {x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00          {symbol.upper():>2}\n"
    )


def _towards_the_opening(receptor: Receptor, places: Floats) -> list[float]:
    """The quaternion (x, y, z, w) of the rotation that looks at poses from where the receptor is not."""
    outwards = places.mean(axis=0) - (receptor.positions.mean(axis=0) if len(receptor) else 0.0)
    outwards = outwards / max(float(np.linalg.norm(outwards)), 1e-6)
    spread = np.linalg.eigh(np.cov(places.T))[1][:, -1]
    across = spread - (spread @ outwards) * outwards
    across = across / max(float(np.linalg.norm(across)), 1e-6)
    turn = Rotation.from_matrix(np.stack([across, np.cross(outwards, across), outwards]))
    quaternion: list[float] = np.round(turn.as_quat(canonical=True), 4).tolist()
    return quaternion
