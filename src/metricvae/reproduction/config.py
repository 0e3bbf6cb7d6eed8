"""Configurations of the experiments, with the numbers of the published results as defaults.

Nothing that takes long to import is imported here, so that the command line reads its defaults from these records.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metricvae.metrics.overlap.solver.search import SearchConfig
    from metricvae.training.presets import ChosenPreset

FIGURES = ("figure-1.1", "figure-1.2", "figure-1.3", "figure-1.4", "figure-1.5")
"""The figures that can be reproduced."""

OVERLAP_MODEL, HALVES_MODEL = "overlap", "halves"
"""The shipped models that the tables and figures show."""

BATCHES, BATCH_SIZE = 6, 24
"""Batches in the paper's tables, and pairs in each."""

PresetSource = Callable[[str], "ChosenPreset"]
"""Name of a preset -> what to build and how to train it."""


def named_preset(name: str) -> ChosenPreset:
    """The registered preset of that name; see `metricvae.training.presets.preset` for the errors."""
    from metricvae.training.presets import preset

    return preset(name)


@dataclass(frozen=True)
class OverlapPairs:
    """Pairs of silhouettes with their overlaps.

    Attributes:
        folder: of a labelled data set; None labels new pairs of `mixed` shapes.
        count: pairs to label. A tenth of them are test pairs: of 22,000, six batches of 24 and a large one of 2,000.
        search: configuration of the solver that labels them; None takes its default.
    """

    folder: Path | None = None
    count: int = 22_000
    search: SearchConfig | None = None


@dataclass(frozen=True)
class HalvesPairs:
    """Pairs of halves.

    Attributes:
        folder: of a labelled data set; None cuts simple shapes straight through the centroid, the paper's setting.
        count: pairs to make.
    """

    folder: Path | None = None
    count: int = 22_000


@dataclass(frozen=True)
class Table1Config:
    """Settings of Table 1.

    Attributes:
        data: the labelled pairs.
        model: folder or name of the model beside the paper's.
        paper_steps: training steps of the paper's network.
        batch_size: pairs of each of the six batches.
        examples: pairs that are drawn.
        presets: where the paper's network comes from.
        seed: of the pairs, the batches, the random guess, the bootstrap and the paper's network.
    """

    data: OverlapPairs = field(default_factory=OverlapPairs)
    model: str = OVERLAP_MODEL
    paper_steps: int = 500
    batch_size: int = BATCH_SIZE
    examples: int = 8
    presets: PresetSource = named_preset
    seed: int = 0


@dataclass(frozen=True)
class ReassemblyConfig:
    """Settings of the retrieval and generation of partners of halves.

    Attributes:
        library: halves to retrieve from, at most.
        listed: how many of the model's first hits have their edges fitted.
        drawn: halves that are drawn with their partners.
    """

    library: int = 1_000
    listed: int = 50
    drawn: int = 6


@dataclass(frozen=True)
class Table2Config:
    """Settings of Table 2.

    Attributes:
        data: the pairs of halves.
        model: folder or name of the model.
        batch_size: pairs of each of the six batches.
        fitted: training pairs whose edges are fitted, to choose the threshold of that method.
        random_dimensions: of the random codes whose distance is the guess.
        examples: pairs that are drawn.
        reassembly: settings of the sections on partners.
        seed: of the pairs, the batches and the guess.
    """

    data: HalvesPairs = field(default_factory=HalvesPairs)
    model: str = HALVES_MODEL
    batch_size: int = BATCH_SIZE
    fitted: int = 400
    random_dimensions: int = 80
    examples: int = 12
    reassembly: ReassemblyConfig = field(default_factory=ReassemblyConfig)
    seed: int = 0


@dataclass(frozen=True)
class DigitsConfig:
    """Settings of Figure 1.1.

    Attributes:
        mnist: file of digits; None for scikit-learn's.
        pairs: training pairs; a tenth as many validate.
        points: of the grid of codes, each way.
        edge: share of the prior beyond each edge of the grid.
        latent: dimensions of the networks with all four losses.
        train_share: share of the digits that is learned from.
        measured: unseen digits whose codes are measured, at most.
        steps_factor: training steps for each one of the other figures' trainings; these networks are small.
    """

    mnist: Path | None = None
    pairs: int = 20_000
    points: int = 16
    edge: float = 0.05
    latent: int = 20
    train_share: float = 0.8
    measured: int = 1_000
    steps_factor: int = 5


@dataclass(frozen=True)
class PlaneConfig:
    """Settings of Figure 1.4.

    Attributes:
        shapes: that are drawn; a tenth of them validates.
        side: of their canvas in pixels.
        pairs: training pairs; a tenth as many validate.
        batch_pairs: of a training step.
        latent_weight: of the latent loss beside the reconstruction, so that codes fill the plane without gaps.
        points: of the grid of codes, each way.
        span: share of the shapes' codes between the edges of the grid, in each dimension.
        steps_factor: training steps for each one of the other figures' trainings; this network is small.
    """

    shapes: int = 2_000
    side: int = 64
    pairs: int = 20_000
    batch_pairs: int = 24
    latent_weight: float = 5.0
    points: int = 12
    span: float = 0.94
    steps_factor: int = 5


@dataclass(frozen=True)
class FigureConfig:
    """Settings of the figures.

    Attributes:
        data: labelled pairs, of Figure 1.3.
        halves: pairs of halves, of Figure 1.5.
        model: folder or name of the model of Figures 1.2 and 1.3.
        digits: settings of Figure 1.1.
        plane: settings of Figure 1.4.
        steps: of the trainings of Figures 1.1, 1.4 and 1.5.
        presets: where the network of Figure 1.5 comes from.
        seed: of the pairs and the trainings.
    """

    data: OverlapPairs = field(default_factory=OverlapPairs)
    halves: HalvesPairs = field(default_factory=HalvesPairs)
    model: str = OVERLAP_MODEL
    digits: DigitsConfig = field(default_factory=DigitsConfig)
    plane: PlaneConfig = field(default_factory=PlaneConfig)
    steps: int = 400
    presets: PresetSource = named_preset
    seed: int = 0


@dataclass(frozen=True)
class AblationConfig:
    """Settings of the ablations.

    Attributes:
        data: the labelled pairs.
        steps: training steps of each variant.
        seeds: trainings of each variant.
        latents: sizes of the code.
        moved_pairs: pairs whose predictions are compared before and after motions.
        shapes: unseen shapes that are moved and reconstructed.
        presets: where the networks come from.
        seed: of the pairs, and the first of the trainings.
    """

    data: OverlapPairs = field(default_factory=lambda: OverlapPairs(count=40_000))
    steps: int = 400
    seeds: int = 3
    latents: tuple[int, ...] = (2, 8, 20, 40, 80, 160)
    moved_pairs: int = 2_000
    shapes: int = 100
    presets: PresetSource = named_preset
    seed: int = 0


@dataclass(frozen=True)
class AnyMetricConfig:
    """Settings of the metrics that nobody built in.

    Attributes:
        only: names of the metrics to measure; none for all.
        pairs: of each metric, in all splits.
        seeds: trainings of each model.
        minutes: of each training, at most.
        seed: of the objects and pairs, and the first of the trainings.
    """

    only: tuple[str, ...] = ()
    pairs: int = 20_000
    seeds: int = 3
    minutes: float = 10.0
    seed: int = 0


AFFINITY_SECTIONS = ("merck", "schrodinger", "plb", "proteins", "one-shot", "known", "dta", "precision")
"""Sections of the report on affinities."""


@dataclass(frozen=True)
class AffinityConfig:
    """Settings of affinities beside other programs.

    Attributes:
        data: folder of complexes, poses and pairs of sequence and molecule; see `docs/affinity.md`.
        only: of `AFFINITY_SECTIONS`; none for all.
        seeds: folds and trainings of each model.
        seed: the first of them.
        trees: of each forest of the model of poses.
        repeats: random choices of known ligands of each target.
        pair_sets: of `dta`.
        pair_steps: training steps of models of pairs of sequence and molecule.
    """

    data: Path | None = None
    only: tuple[str, ...] = ()
    seeds: int = 3
    seed: int = 0
    trees: int = 80
    repeats: int = 5
    pair_sets: tuple[str, ...] = ("davis", "kiba")
    pair_steps: int = 600


@dataclass(frozen=True)
class QuickstartConfig:
    """Settings of the quickstart: Table 1 from its own small data and trainings.

    Attributes:
        data: the pairs to label.
        steps: training steps of the overlap model.
        evaluate_every: steps between its measurements.
        paper_steps: training steps of the paper's network.
        batch_size: pairs of each of the six batches of Table 1.
        presets: where both networks come from.
        seed: of the shapes, the pairs and the trainings.
    """

    data: OverlapPairs = field(default_factory=lambda: OverlapPairs(count=6_000))
    steps: int = 400
    evaluate_every: int = 100
    paper_steps: int = 50
    batch_size: int = BATCH_SIZE
    presets: PresetSource = named_preset
    seed: int = 0


@dataclass(frozen=True)
class ReproductionConfig:
    """Settings of all experiments. Those that share a data set are given the one of the ablations, or of Table 2;
    `any_metric` and `affinity` are not part of the report on everything."""

    table_1: Table1Config = field(default_factory=Table1Config)
    table_2: Table2Config = field(default_factory=Table2Config)
    figures: FigureConfig = field(default_factory=FigureConfig)
    ablations: AblationConfig = field(default_factory=AblationConfig)
    quickstart: QuickstartConfig = field(default_factory=QuickstartConfig)
    any_metric: AnyMetricConfig = field(default_factory=AnyMetricConfig)
    affinity: AffinityConfig = field(default_factory=AffinityConfig)
