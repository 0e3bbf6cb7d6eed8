"""Targets: folders that the package writes (models, indexes, data sets), and the formats of their files by themselves.

Each file is attacked twice. As it is, where the folder's checksums cover it: whatever is accepted then is what was
written. And resealed: with the checksums made right again, as a stranger would.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from metricvae.core.dataset_files import read_dataset
from metricvae.core.importing.request import request_of
from metricvae.core.importing.run import import_pairs, import_table
from metricvae.nn.autoencoder import ModelConfig, TowerConfig, build
from metricvae.nn.heads import InnerProduct
from metricvae.prediction.calibration.conformal import Conformal
from metricvae.prediction.predictor import Predictor
from metricvae.runtime.files import read_json, sha256_of, write_json
from metricvae.runtime.parquet import read_table
from metricvae.search.ann import InvertedFile
from metricvae.search.build import build_index
from metricvae.search.index import read_index
from metricvae.search.search import search
from metricvae.training.checkpoint import annotate, begin_model, finish_model, read_tensors
from metricvae.training.logs import read_log
from metricvae.training.model_document import CHECKSUM, digest_of
from toy_problem import KEY, LOCK, FitMetric, KeyKind, LockKind, register

from .files import Make
from .target import Target

JSON = (
    *(b'"checksum"', b'"sha256"', b'"format"', b'"files"', b'"metric"', b'"kind"', b'"name"', b'"plan"', b'"task"'),
    *(
        b"null",
        b"true",
        b"{",
        b"}",
        b"[",
        b"]",
        b'""',
        b"1e999",
        b"NaN",
        b'"../x"',
        b'"/etc/passwd"',
        b"\\u0000",
        b"\\ud800",
    ),
    *(b'"silhouette"', b'"overlap"', b'"tabular"', b'"toy-key"', b'{"name": "half"}', b"[[[[]]]]", b"-1", b"1e308"),
)
PARQUET = (b"PAR1", b"\x15\x04", b"\x19\x1c", b"ARROW:schema", b"\0\0\0\0", b"\x28\xb5\x2f\xfd")
LOCKS = np.linspace(-1, 1, 2 * LOCK, dtype=np.float32).reshape(2, LOCK)


# Folders that are whole


def make_model(folder: Path) -> Path:
    """A calibrated model of random weights with two small towers."""
    register()
    towers = map(TowerConfig.of_kind, (LockKind(), KeyKind()))
    config = ModelConfig(FitMetric(), *towers, latent=4, head=InnerProduct())
    begin_model(folder, config, {}, {})
    finish_model(folder, build(config, 3).state_dict(), "float32", {})
    annotate(folder, calibration=Conformal(0.9, (), (0.1,)).to_json())
    return folder


def make_index(folder: Path) -> Path:
    """An index of twelve keys, by a model beside it."""
    model = Predictor.load(make_model(folder / "model"))
    (folder / "keys").mkdir()
    for number, key in enumerate(np.random.default_rng(4).normal(size=(12, KEY)).astype(np.float32)):
        np.save(folder / "keys" / f"{number:02d}.npy", key)
    build_index(model, folder / "keys", folder / "index")
    return folder / "index"


def make_data(folder: Path) -> Path:
    """A data set of pairs of vectors."""
    random = np.random.default_rng(1)
    objects = [random.normal(size=3).astype(np.float32) for _ in range(60)]
    first, second = random.integers(0, 30, 120), random.integers(30, 60, 120)
    values = [float(np.abs(objects[a] - objects[b]).sum()) for a, b in zip(first, second, strict=True)]
    request = request_of("vector", "value", None)
    import_pairs([objects[a] for a in first], [objects[b] for b in second], {"value": values}, request, folder)
    return folder


# What their readers answer


def answer_of_model(folder: Path) -> Any:
    """Codes, values and intervals of a model."""
    predictor = Predictor.load(folder)
    left, right = predictor.encode(list(LOCKS), "left"), predictor.encode([LOCKS[0, :KEY]], "right")
    found = predictor.predict(left, right, np.array([0, 1]), np.array([0, 0]))
    return left.codes, found.value, found.low, found.high


def answer_of_index(folder: Path, predictor: Predictor) -> Any:
    """What is found for a lock."""
    index = read_index(folder)
    hits = search(index, predictor, LOCKS[0], 5)
    return [index.ids[row] for row in hits.rows], hits.predictions.value


def answer_of_data(folder: Path) -> Any:
    """All pairs of a data set."""
    data = read_dataset(folder)
    return data.left.ids, data.left.packed, data.first, data.second, data.value, data.split.tolist(), data.metric.name


# Checksums made again


def reseal_model(folder: Path) -> None:
    """The checksums of a model as if a stranger had written its files."""
    config = folder / "config.json"
    try:
        document = read_json(config)
        document["weights"]["sha256"] = sha256_of(folder / "model.safetensors")
        document.pop(CHECKSUM, None)
        write_json(config, document | {CHECKSUM: digest_of(document)})
    except (ValueError, TypeError, KeyError, AttributeError):
        return  # no document to be sealed


def reseal_card(name: str) -> Callable[[Path], None]:
    """Makes the checksums of a data set, or of an index, right again."""

    def reseal(folder: Path) -> None:
        try:
            document = read_json(folder / name)
            document["sha256"] = {file: sha256_of(folder / file) for file in document["sha256"]}
            write_json(folder / name, document)
        except (ValueError, TypeError, KeyError, AttributeError, OSError):
            return

    return reseal


def folder_targets() -> Iterator[tuple[str, Make]]:
    """All targets of folders by name."""
    model, index, data = _once(make_model), _once(make_index), _once(make_data)

    def index_answer(folder: Path) -> Any:
        return answer_of_index(folder, _predictor(folder.parent / "model"))

    yield from _twice("model", model, "config.json", answer_of_model, reseal_model, JSON)
    yield from _twice("model", model, "model.safetensors", answer_of_model, reseal_model, JSON)
    yield from _twice("index", index, "index.json", index_answer, reseal_card("index.json"), JSON, covered=False)
    yield from _twice("index", index, "items-000.parquet", index_answer, reseal_card("index.json"), PARQUET)
    yield from _twice("data set", data, "card.json", answer_of_data, reseal_card("card.json"), JSON, covered=False)
    yield from _twice("data set", data, "pairs.parquet", answer_of_data, reseal_card("card.json"), PARQUET)
    yield from _twice("data set", data, "objects.parquet", answer_of_data, reseal_card("card.json"), PARQUET)
    yield "safetensors", _copied(model, "model.safetensors", lambda path: read_tensors(path).tensors, JSON)
    yield "Parquet", _copied(data, "objects.parquet", read_table, PARQUET)
    yield (
        "log of a training",
        _written("log.jsonl", (b'{"step": 1}\n{"step": 2, "loss": 0.5}\n',), lambda path: read_log(path.parent), JSON),
    )
    yield "FAISS", _inverted_file
    yield "CSV of pairs", _table_of_pairs
    yield "Parquet of pairs", _parquet_of_pairs


_MADE: dict[str, Predictor] = {}


def _predictor(folder: Path) -> Predictor:
    """The model beside an index, read once."""
    if str(folder) not in _MADE:
        _MADE[str(folder)] = Predictor.load(folder)
    return _MADE[str(folder)]


def _once(make: Callable[[Path], Path]) -> Callable[[Path], Path]:
    return lambda folder: make(folder / "folder")


def _twice(
    title: str,
    make: Callable[[Path], Path],
    file: str,
    answer: Callable[[Path], Any],
    reseal: Callable[[Path], None],
    words: tuple[bytes, ...],
    *,
    covered: bool = True,
) -> Iterator[tuple[str, Make]]:
    for sealed in (False, True):
        name = f"{title}: {file}{', resealed' if sealed else ''}"
        yield (
            name,
            _file_of(name, make, file, answer, reseal if sealed else None, words, covered=covered and not sealed),
        )


def _file_of(
    name: str,
    make: Callable[[Path], Path],
    file: str,
    answer: Callable[[Path], Any],
    reseal: Callable[[Path], None] | None,
    words: tuple[bytes, ...],
    *,
    covered: bool,
) -> Make:
    def made(folder: Path) -> Target:
        whole = make(folder)
        first = {path.name: path.read_bytes() for path in whole.iterdir() if path.is_file()}

        def write(path: Path, content: bytes) -> None:
            if reseal is None:
                path.write_bytes(content)
                return
            for other, there in first.items():
                (whole / other).write_bytes(content if other == file else there)
            reseal(whole)

        seeds = (first[file],)
        return Target(name, whole / file, seeds, lambda path: answer(path.parent), words, covered, write, weight=1.0)

    return made


def _copied(make: Callable[[Path], Path], file: str, read: Callable[[Path], Any], words: tuple[bytes, ...]) -> Make:
    def made(folder: Path) -> Target:
        seed = (make(folder) / file).read_bytes()
        shutil.rmtree(folder / "folder")
        return Target(Path(file).suffix.lstrip("."), folder / file, (seed,), read, words)

    return made


def _written(file: str, seeds: tuple[bytes, ...], read: Callable[[Path], Any], words: tuple[bytes, ...]) -> Make:
    return lambda folder: Target(file, folder / file, seeds, read, words)


def _inverted_file(folder: Path) -> Target:
    vectors = np.random.default_rng(0).normal(size=(80, 4)).astype(np.float32)
    InvertedFile.build([vectors], vectors, 80, threads=1).write(folder / "y.faiss")
    seed = (folder / "y.faiss").read_bytes()

    def read(path: Path) -> Any:
        found = InvertedFile.read(path, to_change=True)
        return found.find(vectors[0], 3)

    return Target("FAISS", folder / "x.faiss", (seed,), read, (b"IwSq", b"IxFI", b"ilar", b"full", b"sprs", b"IxF2"))


def _importing(folder: Path) -> Callable[[Path], Any]:
    request = request_of("vector", "value", None, censored="sign", weight="weight")

    def read(path: Path) -> Any:
        shutil.rmtree(folder / "out", ignore_errors=True)
        return import_table(path, request, folder / "out")["counts"]

    return read


def _rows() -> list[tuple[str, str, str, str, str]]:
    random = np.random.default_rng(0)
    return [
        (f"{a} {b}", f"{c} {d}", f"{abs(a - c)}", "", "1") for a, b, c, d in random.integers(0, 60, (110, 4)).tolist()
    ]


NAMES = ("a", "b", "value", "sign", "weight")


def _table_of_pairs(folder: Path) -> Target:
    lines = [",".join(row) for row in (NAMES, *_rows())]
    seed = ("\n".join(lines) + "\n").encode()
    words = (b'"', b'"\n"', b";", b"\t", b"<5", b">=", b"nan", b"1_0", b"\n\n", b",,,,", b"a,", b"\xff")
    return Target("CSV of pairs", folder / "x.csv", (seed,), _importing(folder), words, weight=0.5)


def _parquet_of_pairs(folder: Path) -> Target:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = dict(zip(NAMES, zip(*_rows(), strict=True), strict=True))
    pq.write_table(pa.table({name: list(cells) for name, cells in columns.items()}), folder / "y.parquet")
    seed = (folder / "y.parquet").read_bytes()
    return Target("Parquet of pairs", folder / "x.parquet", (seed,), _importing(folder), PARQUET, weight=1.0)
