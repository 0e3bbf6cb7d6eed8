"""The interface of a kind of objects: how they are read, stored, held in memory, moved, measured, and encoded.

A kind is a frozen dataclass; its fields (a canvas, a number of columns) are written to `card.json` and `config.json`
with its name. Shared code speaks of objects by these methods alone.
"""

from __future__ import annotations

import abc
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metricvae.core.coder_config import CoderConfig, Networks
from metricvae.core.errors import InputError
from metricvae.core.item_tests import ItemTest
from metricvae.core.libraries import AS_IT_IS, FolderLibrary, Library, NamedObject, ReadOptions
from metricvae.core.registry import Registry, record_from_json, record_to_json

__all__ = ["AS_IT_IS", "KINDS", "Library", "Object", "ObjectKind", "Packed", "ReadOptions", "kind_from_json"]

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from metricvae.core.editing import ObjectEditor
    from metricvae.core.hits import Value
    from metricvae.core.object_picture import ObjectPicture
    from metricvae.core.requirements import RequirementForm
    from metricvae.core.text_form import TextForm

Object = Any
"""One object as its kind reads it: an array, or a record of the kind's own."""

Packed = npt.NDArray[np.uint8]
"""(m, b) bytes of m objects in memory, as `ObjectKind.pack` makes them."""


class ObjectKind(abc.ABC):
    """A kind of objects. Subclasses are frozen dataclasses.

    Class attributes:
        name: in files and on the command line.
        title: many of them, in messages.
        accepts: names of other kinds whose objects serve as this kind's without conversion.
        same_records: names of other kinds whose objects are read and stored as this kind's are, and differ in memory: a
            metric between those kinds is one between this kind too.
        suffixes: endings of files that hold such an object, in small letters.
        library_suffixes: endings of files that name many of them, which `open_library` takes as well.
        magnitude_name, magnitude_unit: what `magnitudes` is, as `area` in `pixels`.
        magnitude_type: Arrow type of the column that keeps magnitudes.
        sources: names of sources that generate objects without end.
        caveats: what a model of it does not see, in sentences for a model card.
        magnitude_exponent: magnitude of an object `factor` times as large: factor ** exponent as much.
        kept_in_index: whether an index keeps its objects, for exact answers. Where it does not, a library is a folder
            of files with one object each, which are read again.
        inline: whether a text that names no file may be an object itself: a SMILES, a sequence, numbers.
        compares_groups: whether `groups` compares objects with one another: imports and labellings hold all of them.
        posed_suffixes: endings of files that `write_posed` writes; none where the kind cannot be written.
        fingerprinted: columns of an index that `fingerprints` reads; none where the kind has no fingerprints.
        pretrained: name of the model that ships whose networks a model of any metric of this kind starts from, where
            that model takes the same objects; empty where it starts from random weights.
    """

    name: ClassVar[str]
    title: ClassVar[str] = "objects"
    accepts: ClassVar[tuple[str, ...]] = ()
    same_records: ClassVar[tuple[str, ...]] = ()
    suffixes: ClassVar[tuple[str, ...]] = ()
    library_suffixes: ClassVar[tuple[str, ...]] = ()
    magnitude_name: ClassVar[str] = "magnitude"
    magnitude_unit: ClassVar[str] = ""
    magnitude_exponent: ClassVar[float] = 0.0
    magnitude_type: ClassVar[pa.DataType] = pa.float64()
    sources: ClassVar[tuple[str, ...]] = ()
    caveats: ClassVar[str] = ""
    kept_in_index: ClassVar[bool] = True
    inline: ClassVar[bool] = False
    compares_groups: ClassVar[bool] = False
    posed_suffixes: ClassVar[tuple[str, ...]] = ()
    fingerprinted: ClassVar[tuple[str, ...]] = ()
    pretrained: ClassVar[str] = ""

    # Reading

    @abc.abstractmethod
    def read(self, path: Path, options: ReadOptions = AS_IT_IS) -> Object:
        """The object in a file.

        Raises:
            InputError: no such file, or not one that holds such an object.
        """

    def convert(self, value: Any, options: ReadOptions = AS_IT_IS) -> Object:
        """An object from a path or from what lies in memory already.

        Raises:
            InputError: not such an object.
        """
        return self.read(Path(value), options) if isinstance(value, str | Path) else value

    def read_several(self, path: Path, options: ReadOptions = AS_IT_IS) -> list[Object]:
        """All objects in a file, of kinds whose files hold many; by default the one that `read` gives.

        Raises:
            InputError: as `read`.
        """
        return [self.read(path, options)]

    def join(self, objects: Sequence[Object]) -> Object:
        """Several objects as one, each where it lies: parts of a query.

        Raises:
            InputError: objects of this kind cannot be joined.
        """
        raise InputError(f"{self.title} cannot be joined to one query: give one")

    def moved(self, value: Object, pose: Any) -> Object:
        """An object after the motion that a metric's solver gave.

        Raises:
            InputError: objects of this kind are not moved.
        """
        raise InputError(f"{self.title} are not laid on one another as a query: give one")

    def locate(self, name: str, base: Path) -> Path | None:
        """The path, for `read`, of the object that a text names; None where it names no file that is there.

        Where a file holds several objects, a text may say behind the file's name which it means.

        Args:
            name: as a user writes it.
            base: folder that it is relative to.
        """
        return base / name if os.path.isfile(base / name) else None

    def file_of(self, path: Path) -> Path:
        """The file that the path of an object names, without what says which of its objects is meant."""
        return path

    def open_library(self, path: Path, work: Path, options: ReadOptions = AS_IT_IS) -> Library:
        """The objects at `path`, to be indexed or labelled; by default the files of a folder that this kind reads.

        Args:
            path: a folder, or a file of many objects.
            work: folder for what is needed on the way.
            options: of reading.

        Raises:
            InputError: not a library of this kind, or an empty one.
        """
        self.refuse_conformers(options)
        return FolderLibrary(self, path, options)

    def refuse_conformers(self, options: ReadOptions) -> None:
        """Raise InputError if several conformers are asked for, of a kind that has none."""
        if options.conformers > 1:
            raise InputError(f"--conformers is for molecules in space, got {self.title}: leave it out")

    def generate(self, source: str, start: int, count: int, seed: int) -> Sequence[NamedObject]:
        """Objects `start` to `start + count` of one of the `sources`; each depends on its number and the seed alone.

        Raises:
            InputError: there is no such source.
        """
        raise InputError(f"there is no source of {self.title} {source!r}: give a folder or a file")

    # Settings

    def adapt(self, objects: Iterable[Object]) -> Self:
        """The kind with the settings that objects ask for: the size of images, the alphabet of sequences.

        An import calls it with all objects, one after the other, before any is packed. Settings that were given
        explicitly stay as they are.

        Args:
            objects: as `read` and `convert` give them; they are looked at once, in order.

        Raises:
            InputError: no one setting takes them all, as images of different sizes.
        """
        return self

    def takes(self, held: ObjectKind) -> bool:
        """Whether objects with the settings of `held`, of this kind or of one that it accepts, serve as this kind's; by
        default, of this kind only those of equal settings do."""
        return held.name != self.name or held == self

    # Storing

    @property
    def features(self) -> dict[str, Any]:
        """How `datasets.load_dataset` is to read columns of `schema` that hold more than plain values."""
        return {}

    @property
    @abc.abstractmethod
    def schema(self) -> pa.Schema:
        """Columns in which a table keeps the contents of objects."""

    @abc.abstractmethod
    def to_columns(self, objects: Sequence[Object]) -> dict[str, pa.Array]:
        """Objects as the columns of `schema`."""

    @abc.abstractmethod
    def from_table(self, table: pa.Table) -> list[Object]:
        """The inverse of `to_columns`, from a table that may have further columns."""

    def group(self, value: Object, name: str) -> str:
        """What objects must share a split with this one for a test to be fair: a family, a scaffold; by default none.

        Args:
            value: the object.
            name: its id.
        """
        return name

    def groups(self, objects: Sequence[Object], names: Sequence[str]) -> list[str]:
        """The groups of many objects that share a split: by default `group` of each; or clusters of similar ones.

        Args:
            objects: all of them.
            names: their ids.
        """
        return [self.group(one, name) for one, name in zip(objects, names, strict=True)]

    # In an index

    @property
    def index_schema(self) -> pa.Schema:
        """Columns that an index keeps of items to filter by, beside those of `schema`: properties; none by default."""
        return pa.schema([])

    def index_columns(self, objects: Sequence[Object]) -> dict[str, pa.Array]:
        """The columns of `index_schema`. A library whose objects cost time may bring them itself, see
        `metricvae.core.libraries.LibraryPart`."""
        return {}

    def item_test(self, pattern: str) -> ItemTest:
        """Whether items contain a pattern, as a molecule a substructure.

        Raises:
            InputError: the pattern does not parse, or objects of this kind contain none.
        """
        raise InputError(f"{self.title} contain no substructures: leave out --contains and --lacks")

    def fingerprints(self, table: pa.Table) -> npt.NDArray[np.uint8]:
        """(m, b) packed bits of the items in a table with the columns `fingerprinted`; their Tanimoto coefficient says
        how alike two items are. Where a kind has none, the cosine of two codes does."""
        raise NotImplementedError

    # In memory

    @abc.abstractmethod
    def pack(self, objects: Sequence[Object]) -> Packed:
        """Objects as bytes, (m, b)."""

    @abc.abstractmethod
    def unpack(self, packed: Packed, device: torch.device | str = "cpu") -> Tensor:
        """The inverse of `pack`, as encoders take objects: (m, ...) float32."""

    def restore(self, packed: Packed) -> list[Object]:
        """Packed objects as they were read.

        Raises:
            InputError: packing lost what they need.
        """
        raise InputError(f"{self.title} in memory cannot be turned back into what was read: give their files")

    def pack_table(self, table: pa.Table, workers: int | None = 1) -> Packed:
        """The packed objects of a table, decoded by `workers` processes where that pays; None takes all cores."""
        return self.pack(self.from_table(table))

    def concatenate(self, parts: Sequence[Packed]) -> Packed:
        """Several arrays of packed objects as one.

        Raises:
            InputError: they are of different shapes.
        """
        if len({part.shape[1] for part in parts}) > 1:
            raise InputError(f"the data sets hold {self.title} of different sizes: label or import them alike")
        return np.concatenate(parts)

    def collate(self, objects: Sequence[Object], device: torch.device | str = "cpu") -> Tensor:
        """Objects as encoders take them, (m, ...) float32."""
        return self.unpack(self.pack(objects), device)

    # Invariance and magnitude

    def move(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Each of (m, ...) objects under a random motion to which codes are to be invariant; by default none."""
        return x

    def without_pose(self, x: Tensor) -> Tensor:
        """(m, ...) objects without what tells how they lie or are folded, for metrics that do not look at it; by
        default as they are."""
        return x

    @property
    def sets_pose_apart(self) -> bool:
        """Whether `without_pose` leaves anything out, so that metrics which do not look at it need no conformer."""
        return type(self).without_pose is not ObjectKind.without_pose

    @property
    def moves(self) -> bool:
        """Whether there is any motion to which codes are to be invariant."""
        return type(self).move is not ObjectKind.move

    def magnitudes(self, x: Tensor) -> Tensor:
        """(m,) positive numbers of (m, ...) objects, in the unit of the metrics they enter: areas, self-overlaps; ones
        where there is none."""
        return x.new_ones(len(x))

    def measure(self, objects: Sequence[Object]) -> npt.NDArray[Any]:
        """(m,) magnitudes of objects as they are read, in the type of their column."""
        return self.magnitudes(self.collate(objects)).double().numpy()

    # Networks

    @property
    @abc.abstractmethod
    def encoders(self) -> tuple[type[CoderConfig], ...]:
        """Configurations of the encoders that read this kind, the default one first."""

    @property
    @abc.abstractmethod
    def decoders(self) -> tuple[type[CoderConfig], ...]:
        """Configurations of the decoders that draw this kind, the default one first; none where it is not decoded."""

    def default_encoder(self, objects: int | None = None) -> CoderConfig:
        """The encoder of a model for which none is named.

        Args:
            objects: how many there are to learn from; None stands for very many.
        """
        return self.encoders[0]()

    def default_decoder(self, objects: int | None = None) -> CoderConfig | None:
        """The decoder of a model for which none is named; `objects` as for `default_encoder`."""
        return self.decoders[0]() if self.decoders else None

    def default_latent(self, objects: int | None = None) -> int | None:
        """Numbers of a code of a model for which nobody says; None where the usual number will do. `objects` as for
        `default_encoder`."""
        return None

    def adapt_networks(self, networks: Networks, of: ObjectKind) -> Networks | None:
        """Networks for objects like these with other settings, as they are to be built for objects with these settings
        so that weights of the former serve.

        Args:
            networks: encoder and decoder.
            of: kind of the objects that they are for.

        Returns:
            encoder and decoder; None where they cannot serve, by default for all settings but the same.
        """
        return networks if of == self else None

    # Generation

    @property
    def editor(self) -> ObjectEditor | None:
        """How objects are made by editing others, a new one each time; None where they are not."""
        return None

    @property
    def assumed(self) -> str:
        """What values of pairs are assumed not to depend on, with what to do where they do, for whoever imports them;
        empty where nothing is."""
        return ""

    @property
    def text_form(self) -> TextForm | None:
        """How objects are written as texts, by which they can be decoded symbol by symbol; None where they are not."""
        return None

    @property
    def requirements(self) -> Mapping[str, RequirementForm]:
        """What can be required of objects that are made, by name; see `metricvae.core.requirements`."""
        return {}

    # Files

    def picture(self, value: Object) -> ObjectPicture | None:
        """A small picture of an object, for pages; None where the kind draws none."""
        return None

    def scene(self, value: Object) -> Mapping[str, Any] | None:
        """What a viewer in space shows of an object, as plain values; None where the kind is not shown so."""
        return None

    def write_posed(
        self,
        path: Path,
        objects: Sequence[Object],
        poses: Sequence[Any],
        fields: Sequence[Mapping[str, Value]] | None = None,
    ) -> None:
        """Write objects as they lie after the motions that a metric's solver gave; None moves an object not at all.

        Args:
            path: of the file.
            objects: what to write.
            poses: a motion for each, or None.
            fields: numbers and texts for each, by name, that the file keeps with it.

        Raises:
            InputError: objects of this kind cannot be written so, or the disk refuses.
        """
        raise InputError(f"{self.title} cannot be written with their poses: leave that file out")

    def thumbnail(self, value: Object) -> str | None:
        """A small picture of an object for notebooks, as HTML without anything to load; None where there is none."""
        picture = self.picture(value)
        return None if picture is None else picture.thumbnail(self.name)

    def to_json(self) -> dict[str, Any]:
        """The name and the fields, as plain values."""
        return record_to_json(self)

    @property
    def family(self) -> tuple[str, ...]:
        """Names of the kinds whose objects serve as this kind's."""
        return (self.name, *self.accepts)


KINDS: Registry[type[ObjectKind]] = Registry("kind", "metricvae.kinds", "metricvae.kinds")
"""All kinds: classes by name."""


def kind_from_json(document: str | Mapping[str, Any]) -> ObjectKind:
    """A kind from its name, or from what `ObjectKind.to_json` gave.

    Raises:
        InputError: no such kind, or not its fields.
    """
    return record_from_json(document, KINDS.get, "kind")
