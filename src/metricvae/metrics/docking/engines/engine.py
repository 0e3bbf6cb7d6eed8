"""What searches for poses: a function from a site and a molecule to positions of its atoms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.pocket.records import Receptor
from metricvae.metrics.docking.records import Floats

OWN = "metricvae"
"""Name of the search of this package."""


@dataclass(frozen=True, eq=False)
class EngineJob:
    """What an engine is asked.

    Attributes:
        receptor: atoms of the receptor about the site.
        centre: (3,) of the site, angstroms.
        width: of the cube about it, angstroms.
        molecule: one conformer; rings and bond angles are kept by most engines.
        poses: how many are wanted.
        exhaustiveness: how long to search, in the engine's own unit.
        seed: of the search.
    """

    receptor: Receptor
    centre: Floats
    width: float
    molecule: Molecule
    poses: int
    exhaustiveness: int
    seed: int


Engine = Callable[[EngineJob], list[Floats]]
"""Poses, the engine's best first: (n, 3) positions of the molecule's atoms in the frame of the receptor, angstroms.

An engine raises InputError where its package is missing or it cannot dock the molecule."""


def _vina(job: EngineJob) -> list[Floats]:
    from metricvae.metrics.docking.engines.vina import vina_poses

    return vina_poses(job)


def _rustina(job: EngineJob) -> list[Floats]:
    from metricvae.metrics.docking.engines.rustina import rustina_poses

    return rustina_poses(job)


ENGINES: Mapping[str, Engine] = {"vina": _vina, "rustina": _rustina}
"""Engines of others by name."""


def engine_of(name: str) -> Engine:
    """The engine of a name.

    Raises:
        InputError: no such engine.
    """
    if name not in ENGINES:
        raise InputError(f"the engine is {name!r}: expected one of {', '.join((OWN, *ENGINES))}")
    return ENGINES[name]


PACKAGES: Mapping[str, tuple[str, ...]] = {"vina": ("vina", "meeko"), "rustina": ("rustina", "meeko")}
"""Packages that each engine needs."""


def require_engine(name: str) -> None:
    """Refuse an engine that is unknown or not installed, before any work is done.

    Raises:
        InputError: in one line, with what to install.
    """
    from metricvae.runtime.extras import require

    if name != OWN:
        engine_of(name)
        for package in PACKAGES[name]:
            require(package, name, f"the engine {name}")
