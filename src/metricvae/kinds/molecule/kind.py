"""The kind `molecule`: heavy atoms in space, invariant to rotations and translations."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metricvae.core.coder_config import CoderConfig
from metricvae.core.errors import InputError
from metricvae.core.item_tests import ItemTest
from metricvae.core.kind import AS_IT_IS, Object, ObjectKind, Packed, ReadOptions
from metricvae.core.libraries import NamedObject
from metricvae.core.object_picture import ObjectPicture
from metricvae.kinds.molecule.conformers import conform, flat
from metricvae.kinds.molecule.fragments import stream
from metricvae.kinds.molecule.library import MoleculeFile, conformer_seed
from metricvae.kinds.molecule.listing import READERS, suffix_of
from metricvae.kinds.molecule.mol_blocks import write_sdf
from metricvae.kinds.molecule.packing import atoms_of, packed_molecules, padded, unpacked_molecules
from metricvae.kinds.molecule.properties import COLUMNS as PROPERTY_COLUMNS
from metricvae.kinds.molecule.properties import described_smiles, property_columns
from metricvae.kinds.molecule.readers import ENDINGS, Skipped, coordinate_fault, read, read_one
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.molecule.scaffolds import scaffold_group
from metricvae.kinds.molecule.standardise import canonical, parent_of, rdkit_checks, record_of
from metricvae.kinds.molecule.substructures import SMILES, morgan_fingerprints, substructure_test
from metricvae.kinds.molecule.table import COLUMNS_SCHEMA, molecule_columns, read_molecules

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from metricvae.core.editing import ObjectEditor
    from metricvae.core.hits import Value
    from metricvae.core.requirements import RequirementForm
    from metricvae.core.text_form import TextForm

FRAGMENTS = "fragments"
"""The source of molecules that needs no file."""

MOST_TOGETHER = 100
"""Molecules of one query, at most."""

WIDTHS = (64, 64, 64)
"""Channels of each layer of the default encoder."""

GRID_SIDE, GRID_SPACING = 16, 1.35
"""Points along each edge of the maps that the default decoder draws, and angstroms between them."""


@dataclass(frozen=True)
class MoleculeKind(ObjectKind):
    """`Molecule` records in one conformer each."""

    name: ClassVar[str] = "molecule"
    title: ClassVar[str] = "molecules"
    inline: ClassVar[bool] = True
    suffixes: ClassVar[tuple[str, ...]] = tuple(sorted(ENDINGS, key=lambda ending: ending != ".sdf"))
    magnitude_name: ClassVar[str] = "self_overlap"
    magnitude_unit: ClassVar[str] = "cubic angstroms"
    magnitude_exponent: ClassVar[float] = 3.0
    caveats: ClassVar[str] = (
        "Molecules of 4 to 100 heavy atoms, in the conformers that are given, and no other conformers."
    )
    posed_suffixes: ClassVar[tuple[str, ...]] = (".sdf",)
    needs_conformers: ClassVar[bool] = True
    fingerprinted: ClassVar[tuple[str, ...]] = (SMILES,)
    sources: ClassVar[tuple[str, ...]] = (FRAGMENTS,)

    def read(self, path: Path, options: ReadOptions = AS_IT_IS) -> Molecule:
        """The first molecule of a file; a SMILES gets a conformer.

        Raises:
            InputError: no file of molecules, or none in it.
        """
        options.refuse_images("a model of molecules")
        if suffix_of(path) not in self.suffixes:
            raise InputError(f"{path} is no molecule: expected a file that ends in {', '.join(self.suffixes)}")
        return read_one(path)

    def convert(self, value: Any, options: ReadOptions = AS_IT_IS) -> Molecule:
        """A molecule from a path, a SMILES, an RDKit molecule, or a `Molecule`.

        A SMILES, and an RDKit molecule without coordinates in space, get a conformer where one is needed.
        """
        if isinstance(value, Molecule):
            return value
        if isinstance(value, Path) or (isinstance(value, str) and suffix_of(value) in self.suffixes):
            return self.read(Path(value), options)
        found = value if isinstance(value, str) else _of_rdkit(value)
        if isinstance(found, Molecule):
            return found
        return flat(found) if options.conformers == 0 else self._of_smiles(found)

    def _of_smiles(self, smiles: str) -> Molecule:
        return conform(smiles, conformer_seed(0, 0))[0]

    def read_several(self, path: Path, options: ReadOptions = AS_IT_IS) -> list[Molecule]:
        """The molecules of a file.

        Raises:
            InputError: no such file, a record that gives no molecule, or more than `MOST_TOGETHER`.
        """
        found = list(itertools.islice(read(path), MOST_TOGETHER + 1))
        faults = [one for one in found if isinstance(one, Skipped)]
        if faults or not 1 <= len(found) <= MOST_TOGETHER:
            fault = f"of which one gives none ({faults[0]})" if faults else f"expected 1 to {MOST_TOGETHER}"
            raise InputError(f"{path} has {len(found)} molecules, {fault}: leave out what is no part of the query")
        return [one for one in found if isinstance(one, Molecule)]

    def join(self, objects: Sequence[Object]) -> Molecule:
        """All atoms and bonds as one molecule of several components."""
        starts = np.cumsum([0, *(len(one.elements) for one in objects)])
        bonds = [one.bonds + np.array([start, start, 0]) for one, start in zip(objects, starts, strict=False)]
        charges = [one.charges + np.array([start, 0]) for one, start in zip(objects, starts, strict=False)]
        return Molecule(
            id="+".join(one.id for one in objects),
            smiles=".".join(one.smiles for one in objects),
            elements=np.concatenate([one.elements for one in objects]),
            positions=np.concatenate([one.positions for one in objects]),
            bonds=np.concatenate(bonds).astype(np.int32),
            charges=np.concatenate(charges).astype(np.int32),
        )

    def moved(self, value: Object, pose: Any) -> Molecule:
        return posed(value, pose)

    def open_library(self, path: Path, work: Path, options: ReadOptions = AS_IT_IS) -> MoleculeFile:
        """The molecules of a file: SMILES, a table, mol blocks or mol2.

        Raises:
            InputError: no such file, or one of another format.
        """
        path = Path(path)
        options.refuse_images("a model of molecules")
        if path.is_dir():
            raise InputError(
                f"{path} is a folder, and a library of {self.title} is a file: give a file of {self.title}"
            )
        if not path.is_file():
            raise InputError(f"there is no file {path}: give a file of {self.title}")
        if suffix_of(path) not in READERS:
            raise InputError(f"{path} is no library: expected a file that ends in {', '.join(READERS)}")
        if not self.needs_conformers:
            self.refuse_conformers(options)
        return MoleculeFile(self.name, path, work, options.conformers if self.needs_conformers else 0)

    def generate(self, source: str, start: int, count: int, seed: int) -> list[NamedObject]:
        """Molecules that are assembled from fragments; see `metricvae.kinds.molecule.fragments`."""
        if source not in self.sources:
            return list(super().generate(source, start, count, seed))
        found = stream(count, seed, start=start)
        return [NamedObject(one.id, one, source, "", self.group(one, one.id)) for one in found]

    @property
    def schema(self) -> pa.Schema:
        return COLUMNS_SCHEMA

    def to_columns(self, objects: Sequence[Object]) -> dict[str, pa.Array]:
        return molecule_columns(objects)

    def from_table(self, table: pa.Table) -> list[Object]:
        return list(read_molecules(table))

    def thumbnail(self, value: Object) -> str:
        """The structural formula."""
        return str(value._repr_html_())

    def group(self, value: Object, name: str) -> str:
        """The Bemis-Murcko scaffold; of a molecule without rings, the molecule itself."""
        return scaffold_group(value.smiles, name)

    @property
    def index_schema(self) -> pa.Schema:
        """Properties, and fingerprints that screen for substructures; see `metricvae.kinds.molecule.properties`."""
        return PROPERTY_COLUMNS

    def index_columns(self, objects: Sequence[Object]) -> dict[str, pa.Array]:
        return property_columns([described_smiles(molecule.smiles) for molecule in objects])

    def item_test(self, pattern: str) -> ItemTest:
        """Whether molecules contain a substructure, told as SMARTS."""
        return substructure_test(pattern)

    def fingerprints(self, table: pa.Table) -> npt.NDArray[np.uint8]:
        """(m, b) packed circular fingerprints (Morgan, radius 2)."""
        return morgan_fingerprints(table[SMILES])

    def pack(self, objects: Sequence[Object]) -> Packed:
        """Arrays of atoms, as large as the largest molecule needs; see `metricvae.kinds.molecule.packing`."""
        return packed_molecules(padded([atoms_of(molecule) for molecule in objects]))

    def unpack(self, packed: Packed, device: torch.device | str = "cpu") -> Tensor:
        """(m, A, 6 + A) float32."""
        import torch

        return torch.from_numpy(unpacked_molecules(packed)).to(device)

    def concatenate(self, parts: Sequence[Packed]) -> Packed:
        if len({part.shape[1] for part in parts}) == 1:
            return np.concatenate(parts)
        return packed_molecules(padded([one for part in parts for one in unpacked_molecules(part)]))

    def move(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Each molecule under a rigid motion of its own."""
        from metricvae.kinds.molecule import transforms

        return transforms.move(x, transforms.random_motions(len(x), generator))

    def magnitudes(self, x: Tensor) -> Tensor:
        """(m,) Gaussian overlaps of molecules with themselves, cubic angstroms."""
        from metricvae.kinds.molecule.self_overlap import self_overlaps

        return self_overlaps(x)

    @property
    def editor(self) -> ObjectEditor:
        from metricvae.kinds.molecule.generation.editor import MoleculeEditor

        return MoleculeEditor(embeds=self.needs_conformers)

    @property
    def text_form(self) -> TextForm:
        from metricvae.kinds.molecule.text_form import SmilesForm

        return SmilesForm()

    @property
    def requirements(self) -> Mapping[str, RequirementForm]:
        from metricvae.kinds.molecule.generation.requirements import FORMS

        return FORMS

    def picture(self, value: Object) -> ObjectPicture | None:
        """The structural formula; None of a molecule that RDKit refuses."""
        from metricvae.kinds.molecule.drawing import flat_svg

        drawn = flat_svg(value)
        if not drawn:
            return None
        whole = drawn.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" color="#767676" ', 1)
        return ObjectPicture(whole.encode(), "image/svg+xml")

    def scene(self, value: Object) -> Mapping[str, Any]:
        """See `metricvae.kinds.molecule.page.overlay_page.scene_of`."""
        from metricvae.kinds.molecule.page.overlay_page import scene_of

        return scene_of(posed(value, None))

    def write_posed(
        self,
        path: Path,
        objects: Sequence[Object],
        poses: Sequence[Any],
        fields: Sequence[Mapping[str, Value]] | None = None,
    ) -> None:
        """Write an SDF file of molecules.

        Args:
            path: of the file.
            objects: molecules; those without coordinates get a conformer.
            poses: of each a record with `rotation` (3, 3) and `translation` (3,), or None.
            fields: data items of each, by name.

        Raises:
            InputError: see `metricvae.kinds.molecule.mol_blocks.write_sdf`.
        """
        write_sdf(path, map(posed, objects, poses), fields)

    @property
    def encoders(self) -> tuple[type[CoderConfig], ...]:
        from metricvae.kinds.molecule.encoders.joined import JoinedEncoderConfig
        from metricvae.kinds.molecule.encoders.point_set import PointSetEncoderConfig

        return PointSetEncoderConfig, JoinedEncoderConfig

    def default_encoder(self, objects: int | None = None) -> CoderConfig:
        """Convolutions between atoms of known elements; the attention of the shipped models costs ten times as much."""
        from metricvae.kinds.molecule.encoders.point_set import PointSetEncoderConfig

        return PointSetEncoderConfig(
            WIDTHS,
            mixing="convolution",
            chemical=True,
            distance_features=32,
            max_distance=10.0,
            grid_side=GRID_SIDE,
            grid_spacing=GRID_SPACING,
        )

    def default_decoder(self, objects: int | None = None) -> CoderConfig | None:
        """Coarse density maps."""
        from metricvae.nn.density import DensityDecoderConfig

        return DensityDecoderConfig((48, 32, 16), grid_side=GRID_SIDE, grid_spacing=GRID_SPACING)

    @property
    def decoders(self) -> tuple[type[CoderConfig], ...]:
        from metricvae.nn.density import DensityDecoderConfig

        return (DensityDecoderConfig,)


def with_coordinates(molecule: Molecule) -> Molecule:
    """The molecule, with a conformer where it has no coordinates."""
    if molecule.positions.any() or len(molecule.elements) < 2:
        return molecule
    return conform(molecule.smiles, conformer_seed(0, 0), name=molecule.id)[0]


def posed(molecule: Molecule, pose: Any) -> Molecule:
    """The molecule, with coordinates, after a motion with `rotation` (3, 3) and `translation` (3,), or after none."""
    found = with_coordinates(molecule)
    return found if pose is None else found.moved(pose.rotation, pose.translation)


def _of_rdkit(value: Any) -> Molecule | str:
    """The molecule in the conformer that it has, or the SMILES of one without coordinates in space."""
    if not hasattr(value, "GetNumConformers"):
        raise InputError(f"got {type(value).__name__}: expected a path, a SMILES, an RDKit molecule or a Molecule")
    if coordinate_fault(value, declared=bool(value.GetNumConformers()) and value.GetConformer().Is3D()):
        with rdkit_checks():
            return canonical(value)
    parent = parent_of(value)
    return record_of(parent, canonical(parent), canonical(parent))
