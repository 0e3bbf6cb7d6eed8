"""How a molecule is docked."""

from __future__ import annotations

from dataclasses import dataclass, field

from metricvae.core.errors import InputError
from metricvae.metrics.docking.engines.engine import OWN, engine_of
from metricvae.metrics.docking.scoring import scoring_function


def _at_least_one(owner: object, *names: str) -> None:
    for name in names:
        if getattr(owner, name) < 1:
            raise InputError(f"{name} is {getattr(owner, name)}: expected at least 1")


@dataclass(frozen=True)
class TemplateConfig:
    """How a template, a ligand whose pose is known, guides the docking of another; unused where there is none.

    Attributes:
        conformers: of the molecule that are laid on the template.
        overlays: distinct ones of each conformer by shape and colour, from which chains start.
        chains: of the conformers that are laid best, one each.
        rounds: perturbations of these chains, as `DockingConfig.rounds`.
        random: further chains from random starts.
        pull: kcal/mol by which an atom gains in the search where the template has an atom, and as much again where that
            is of its class (apolar, donor, acceptor).
    """

    conformers: int = 16
    overlays: int = 2
    chains: int = 8
    rounds: int = 5
    random: int = 2
    pull: float = 0.2

    def __post_init__(self) -> None:
        _at_least_one(self, "conformers", "overlays", "chains", "rounds")
        if self.random < 0:
            raise InputError(f"random is {self.random}: expected at least 0")


@dataclass(frozen=True)
class DockingConfig:
    """How a molecule is docked.

    Attributes:
        scoring: name of the scoring function, `consensus`, `vina` or `vinardo`.
        width: of the cube about the centre of the site, angstroms.
        spacing: between points of the maps, angstroms; poses are refined without them.
        conformers: starting conformers of the molecule; rings and bond angles are theirs.
        chains: independent searches, at least.
        chains_a_torsion: further ones for each rotatable bond.
        starts: random poses of which the best, when all are minimised, starts a chain.
        soft_steps: of the minimisation of a random pose below the ceiling, at most.
        ceiling: kcal/mol that the energy of an atom approaches in it.
        rounds: perturbations of a chain, for each rotatable bond and the six further degrees of freedom.
        steps: of a minimisation in the search, at most.
        temperature: of Metropolis' criterion, kcal/mol.
        inside: weight of the energy of pairs of the ligand's own atoms.
        torsion: weight of the torsional energies.
        kept: minima that a chain keeps.
        poses: how many are wanted.
        apart: angstroms of root mean square deviation between two poses, at least.
        strain: whether the strain of the poses is computed, in the force field MMFF94s.
        template: how a template guides the search.
        engine: what searches, `metricvae` or one of `engines.engine.ENGINES`.
        exhaustiveness: how long another engine searches, in its own unit.
        seed: of conformers and search.
    """

    scoring: str = "vina"
    width: float = 24.0
    spacing: float = 0.375
    conformers: int = 24
    chains: int = 16
    chains_a_torsion: int = 2
    starts: int = 50
    soft_steps: int = 10
    ceiling: float = 1.0
    rounds: int = 15
    steps: int = 20
    temperature: float = 1.2
    inside: float = 1.0
    torsion: float = 0.05
    kept: int = 20
    poses: int = 9
    apart: float = 1.0
    strain: bool = True
    template: TemplateConfig = field(default_factory=TemplateConfig)
    engine: str = OWN
    exhaustiveness: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        _at_least_one(self, "conformers", "chains", "starts", "rounds", "steps", "kept", "poses", "exhaustiveness")
        scoring_function(self.scoring)
        if self.engine != OWN:
            engine_of(self.engine)
