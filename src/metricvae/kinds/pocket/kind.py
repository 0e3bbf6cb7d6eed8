"""The kind `pocket`: binding sites on macromolecules, invariant to rotations and translations."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa

from metricvae.core.coder_config import CoderConfig
from metricvae.core.errors import InputError
from metricvae.core.kind import AS_IT_IS, Library, Object, ObjectKind, Packed, ReadOptions
from metricvae.kinds.molecule.kind import MoleculeKind
from metricvae.kinds.molecule.mol_blocks import write_sdf
from metricvae.kinds.molecule.packing import packed_molecules, padded
from metricvae.kinds.pocket.packing import image_atoms
from metricvae.kinds.pocket.prepare import read_pocket
from metricvae.kinds.pocket.records import Pocket
from metricvae.kinds.pocket.site_list import LIST_ENDINGS, SiteList
from metricvae.kinds.pocket.sites import MARK, ligand_file, split_name
from metricvae.kinds.pocket.structures import STRUCTURE_ENDINGS
from metricvae.kinds.pocket.table import COLUMNS_SCHEMA, pocket_columns, read_pockets

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from metricvae.core.hits import Value


@dataclass(frozen=True)
class PocketKind(ObjectKind):
    """`Pocket` records: `rec.pdb@ligand=LIG`, `rec.cif.gz@residues=A:45,A:78`, `rec.pdb@point=1,2,3`, `rec.pdb@auto`.

    A name without a site is that of the best cavity that is found. In memory a pocket is its negative image, as atoms
    of a molecule: the encoder and the decoder of molecules read and draw it, so that the codes of a pocket and of what
    fills it may be compared. The receptor's atoms are kept in tables, for exact answers.
    """

    name: ClassVar[str] = "pocket"
    title: ClassVar[str] = "pockets"
    suffixes: ClassVar[tuple[str, ...]] = STRUCTURE_ENDINGS
    library_suffixes: ClassVar[tuple[str, ...]] = LIST_ENDINGS
    magnitude_name: ClassVar[str] = "self_overlap"
    magnitude_unit: ClassVar[str] = "cubic angstroms"
    magnitude_exponent: ClassVar[float] = 3.0
    compares_groups: ClassVar[bool] = True
    posed_suffixes: ClassVar[tuple[str, ...]] = (".sdf",)
    caveats: ClassVar[str] = (
        "Pockets of rigid receptors, as negative images of at most 40 pseudo-atoms. Waters, missing atoms and\n"
        "symmetry copies are not there."
    )

    # Reading

    def read(self, path: Path, options: ReadOptions = AS_IT_IS) -> Pocket:
        """The pocket at a site of a structure; see `metricvae.kinds.pocket.sites` for how sites are named.

        Raises:
            InputError: no structure of a protein, no such site on it, or no room there.
        """
        options.refuse_images("a model of pockets")
        return read_pocket(path)

    def convert(self, value: Any, options: ReadOptions = AS_IT_IS) -> Pocket:
        """A pocket from a name or as it is."""
        if isinstance(value, str | Path):
            return self.read(Path(value), options)
        if not isinstance(value, Pocket):
            raise InputError(f"got {type(value).__name__}: expected a structure file, with a site behind {MARK}")
        return value

    def locate(self, name: str, base: Path) -> Path | None:
        """The path of a structure in a folder, with its site; a ligand's file is looked for there too."""
        file, site = split_name(name)
        if not os.path.isfile(base / file):
            return None
        ligand = ligand_file(site)
        if ligand is not None and os.path.isfile(base / ligand):
            site = f"ligand={base / ligand}"
        return Path(f"{base / file}{MARK}{site}" if name != file else base / file)

    def file_of(self, path: Path) -> Path:
        return Path(split_name(str(path))[0])

    def moved(self, value: Object, pose: Any) -> Pocket:
        """A pocket, its receptor with it, after a motion with `rotation` (3, 3) and `translation` (3,)."""
        found: Pocket = value.moved(pose.rotation, pose.translation)
        return found

    def open_library(self, path: Path, work: Path, options: ReadOptions = AS_IT_IS) -> Library:
        """The pockets that a list names (`metricvae.kinds.pocket.site_list`), or the best ones of the structures in a
        folder.

        Raises:
            InputError: no list, no folder, or an empty one.
        """
        path = Path(path)
        if path.is_dir():
            return super().open_library(path, work, options)
        if not path.is_file():
            raise InputError(f"there is no file {path}: give a list of sites, or a folder of structures")
        if path.suffix.lower() not in LIST_ENDINGS:
            raise InputError(
                f"{path} is no library of pockets: expected a folder of structures, or a list of sites that ends in "
                f"{' or '.join(LIST_ENDINGS)}"
            )
        self.refuse_conformers(options)
        return SiteList(self, path, options)

    # Storing

    @property
    def schema(self) -> pa.Schema:
        return COLUMNS_SCHEMA

    def to_columns(self, objects: Sequence[Object]) -> dict[str, pa.Array]:
        return pocket_columns(objects)

    def from_table(self, table: pa.Table) -> list[Object]:
        return list(read_pockets(table))

    def group(self, value: Object, name: str) -> str:
        """The hash of the chains' sequences: all pockets of one protein share a split."""
        return hashlib.sha256(value.sequence.encode()).hexdigest()[:16]

    def groups(self, objects: Sequence[Object], names: Sequence[str]) -> list[str]:
        """The hash of the representative of each protein's cluster; see `metricvae.kinds.sequence.clustering`."""
        from metricvae.kinds.sequence.alphabets import PROTEIN
        from metricvae.kinds.sequence.clustering import clusters

        found = clusters([one.sequence for one in objects], PROTEIN)
        return [self.group(objects[number], names[number]) for number in found]

    # In memory

    def pack(self, objects: Sequence[Object]) -> Packed:
        """Images as arrays of atoms, as large as the largest needs; see `metricvae.kinds.pocket.packing`."""
        return packed_molecules(padded([image_atoms(one) for one in objects]))

    def unpack(self, packed: Packed, device: torch.device | str = "cpu") -> Tensor:
        """(m, A, 6 + A) float32, as molecules have it."""
        return MoleculeKind().unpack(packed, device)

    def concatenate(self, parts: Sequence[Packed]) -> Packed:
        return MoleculeKind().concatenate(parts)

    def move(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Each image under a rigid motion of its own."""
        return MoleculeKind().move(x, generator)

    def magnitudes(self, x: Tensor) -> Tensor:
        """(m,) Gaussian overlaps of images with themselves, cubic angstroms."""
        return MoleculeKind().magnitudes(x)

    # Files

    def write_posed(
        self,
        path: Path,
        objects: Sequence[Object],
        poses: Sequence[Any],
        fields: Sequence[Mapping[str, Value]] | None = None,
    ) -> None:
        """Write an SDF file of negative images, each after its pose; see `Pocket.as_molecule`."""
        moved = [one if pose is None else self.moved(one, pose) for one, pose in zip(objects, poses, strict=True)]
        write_sdf(path, (one.as_molecule() for one in moved), fields)

    # Networks

    @property
    def encoders(self) -> tuple[type[CoderConfig], ...]:
        return MoleculeKind().encoders

    @property
    def decoders(self) -> tuple[type[CoderConfig], ...]:
        return MoleculeKind().decoders

    def default_encoder(self, objects: int | None = None) -> CoderConfig:
        """That of molecules, over the pseudo-atoms of the image."""
        return MoleculeKind().default_encoder(objects)

    def default_decoder(self, objects: int | None = None) -> CoderConfig | None:
        """That of molecules: coarse density maps of the image."""
        return MoleculeKind().default_decoder(objects)
