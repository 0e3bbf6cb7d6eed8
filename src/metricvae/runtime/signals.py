"""A request to end (SIGTERM) as an exception, so that what is being written is cleaned up and workers are ended."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class Terminated(KeyboardInterrupt):
    """The process was asked to end; whatever handles Ctrl-C handles this."""


@contextlib.contextmanager
def ending_cleanly() -> Iterator[None]:
    """Raise `Terminated` in the main thread when SIGTERM comes in a block; a second one ends the process at once.

    Where somebody handles SIGTERM already, or outside the main thread, nothing is changed.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise Terminated

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
