"""Every verb that writes: each operation fails in turn, and it is killed at random ones.

Set METRICVAE_TEST_KILLS for more than twelve kills of each verb, METRICVAE_TEST_FAULTS=all to let each operation fail
and not only the first and the last of a sort on a file. `-s` shows the counts.
"""

from __future__ import annotations

import os
import signal

import pytest

from faults import cases
from faults.cases import Case
from faults.disturbed import Place, Warm
from faults.sweeps import Sweep

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("METRICVAE_TEST_KILLS", "12"))

CASES = {one.name: one for one in vars(cases).values() if isinstance(one, Case)}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_whatever_fails_is_said_and_nothing_is_lost(case: Case, warm: Warm, place: Place) -> None:
    found = Sweep(case, warm, place).fail()
    print(f"\n{found}")
    assert found.faults == []


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_whoever_is_killed_goes_on_to_the_same_bytes(case: Case, warm: Warm, place: Place) -> None:
    found = Sweep(case, warm, place).kill_on_the_way(KILLS, seed=1)
    print(f"\n{found}")
    assert found.faults == []


@pytest.mark.parametrize("send", [signal.SIGTERM, signal.SIGINT], ids=lambda one: one.name)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_whoever_is_asked_to_end_says_one_line(case: Case, send: signal.Signals, warm: Warm, place: Place) -> None:
    sweep = Sweep(case, warm, place)
    found = sweep.kill(sweep.moments(max(2, KILLS // 4), seed=2), send)
    print(f"\n{send.name} {found}")
    assert found.faults == []
