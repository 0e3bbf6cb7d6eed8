"""Labelling on Ray: the bytes of one process, workers that die, clusters that are not there."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from pathlib import Path

import pyarrow
import pytest
import threadpoolctl

from dataset_problem import PLAN, contents
from metricvae import __version__
from metricvae.core.errors import InputError
from metricvae.labelling.run import label
from metricvae.runtime.parts import Work
from metricvae.runtime.ray_pool import make_part, ray_pool

pytest.importorskip("ray")
pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own threads and sockets


@pytest.fixture(scope="module", autouse=True)
def reachable() -> Iterator[None]:
    """Lets workers import the functions below."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
        yield


@pytest.fixture(scope="class")
def pool(reachable: None) -> Iterator[Executor]:
    with ray_pool("local", 1) as started:
        yield started


def write(text: str, item: int, path: Path) -> None:
    path.write_text(f"{text} {item}")


def write_threads(item: int, path: Path) -> None:
    path.write_text(f"{os.environ['OMP_NUM_THREADS']} {pyarrow.cpu_count()}")


def die_once(flag: Path, item: int, path: Path) -> None:
    """Kill this worker, as a machine that runs out of memory would, unless that has happened before."""
    if not flag.exists():
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    path.write_text(str(item))


def die(item: int, path: Path) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def complain(item: int, path: Path) -> None:
    raise InputError("the input is at fault: mend it")


class TestParts:
    def test_a_part_comes_back_as_the_bytes_of_its_file(self, pool: Executor, tmp_path: Path) -> None:
        path = tmp_path / "part"
        pool.submit(Work(write, ("part",)), 7, path).result()
        assert path.read_text() == "part 7"

    @pytest.mark.slow
    def test_a_worker_that_is_killed_loses_nothing(self, pool: Executor, tmp_path: Path) -> None:
        path = tmp_path / "part"
        pool.submit(Work(die_once, (tmp_path / "flag",)), 7, path).result()
        assert path.read_text() == "7"

    def test_what_a_part_complains_of_is_said_here(self, pool: Executor, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="the input is at fault: mend it"):
            pool.submit(Work(complain, ()), 7, tmp_path / "part").result()
        assert not (tmp_path / "part").exists()


def test_another_version_on_a_node_is_named() -> None:
    with pytest.raises(
        InputError, match=r"a node of the cluster has metricvae .*, this machine 0\.0: install the same"
    ):
        make_part("0.0", Work(write, ("x",)), None, None, 1)


@pytest.mark.slow
def test_the_bytes_are_those_of_one_process(dataset_folder: Path, tmp_path: Path) -> None:
    label(PLAN, tmp_path, workers=2, ray="local")
    assert contents(tmp_path) == contents(dataset_folder)


@pytest.mark.slow
def test_a_worker_that_dies_again_and_again_ends_in_one_line(tmp_path: Path) -> None:
    def work() -> None:
        with ray_pool("local", 1) as started:
            started.submit(Work(write, ("part",)), 1, tmp_path / "finished").result()
            started.submit(Work(die, ()), 2, tmp_path / "never").result()

    with pytest.raises(InputError, match="what was finished is kept"):
        work()
    assert [path.name for path in tmp_path.iterdir()] == ["finished"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("form", ["127.0.0.1:{}", "ray://127.0.0.1:{}", "127.0.0.1:{}99999", "127.0.0.1:port"])
def test_an_address_where_nothing_listens_is_named(tmp_path: Path, form: str) -> None:
    address = form.format(free_port())
    with pytest.raises(InputError, match=f"no Ray cluster answers at {address} .*: give the address that"):
        label(PLAN, tmp_path / "out", ray=address)
    assert not (tmp_path / "out").exists()


def test_no_workers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="workers is 0"):
        label(PLAN, tmp_path / "out", workers=0, ray="local")


def test_without_ray_the_extra_is_named(tmp_path: Path, hide_package: Callable[[str], None]) -> None:
    hide_package("ray")
    before = dict(os.environ)
    with pytest.raises(InputError, match=r"pip install .metricvae\[ray\]"):
        label(PLAN, tmp_path / "out", ray="local")
    assert dict(os.environ) == before


def test_a_part_leaves_its_process_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    pyarrow.set_cpu_count(2)
    before = dict(os.environ), threadpoolctl.threadpool_info()
    assert make_part(__version__, Work(write_threads, ()), None, None, 1) == b"1 1"
    assert (dict(os.environ), threadpoolctl.threadpool_info()) == before
    assert pyarrow.cpu_count() == 2
    with pytest.raises(InputError, match="mend it"):
        make_part(__version__, Work(complain, ()), None, None, 1)
    assert (dict(os.environ), threadpoolctl.threadpool_info()) == before
