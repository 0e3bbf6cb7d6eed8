"""Whoever writes a folder: one at a time, all of it or nothing, and asked to end at any moment."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from metricvae.cli import main
from metricvae.core.errors import InputError
from metricvae.kinds.silhouette.sources.generators import draw
from metricvae.prediction.predictor import Predictor
from metricvae.runtime.files import DiskError, write_text
from metricvae.runtime.folders import new_folder, renewed_folder
from metricvae.runtime.locks import held
from metricvae.runtime.precision import threads_of
from metricvae.runtime.signals import Terminated, ending_cleanly
from metricvae.search import encoding
from metricvae.search.encoding import encode_evenly

FILES = ("answer-*.txt",)

HOLD = """
import sys, time
from pathlib import Path
from metricvae.runtime.locks import held
with held(Path(sys.argv[1]), "model"):
    print("held", flush=True)
    time.sleep(60)
"""

LABEL = """
import sys
from metricvae.cli import main
plan = ["label", "overlap", "--objects", "procedural", "--pairs", "40000", "--workers", "2"]
if __name__ == "__main__":
    sys.exit(main([*plan, "--out", sys.argv[1]]))
"""


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def write_answers(folder: Path, count: int, full_after: int | None = None) -> None:
    """So many answers in a folder, on a disk that is full after some."""
    with renewed_folder(folder, "set of answers", "answers.json", FILES) as target:
        for number in range(count):
            if number == full_after:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            write_text(target / f"answer-{number}.txt", f"{count}")
        write_text(target / "answers.json", f"{count}")


# All or nothing


@pytest.mark.parametrize("full_after", [0, 1, 2])
def test_on_a_full_disk_a_folder_is_not_there_at_all(full_after: int, tmp_path: Path) -> None:
    with pytest.raises(DiskError, match="the disk is full; it is as it was"):
        write_answers(tmp_path / "a" / "b", 3, full_after)
    assert list(tmp_path.iterdir()) == []
    write_answers(tmp_path / "a" / "b", 2)
    assert set(contents(tmp_path / "a" / "b")) == {"answer-0.txt", "answer-1.txt", "answers.json"}


@pytest.mark.parametrize("full_after", [0, 1, 2])
def test_on_a_full_disk_earlier_answers_stay(full_after: int, tmp_path: Path) -> None:
    write_answers(tmp_path, 3)
    (tmp_path / "notes").write_text("mine")
    before = contents(tmp_path)
    with pytest.raises(DiskError):
        write_answers(tmp_path, 5, full_after)
    assert contents(tmp_path) == before
    write_answers(tmp_path, 2)
    assert contents(tmp_path) == {
        **dict.fromkeys(("answer-0.txt", "answer-1.txt", "answers.json"), "2"),
        "notes": "mine",
    }


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(InputError, match="holds something that is not a set of answers"):
        write_answers(tmp_path, 1)
    with pytest.raises(InputError, match="is not empty"), new_folder(tmp_path, "data set"):
        pass
    assert contents(tmp_path) == {"notes": "mine"}


# One at a time


def test_the_second_writer_is_told_who_the_first_is(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "m"
    first = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    try:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        said = rf"another process \({first.pid} on .+\) is writing the model .*m: wait"
        with pytest.raises(InputError, match=said), held(folder, "model"):
            pass
    finally:
        first.kill()
        first.communicate()
    with held(folder, "model"):  # a killed writer holds nothing
        write_text(folder / "config.json", "")
    assert [path.name for path in folder.iterdir()] == ["config.json"]


def test_a_lock_leaves_no_folder_that_it_made(tmp_path: Path) -> None:
    with held(tmp_path / "a" / "b", "model"):
        assert (tmp_path / "a" / "b").is_dir()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file"), held(tmp_path / "file", "model"):
        pass


# Asked to end


def test_sigterm_is_an_exception_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Terminated), ending_cleanly():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    monkeypatch.setattr("metricvae.cli._run", lambda _: signal.raise_signal(signal.SIGTERM))
    assert main([]) == 143
    assert capsys.readouterr().err == (
        "metricvae: ended by SIGTERM; what was finished is kept, run the same command again\n"
    )


@pytest.mark.slow
def test_a_labelling_that_is_told_to_end_says_one_line_and_goes_on_later(tmp_path: Path) -> None:
    folder = tmp_path / "d"
    (tmp_path / "label.py").write_text(LABEL)
    words = [sys.executable, str(tmp_path / "label.py"), str(folder)]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    while not list(folder.glob(".parts/*.parquet")) and process.poll() is None:
        time.sleep(0.1)
    process.terminate()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 143
    assert said == "metricvae: ended by SIGTERM; what was finished is kept, run the same command again\n"
    assert not (folder / ".lock").exists()
    assert (folder / ".parts" / "plan.json").exists()


# The same bytes


def test_codes_of_an_index_do_not_depend_on_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "SLICE", 8)
    predictor, masks = Predictor.load("overlap"), [one.mask for one in draw("procedural", 24, 1)]
    found = []
    for threads in (1, 2):
        with threads_of(threads):
            found.append(encode_evenly(predictor, masks, "left"))
            assert torch.get_num_threads() == threads
    for one in found[1:]:
        assert torch.equal(found[0].codes, one.codes)
        assert torch.equal(found[0].novelty, one.novelty)
        assert torch.equal(found[0].magnitudes, one.magnitudes)
