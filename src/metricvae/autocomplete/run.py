"""From a binding site to candidates: random molecules for comparison, search, docking of the best, affinities."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from metricvae.autocomplete.description import DescribedCandidates, describe, nearest_known
from metricvae.autocomplete.random_molecules import SHARE, SiteDocking, dock_random, draw_random
from metricvae.autocomplete.records import (
    WINDOW,
    AutocompleteConfig,
    Autocompletion,
    DockedMolecule,
    RandomMolecules,
    SiteCandidate,
)
from metricvae.core.constraints import Span
from metricvae.core.errors import InputError
from metricvae.core.own_prediction import OwnPredictors
from metricvae.core.requirements import Requirement, check_requirements, forms_for, parse_requirement
from metricvae.generation.evolution import EvolutionConfig, Evolved, Made, evolve
from metricvae.generation.screening import editor_of
from metricvae.kinds.molecule.substructures import SMILES
from metricvae.metrics.docking.batch import docking_site
from metricvae.metrics.docking.requirements import GainRequirement, QuickDocking
from metricvae.metrics.pocket_fit.requirements import FitRequirement
from metricvae.prediction.predictor import Predictor
from metricvae.search.filters import ItemFilter
from metricvae.search.index import Index
from metricvae.search.search import search

OnStep = Callable[[str, int, int, float | None], None]
"""Told what is being done, how many of how many are done, and the seconds left where they are known."""

RETRIEVED = 4
"""Items of the library that are docked for comparison: the best by the pocket's code."""

VERIFIED = (12, 12)
"""Molecules of each generation that are laid into the pocket exactly, and docked quickly."""

ALIKE = 0.5
"""Similarity of Morgan fingerprints above which two candidates are alike; a chemist wants several series."""

FIT, GAIN = "pocket", "gain"

LEAST_SHARE = 0.2
"""Of the time that the search has in any case."""

DESCRIBED = 0.5
"""Seconds that the affinity and the alerts of a candidate take, about."""


def autocomplete(
    site: str,
    required: Sequence[str],
    predictor: Predictor,
    own: OwnPredictors,
    config: AutocompleteConfig | None = None,
    *,
    library: Index | None = None,
    on_step: OnStep = lambda *_: None,
) -> Autocompletion:
    """Molecules around a binding site, the best first.

    Args:
        site: structure and site on it, `rec.pdb@ligand=LIG`.
        required: requirements beside those of `WINDOW`, or in their place.
        predictor: of the model that compares pockets and molecules.
        own: gives the model of affinities by its name.
        config: how.
        library: index made with the model, to begin with; without one, molecules are assembled.
        on_step: told how far it is.

    Raises:
        InputError: no such site, requirements that nothing satisfies, or a site that holds no drug-like molecule.
    """
    return _Run(site, predictor, own, config or AutocompleteConfig(), library, on_step).run(required)


@dataclass
class _Run:
    """An autocompletion at work."""

    site: str
    predictor: Predictor
    own: OwnPredictors
    config: AutocompleteConfig
    library: Index | None
    on_step: OnStep

    def run(self, required: Sequence[str]) -> Autocompletion:
        self.start = time.monotonic()
        requirements = self._requirements(required)
        try:
            check_requirements(requirements)
            editor_of(self.predictor.kind("right")).check(requirements)
            receptor, centre = docking_site(self.site)
            self.quick = QuickDocking.into(receptor, centre)
            self.docking = SiteDocking(receptor, self.quick.site, self.config.docking)
            fit = next(one for one in requirements if self._is_own_fit(one))
            assert isinstance(fit, FitRequirement)
            random = self._random(fit)
            asked = [self._with_level(one, random.fit) for one in requirements]
            asked.append(_gain(self.quick, random))
            found = self._search(asked, random)
        finally:
            for one in requirements:
                one.close()
        docked = self._docked(found.answers)
        if not docked:
            raise InputError(
                f"none of {len(found.answers)} molecules that satisfy the requirements could be docked into "
                f"{self.site}: ask for less, or name another site"
            )
        best = sorted(docked, key=lambda each: (bool(each[1].faults), -_gain_of(each[1], random)))[: self.config.n]
        return self._completed(best, asked, random, found, self._retrieved(fit, asked, random))

    def _requirements(self, required: Sequence[str]) -> list[Requirement]:
        """Those that are given, and the default ones whose names are not among them."""
        forms = forms_for(self.predictor.kind("right"), self.own)
        found: list[Requirement] = []
        try:
            for text in required:
                found.append(parse_requirement(text, forms))
            names = {one.name for one in found}
            found += [parse_requirement(text, forms) for name, text in WINDOW.items() if name not in names]
            if not any(map(self._is_own_fit, found)):
                found.append(parse_requirement(f"{FIT}:{self.site}>=-1", forms))
        except BaseException:
            for one in found:
                one.close()
            raise
        return found

    def _is_own_fit(self, one: Requirement) -> bool:
        """Whether a requirement is the fit to this site; another may be that to a site to be avoided."""
        return isinstance(one, FitRequirement) and one.subject == self.site

    def _with_level(self, one: Requirement, level: float) -> Requirement:
        """The fit that is required where none was named: that of the middle one of random molecules."""
        if not self._is_own_fit(one) or one.span.low > -1:
            return one
        return replace(one, span=Span(level, math.inf), text=f"{FIT}>={level:.2f}")

    def _random(self, fit: Requirement) -> RandomMolecules:
        smiles = draw_random(self.library, self.config.random, self.config.seed)
        deadline = self.start + SHARE * self.config.seconds
        return dock_random(
            *(smiles, replace(self.docking, config=replace(self.docking.config, strain=False)), self.quick, fit),
            deadline,
            lambda done, total: self.on_step("docking random molecules", done, total, None),
        )

    @property
    def _wanted(self) -> int:
        return math.ceil(self.config.spare * self.config.n)

    def _search(self, asked: Sequence[Requirement], random: RandomMolecules) -> Evolved:
        """The molecules of the search."""
        final = (self._wanted + RETRIEVED) * random.seconds + self.config.n * DESCRIBED
        elapsed = time.monotonic() - self.start
        seconds = max(self.config.seconds - elapsed - final, LEAST_SHARE * self.config.seconds)
        begun = time.monotonic()

        def report(done: int, total: int) -> None:
            left = max(seconds - (time.monotonic() - begun), 0.0)
            self.on_step("molecules that hold, and are improved", done, total, left + final)

        search_config = EvolutionConfig(
            *(seconds, self.config.evaluations, self.config.seed),
            verified=VERIFIED,
            improve=True,
            spare=1.2,
            alike=ALIKE,
        )
        return evolve(self.predictor, asked, self._wanted, search_config, library=self.library, on_progress=report)

    def _docked(self, made: Sequence[Made]) -> list[tuple[Made, DockedMolecule]]:
        """The answers of the search where they are placed, the best by the quick docking first; when the time is up, no
        more than were asked for."""
        by_key = {one.key: one for one in sorted(made, key=lambda one: -one.readings[-1].value)}
        docked: list[tuple[Made, DockedMolecule]] = []
        for found in self.docking.each(list(by_key)):
            docked += [(by_key[one.smiles], one) for one in found]
            self.on_step("docking candidates", len(docked), len(made), None)
            if len(docked) >= self.config.n and time.monotonic() > self.start + self.config.seconds:
                break
        return docked

    def _retrieved(
        self, fit: FitRequirement, asked: Sequence[Requirement], random: RandomMolecules
    ) -> DockedMolecule | None:
        """The best of the library by the pocket's code, by its gain among the first few."""
        if self.library is None:
            return None
        where = " and ".join(one.where for one in asked if one.where)
        hits = search(self.library, self.predictor, fit.pocket, RETRIEVED, ItemFilter(where))
        smiles = self.library.table(hits.rows, [SMILES])[SMILES].to_pylist() if len(hits) else []
        docked = [one for found in self.docking.each(smiles) for one in found]
        return max(docked, key=lambda one: _gain_of(one, random), default=None)

    def _completed(
        self,
        best: Sequence[tuple[Made, DockedMolecule]],
        asked: Sequence[Requirement],
        random: RandomMolecules,
        found: Evolved,
        retrieved: DockedMolecule | None,
    ) -> Autocompletion:
        self.on_step("affinities", 0, len(best), None)
        known = nearest_known(self.library, [one for one, _ in best])
        described: DescribedCandidates = describe(self.site, best, asked, random.trend, known, self.own)
        candidates = [
            SiteCandidate(f"candidate-{number:02d}", docked, fields)
            for number, ((_, docked), fields) in enumerate(zip(best, described.rows, strict=True), start=1)
        ]
        facts = {
            "held": found.held,
            "evaluations": found.evaluations,
            "encoded": found.encoded,
            "generations": found.generations,
            "library": found.known,
            "fit_of_random": random.fit,
            "seconds": time.monotonic() - self.start,
        }
        return Autocompletion(
            self.site,
            self.docking.receptor,
            asked,
            candidates,
            random,
            retrieved,
            described.notes,
            facts | {f"skipped: {fault}": count for fault, count in found.skipped.items()},
        )


def _gain(quick: QuickDocking, random: RandomMolecules) -> Requirement:
    return GainRequirement(text=f"{GAIN}>=0", name=GAIN, span=Span(0.0, math.inf), docking=quick, trend=random.quick)


def _gain_of(one: DockedMolecule, random: RandomMolecules) -> float:
    return random.trend.gain(one.score, one.size)
