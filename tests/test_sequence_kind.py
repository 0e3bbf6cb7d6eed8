"""Sequences: alphabets, files, memory, clusters, and what the encoder makes of them."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from metricvae.core.dataset import ObjectTable
from metricvae.core.errors import InputError
from metricvae.kinds.sequence.alphabets import LetterCounts
from metricvae.kinds.sequence.clustering import clusters, sketch
from metricvae.kinds.sequence.encoders.alignment import AlignmentEncoder, AlignmentEncoderConfig
from metricvae.kinds.sequence.encoders.kmers import KmerCounts, KmerSketch
from metricvae.kinds.sequence.encoders.places import letter_pictures, place_weights
from metricvae.kinds.sequence.io import LONGEST, read_fasta
from metricvae.kinds.sequence.kind import SequenceKind
from metricvae.nn.layers import seeded_weights

AMINO_ACIDS = "ACDEFGHIKLMNPQRSTVWY"


def random_sequences(letters: str, count: int, longest: int = 40, seed: int = 0) -> list[str]:
    random = np.random.default_rng(seed)
    return ["".join(random.choice(list(letters), random.integers(1, longest + 1))) for _ in range(count)]


def encoder_of(kind: SequenceKind, latent: int = 8) -> AlignmentEncoder:
    with seeded_weights(0):
        found = kind.default_encoder(100).build(latent)
    assert isinstance(found, AlignmentEncoder)
    return found.eval()


# Alphabets


@pytest.mark.parametrize(
    ("sequences", "alphabet"),
    [
        (["ACGT", "ACGUN-"], "dna"),
        (["acgtnnacgt"], "dna"),
        (["MKWVTFISLLFLFSSAYS", "MKV*"], "protein"),
        (["MKWVTFISLLFLFSSAYSX", "MKWVTFISLLFLFSSAYS"], "protein"),
        (["HELLO", "WORLD", "OBJECT"], "text"),  # capitals, but with letters that proteins hardly have
        (["mkwvtfisll"], "text"),
        (["CC(=O)O"], "text"),
        (["0101"], "text"),
    ],
)
def test_the_alphabet_is_told_from_the_letters(sequences: list[str], alphabet: str) -> None:
    kind = SequenceKind().adapt(iter(sequences))
    assert kind.alphabet == alphabet
    assert kind.length == max(map(len, sequences))
    assert bool(kind.characters) == (alphabet == "text")


def test_settings_that_were_given_stay() -> None:
    kind = SequenceKind("text", length=9, characters="AC").adapt(["ACGT"])
    assert (kind.alphabet, kind.length, kind.characters) == ("text", 9, "AC")


def test_the_most_frequent_characters_of_text_are_told_apart() -> None:
    many = "".join(map(chr, range(0x4E00, 0x4E00 + 300)))
    found = LetterCounts.of([many, many[:50], "ä"]).characters
    assert len(found) == 120
    assert set(many[:50]) <= set(found)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alphabet": "rna"}, "the alphabet is 'rna': expected one of protein, dna, text"),
        ({"length": 0}, "expected 1 to 4096"),
        ({"length": 100_000}, "expected 1 to 4096"),
    ],
)
def test_settings_that_there_are_not(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        SequenceKind(**arguments)  # type: ignore[arg-type]


# Files


def test_files_of_one_sequence(tmp_path: Path) -> None:
    (tmp_path / "one.fasta").write_text(">sp|P1 a protein\nMKV\nLAW\n")
    (tmp_path / "one.txt").write_text("a line of text\r\n")
    kind = SequenceKind()
    assert kind.read(tmp_path / "one.fasta") == kind.convert(str(tmp_path / "one.fasta")) == "MKVLAW"
    assert kind.convert(tmp_path / "one.txt") == "a line of text"
    assert list(read_fasta(tmp_path / "one.fasta")) == [("sp|P1", "MKVLAW")]


def test_a_string_is_a_path_only_where_there_is_such_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "MKV").write_text(">x\nAAA\n")
    (tmp_path / "notes.txt").write_text("inside")
    kind = SequenceKind()
    assert kind.convert("MKV") == "MKV"  # a file without a known ending
    assert kind.convert("notes.txt") == "inside"
    assert kind.convert("other.txt") == "other.txt"  # no such file
    assert kind.convert("x" * 2_000 + ".txt").endswith(".txt")
    with pytest.raises(InputError, match="does not exist"):
        kind.convert(Path("other.txt"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.fasta", "", "holds no record"),
        ("a.fasta", "MKV\n", "line 1 is no header"),
        ("a.fasta", ">a\n>b\nMK\n", "the record 'a' .* is empty"),
        ("a.fasta", ">a\nMK\n>b\nMK\n", "several records"),
        ("a.fa", ">a\n" + "M" * (LONGEST + 1), "the record 'a' .* has more than 4096 letters"),
        ("a.txt", "", "holds 0 lines"),
        ("a.txt", "one\ntwo\n", "holds 2 lines"),
        ("a.txt", "x" * 100_000, "line 1 has more than 65535 letters"),
        ("a.txt", "x" * 5_000, "has 5000 letters: expected at most 4096"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        SequenceKind().read(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "is empty"),
        ("x" * 100_000, "has 100000 letters"),
        ("a\x00b", "control characters"),
        ("\ud800", "control characters"),
        (3, "got int: expected a sequence"),
    ],
)
def test_values_that_are_refused(value: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        SequenceKind().convert(value)


def test_other_letters_are_refused_of_a_known_alphabet() -> None:
    with pytest.raises(InputError, match="holds '1', which is no letter of protein sequences"):
        SequenceKind("protein").convert("MK1V")
    assert SequenceKind("dna").convert("ACGRYT") == "ACGRYT"  # letters of uncertain bases count as unknown


def test_a_fasta_file_of_many_records_is_a_library(tmp_path: Path) -> None:
    records = random_sequences(AMINO_ACIDS, 2_100, 9)
    path = tmp_path / "many.faa"
    path.write_text("".join(f">s{number // 2}\n{one}\n" for number, one in enumerate(records)))
    library = SequenceKind().open_library(path, tmp_path)
    assert (library.count, library.parts) == (2_100, 2)
    parts = [library.load(part) for part in range(library.parts)]
    assert [one for part in parts for one in part.objects] == records
    assert len({one for part in parts for one in part.ids}) == 2_100
    assert parts[0].ids[:2] == ["s0", "s0_2"]
    strict = SequenceKind("protein").open_library(_fasta(tmp_path / "bad.fa", {"a": "MK", "b": "M1"}), tmp_path)
    assert strict.load(0).objects == ["MK"]
    assert "no letter of protein" in strict.load(0).skipped[0]


def _fasta(path: Path, records: dict[str, str]) -> Path:
    path.write_text("".join(f">{name}\n{one}\n" for name, one in records.items()))
    return path


# Memory


@pytest.mark.parametrize("kind", [SequenceKind(), SequenceKind("text", 5, "ab")])
def test_text_survives_packing(kind: SequenceKind) -> None:
    objects = ["Straße", "a", "日本語", "🙂 emoji", "tab\there"]
    assert kind.restore(kind.pack(objects)) == objects
    table = ObjectTable.from_objects(kind, objects)
    assert [table.object(row) for row in range(len(objects))] == objects
    assert kind.from_table(pa.table(kind.to_columns(objects))) == objects


def test_proteins_and_dna_take_a_byte_a_letter() -> None:
    kind = SequenceKind("dna", 8)
    packed = kind.pack(["acgu", "ACGTACGT"])
    assert packed.shape == (2, 8)
    assert kind.restore(packed) == ["ACGU", "ACGTACGT"]
    assert torch.equal(kind.collate(["ACGU"]), kind.collate(["ACGT"]))


def test_tables_of_other_lengths_go_together() -> None:
    kind = SequenceKind("protein", 3)
    parts = kind.concatenate([kind.pack(["MKV"]), kind.pack(["MKVLAWFF"]), kind.pack([])])
    assert kind.restore(parts) == ["MKV", "MKVLAWFF"]


def test_a_model_takes_any_length_of_its_alphabet() -> None:
    kind = SequenceKind("text", 10, "abc")
    assert kind.takes(SequenceKind("text", 90, "xyz"))
    assert kind.takes(SequenceKind())
    assert not kind.takes(SequenceKind("protein", 10))


# Groups


def test_near_identical_sequences_share_a_group() -> None:
    random = np.random.default_rng(0)
    families = random_sequences(AMINO_ACIDS, 20, 300, seed=1)
    families = [one for one in families if len(one) > 60]
    members = [(family, _mutated(family, 0.03, random)) for family in families for _ in range(4)]
    found = SequenceKind("protein").groups([one for _, one in members], ["x"] * len(members))
    of_family = {
        family: {group for group, (own, _) in zip(found, members, strict=True) if own == family} for family in families
    }
    assert sum(len(groups) == 1 for groups in of_family.values()) >= len(families) - 1
    assert len(set(found)) >= len(families)  # families stay apart


def _mutated(sequence: str, rate: float, random: np.random.Generator) -> str:
    return "".join(random.choice(list(AMINO_ACIDS)) if random.random() < rate else letter for letter in sequence)


def test_clusters_join_by_the_jaccard_index_of_their_words() -> None:
    sequences = random_sequences("ab", 60, 14, seed=3)
    found = clusters(sequences, "text")
    for number, representative in enumerate(found):
        assert found[representative] == representative
        one, other = (sketch(sequences[place], 3) for place in (number, representative))
        assert len(one & other) >= 0.5 * len(one | other)
    leaders = [place for place in set(found) if found[place] == place]
    for one, other in itertools.combinations((sketch(sequences[place], 3) for place in leaders), 2):
        assert len(one & other) < 0.5 * len(one | other)


# The encoder


def test_kmers_are_counted() -> None:
    counts = KmerCounts(3, ((0,), (0, 2)), buckets=100)
    letters = torch.tensor([[1, 2, 1, 2, 0, 0], [3, 0, 0, 0, 0, 0]])
    found = counts(letters)
    assert found[0, :3].tolist() == [2, 2, 0]
    assert found[1, :3].tolist() == [0, 0, 1]
    pairs = Counter({(1, 1): 1, (2, 2): 1})
    assert found[0, 3:].reshape(3, 3).tolist() == [[pairs[(a, b)] for b in (1, 2, 3)] for a in (1, 2, 3)]
    assert found[1, 3:].sum() == 0


def test_products_of_sketches_estimate_shared_kmers() -> None:
    sequences = [one.ljust(30, "A") for one in random_sequences(AMINO_ACIDS, 12, 30)]
    letters = torch.tensor([[AMINO_ACIDS.index(letter) + 1 for letter in one[:30]] for one in sequences])
    words = [Counter(one[k : k + 3] for k in range(28)) for one in sequences]
    exact = torch.tensor([[float(sum(a[word] * b[word] for word in a)) for b in words] for a in words])
    projected = KmerSketch(20, ((0, 1, 2),), buckets=2**13, size=1_024)(letters)
    torch.testing.assert_close(projected @ projected.T, exact, atol=25.0, rtol=0.25)
    assert torch.corrcoef(torch.stack([(projected @ projected.T).flatten(), exact.flatten()]))[0, 1] > 0.98


def test_places_add_up_to_one_and_are_counted_from_either_end() -> None:
    there = torch.arange(12)[None] < torch.tensor([[12], [5], [1]])
    weights = place_weights(there, 4, 2.0)
    assert weights.shape == (3, 12, 13)
    for family in range(3):
        sums = weights[..., 4 * family : 4 * family + 4].sum(2)
        torch.testing.assert_close(sums, there.float())
    assert weights[1, 0, 0] == weights[1, 4, 4] == 1.0  # the first letter; the last one, from the end
    assert weights[2, 0, [0, 4, 8, 12]].tolist() == [1, 1, 1, 1]
    assert (weights[1, 5:] == 0).all()


def test_pictures_show_the_letters_of_each_part() -> None:
    short = letter_pictures(torch.tensor([[2, 1, 3, 0]]), 4, 2)
    assert short[0].tolist() == [[0, 1], [1, 0], [0, 0], [0, 0]]
    long = letter_pictures(torch.tensor([[1, 1, 2, 2, 2, 1, 1, 1]]), 4, 2)
    assert long[0].tolist() == [[1, 0], [0, 1], [0.5, 0.5], [1, 0]]


@pytest.mark.parametrize("letters", ["ACGT", AMINO_ACIDS, "abc def"])
def test_padding_does_not_change_codes(letters: str) -> None:
    sequences = random_sequences(letters, 6)
    kind = SequenceKind().adapt(sequences)
    encoder = encoder_of(kind)
    short, long = kind.collate(sequences), SequenceKind(kind.alphabet, 90).collate(sequences)
    assert long.shape[1] == 90
    features = encoder.prepare(short)
    encoder.fit_scaling(features)
    torch.testing.assert_close(encoder(encoder.prepare(long))[0], encoder(features)[0], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(encoder.pictures(encoder.prepare(long)), encoder.pictures(features))
    changed = long.clone()
    changed[:, 89] = ord("c") if letters == "abc def" else ord("A")
    assert not torch.allclose(encoder(encoder.prepare(changed))[0], encoder(features)[0], atol=1e-3)


def test_the_order_of_letters_counts() -> None:
    kind = SequenceKind("protein", 12)
    encoder = encoder_of(kind)
    codes = encoder(encoder.prepare(kind.collate(["MKVLAWFFGHIK", "KIHGFFWALVKM"])))[0]
    assert (codes[0] - codes[1]).norm() > 0.05 * codes[0].norm()


def test_features_survive_packing() -> None:
    sequences = random_sequences(AMINO_ACIDS, 5, 90)
    kind = SequenceKind().adapt(sequences)
    encoder = encoder_of(kind)
    features = encoder.prepare(kind.collate(sequences))
    again = encoder.unpack(encoder.pack(features))
    torch.testing.assert_close(again, features, atol=1e-2, rtol=1e-3)
    letters = slice(-max(map(len, sequences)), None)
    assert torch.equal(again[:, letters], features[:, letters])


def test_unknown_letters_count_as_one() -> None:
    kind = SequenceKind("text", 4, "ab")
    encoder = AlignmentEncoderConfig(characters="ab").build(4).eval()
    codes = encoder(encoder.prepare(kind.collate(["axb", "ayb", "aab"])))[0]
    torch.testing.assert_close(codes[0], codes[1])
    assert not torch.allclose(codes[0], codes[2])


def test_encoder_and_decoder_agree_for_every_alphabet() -> None:
    for kind in (SequenceKind(), SequenceKind("dna", 900), SequenceKind("protein", 7), SequenceKind("text", 5, "xyz")):
        encoder, decoder = kind.default_encoder(), kind.default_decoder()
        assert decoder is not None
        assert encoder.picture == decoder.picture
        x = kind.collate(["xyzzy" if kind.alphabet in (None, "text") else "ACG"])
        network = encoder.build(6)
        assert network.pictures(network.prepare(x)).shape == decoder.build(6)(torch.zeros(1, 6)).shape


# A model


def test_a_fitted_model_predicts_sequences_of_other_lengths(tmp_path: Path) -> None:
    import metricvae as mv
    from metricvae.metrics.tabular import TabularMetric

    random = np.random.default_rng(0)
    objects = random_sequences("abcd", 60, 8)
    kind = SequenceKind("text").adapt(objects)
    first, second = random.integers(0, 60, (2, 300))
    values = [abs(len(objects[a]) - len(objects[b])) for a, b in zip(first, second, strict=True)]
    split = random.choice(["train", "validation", "calibration", "test"], 300, p=[0.5, 0.2, 0.2, 0.1])
    table = ObjectTable.from_objects(kind, objects)
    metric = TabularMetric("difference of lengths", similarity=False).of_kinds("sequence")
    data = mv.PairDataset.from_objects(metric, table, first, second, values, split=split)
    model = mv.fit(data, tmp_path / "model", steps=5, threads=1, show_progress=False)
    again = mv.load(tmp_path / "model")
    assert again.predictor.kind() == kind
    pairs = ["abcd", "a"], ["a longer text of other characters", "d" * 3_000]
    found, loaded = model.predict(*pairs), again.predict(*pairs)
    assert np.isfinite(found.value).all()
    assert np.allclose(found.value, loaded.value)
    other = SequenceKind("text").adapt(["a longer text", "of other characters"])
    table = ObjectTable.from_objects(other, ["a longer text", "of other characters", "abcd"])
    held = mv.PairDataset.from_objects(metric, table, [0, 1, 2], [1, 2, 0], [6.0, 15.0, 9.0], split="test")
    assert np.isfinite(model.evaluate(held, "all").r2)
