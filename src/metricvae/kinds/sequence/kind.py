"""The kind `sequence`: proteins, DNA and RNA, text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metricvae.core.coder_config import CoderConfig
from metricvae.core.errors import InputError
from metricvae.core.kind import AS_IT_IS, Library, Object, ObjectKind, Packed, ReadOptions
from metricvae.kinds.sequence.alphabets import ALPHABETS, CORE, DNA, LETTERS, PRINTABLE, TEXT, LetterCounts
from metricvae.kinds.sequence.io import FASTA_SUFFIXES, LONGEST, SUFFIXES, check_sequence, read_sequence
from metricvae.kinds.sequence.packing import letters_of, pack_letters, pad_to_widest, text_of
from metricvae.runtime.reading import names_file

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_SCHEMA = pa.schema([("sequence", pa.string())])


@dataclass(frozen=True)
class SequenceKind(ObjectKind):
    """Objects are strings of 1 to 4,096 characters: from FASTA or text files, or as they stand in a table.

    Packed sequences keep their characters, so a model serves sequences of any length that are written in its alphabet.

    Attributes:
        alphabet: `protein`, `dna` (RNA too) or `text`; None until objects tell it (`adapt`), text then.
        length: letters of the longest sequence in memory; None until objects tell it.
        characters: of text, those that are told apart; of other alphabets, and until objects tell them, none.

    Raises:
        InputError: an alphabet or a length that there is not.

    Example:
        >>> kind = SequenceKind().adapt(["MKVLA", "MKWVTFISL"])
        >>> kind.alphabet, kind.length
        ('protein', 9)
    """

    name: ClassVar[str] = "sequence"
    title: ClassVar[str] = "sequences"
    inline: ClassVar[bool] = True
    compares_groups: ClassVar[bool] = True
    suffixes: ClassVar[tuple[str, ...]] = SUFFIXES
    alphabet: str | None = None
    length: int | None = None
    characters: str = ""

    def __post_init__(self) -> None:
        if self.alphabet not in (None, *ALPHABETS):
            raise InputError(f"the alphabet is {self.alphabet!r}: expected one of {', '.join(ALPHABETS)}")
        if self.length is not None and not (isinstance(self.length, int) and 1 <= self.length <= LONGEST):
            raise InputError(f"the length of sequences is {self.length}: expected 1 to {LONGEST}")

    # Reading

    def read(self, path: Path, options: ReadOptions = AS_IT_IS) -> str:
        """The sequence in a FASTA file of one record, or in a text file of one line."""
        options.refuse_images("a sequence")
        return self.written(read_sequence(Path(path)), str(path))

    def convert(self, value: Any, options: ReadOptions = AS_IT_IS) -> str:
        """A sequence from a path, or as it is.

        A string is a path where it ends as a file of sequences does and there is such a file; else it is the sequence.
        """
        if isinstance(value, Path):
            return self.read(value, options)
        if not isinstance(value, str):
            raise InputError(f"got {type(value).__name__}: expected a sequence as a string, or the path of a file")
        if value.lower().endswith(self.suffixes) and names_file(value):
            return self.read(Path(value), options)
        text = value.strip("\r\n")
        return self.written(text, f"the sequence '{text[:40]}'")

    def written(self, sequence: str, name: str) -> str:
        """A sequence in the letters of the alphabet.

        Raises:
            InputError: it is empty, too long, or of other letters.
        """
        check_sequence(sequence, name)
        if self.alphabet in (None, TEXT):
            return sequence
        strange = sorted(set(sequence.upper()) - set(LETTERS[str(self.alphabet)]) - {"."})
        if strange and not (strange[0].isalpha() and strange[0].isascii()):
            raise InputError(f"{name} holds {strange[0]!r}, which is no letter of {self.alphabet} sequences: mend it")
        return sequence

    def open_library(self, path: Path, work: Path, options: ReadOptions = AS_IT_IS) -> Library:
        """The records of a FASTA file, or the files of a folder."""
        from metricvae.kinds.sequence.library import FastaLibrary

        if Path(path).suffix.lower() in FASTA_SUFFIXES:
            return FastaLibrary(self, Path(path))
        return super().open_library(path, work, options)

    # Settings

    def adapt(self, objects: Iterable[Object]) -> Self:
        """With the alphabet of the objects, the length of the longest and, of text, the characters that occur."""
        found = LetterCounts.of(objects)
        alphabet = self.alphabet or found.alphabet
        characters = found.characters if alphabet == TEXT and not self.characters else self.characters
        return replace(self, alphabet=alphabet, length=self.length or max(1, found.longest), characters=characters)

    def takes(self, held: ObjectKind) -> bool:
        """Sequences of any length and any characters in the same alphabet."""
        return isinstance(held, SequenceKind) and (held.alphabet or TEXT) == (self.alphabet or TEXT)

    def group(self, value: Object, name: str) -> str:
        """The sequence itself: copies share a split. `groups` keeps near-identical ones together as well."""
        return str(value)

    def groups(self, objects: Sequence[Object], names: Sequence[str]) -> list[str]:
        """The representative of each sequence's cluster; see `metricvae.kinds.sequence.clustering`."""
        from metricvae.kinds.sequence.clustering import clusters

        alphabet = self.alphabet or LetterCounts.of(objects).alphabet
        return [str(objects[place]) for place in clusters(objects, alphabet)]

    # Storing

    @property
    def schema(self) -> pa.Schema:
        """`sequence`: its characters."""
        return _SCHEMA

    def to_columns(self, objects: Sequence[Object]) -> dict[str, pa.Array]:
        return {"sequence": pa.array(objects, pa.string())}

    def from_table(self, table: pa.Table) -> list[Object]:
        return [check_sequence(one or "", "a sequence of the table") for one in table["sequence"].to_pylist()]

    # In memory

    @property
    def letter(self) -> npt.DTypeLike:
        """Type of a letter in memory: a byte, or of text the code point."""
        return np.dtype("<u4") if self.alphabet in (None, TEXT) else np.dtype(np.uint8)

    def pack(self, objects: Sequence[Object]) -> Packed:
        """Code points, zeros behind them; capitals but in text."""
        text = self.alphabet in (None, TEXT)
        return pack_letters([one if text else one.upper() for one in objects], self.length or 1, self.letter)

    def unpack(self, packed: Packed, device: torch.device | str = "cpu") -> Tensor:
        """(m, L) code points as float32, 0 behind the end of each sequence; U of RNA as T."""
        import torch

        points = letters_of(packed, self.letter).astype(np.float32)
        if self.alphabet == DNA:
            points[points == ord("U")] = ord("T")
        return torch.from_numpy(points).to(device)

    def restore(self, packed: Packed) -> list[Object]:
        return [text_of(row) for row in letters_of(packed, self.letter)]

    def concatenate(self, parts: Sequence[Packed]) -> Packed:
        return pad_to_widest(parts)

    # Networks

    @property
    def encoders(self) -> tuple[type[CoderConfig], ...]:
        from metricvae.kinds.sequence.encoders.alignment import AlignmentEncoderConfig

        return (AlignmentEncoderConfig,)

    @property
    def decoders(self) -> tuple[type[CoderConfig], ...]:
        from metricvae.kinds.sequence.decoders.letters import LetterDecoderConfig

        return (LetterDecoderConfig,)

    def default_encoder(self, objects: int | None = None) -> CoderConfig:
        """Told the letters and how long sequences are."""
        from metricvae.kinds.sequence.encoders.alignment import AlignmentEncoderConfig

        return AlignmentEncoderConfig.for_alphabet(self.alphabet or TEXT, self._letters, self.length)

    def default_decoder(self, objects: int | None = None) -> CoderConfig:
        from metricvae.kinds.sequence.decoders.letters import LetterDecoderConfig

        encoder = self.default_encoder(objects)
        _, drawn, _ = encoder.picture
        return LetterDecoderConfig(letters=len(self._letters), drawn=int(drawn))

    def default_latent(self, objects: int | None = None) -> int:
        """Many: the error of products of projected k-mer counts falls with the root of the numbers of a code."""
        return 512

    @property
    def _letters(self) -> str:
        """Letters that encoders tell apart."""
        return CORE.get(self.alphabet or TEXT, self.characters or PRINTABLE)
