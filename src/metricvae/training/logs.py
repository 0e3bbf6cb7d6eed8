"""What training reports: the progress record, `log.jsonl`, and TensorBoard where it is asked for."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from metricvae.core.errors import InputError
from metricvae.runtime.extras import require
from metricvae.runtime.files import write_text
from metricvae.runtime.reading import parse_json

LOG = "log.jsonl"
TENSORBOARD = "tensorboard"


@dataclass(frozen=True)
class Progress:
    """Where training stands.

    Attributes:
        step, steps: steps done, steps to do.
        reconstruction, latent, deformation, metric: the four losses, unweighted, mean since the last logged line.
        validation_r2: R^2 on validation pairs when last measured, None before that.
        seconds_left: estimate from the pace so far.
        stage: what is being trained, in words.
    """

    step: int
    steps: int
    reconstruction: float
    latent: float
    deformation: float
    metric: float
    validation_r2: float | None
    seconds_left: float
    stage: str = "training"


class TrainingLog:
    """Appends to `log.jsonl`, one line of JSON every few steps, and mirrors it to TensorBoard where asked to.

    Lines hold no clock time, so that interrupted and uninterrupted training write the same bytes.
    """

    def __init__(self, folder: Path, step: int, *, tensorboard: bool = False) -> None:
        """Open the log of a model folder, cut back to `step`, the step of the checkpoint training goes on from."""
        self._path = folder / LOG
        write_text(self._path, "".join(_lines_up_to(self._path, step)))
        self._file = open(self._path, "a", encoding="utf-8")  # noqa: SIM115 - closed by __exit__
        self._board = None
        if tensorboard:  # what an interrupted run wrote after `step` is hidden
            self._board = summary_writer()(str(folder / TENSORBOARD), purge_step=step + 1)

    def __enter__(self) -> TrainingLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):  # each line was flushed, and said to be lost if it was
            self._file.close()
        if self._board is not None:
            self._board.close()

    def write(self, progress: Progress, *, evaluated: bool) -> None:
        """Append a line; the validation R^2 is in it when it was measured in this step."""
        line = {key: value for key, value in asdict(progress).items() if key not in ("steps", "seconds_left", "stage")}
        if not evaluated:
            del line["validation_r2"]
        try:
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()
        except OSError as error:
            raise InputError(f"cannot write {self._path}: {error.strerror}; free space and train again") from error
        if self._board is not None:
            for name, value in line.items():
                self._board.add_scalar(name, value, progress.step)


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The lines of a model folder's log, without those that cannot be read."""
    lines = (folder / LOG).read_text(encoding="utf-8", errors="replace").splitlines()
    return [found for line in lines if (found := _document_of(line)) is not None]


def _lines_up_to(path: Path, step: int) -> list[str]:
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    found = [(line, _document_of(line)) for line in lines if line.endswith("\n")]
    return [line for line, document in found if document is not None and document["step"] <= step]


def _document_of(line: str) -> dict[str, Any] | None:
    """What a line of the log says; None where a crash of the machine left something else."""
    try:
        document = parse_json(line, LOG)
    except InputError:
        return None
    return document if isinstance(document, dict) and isinstance(document.get("step"), int) else None


def summary_writer() -> Any:
    """TensorBoard's class of writers.

    Raises:
        InputError: TensorBoard is not installed.
    """
    require("tensorboard", "track", "a TensorBoard log")
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter
