"""The metrics of the report."""

from __future__ import annotations

from collections.abc import Sequence

from metricvae.core.errors import InputError
from metricvae.metrics.tabular import TabularMetric
from metricvae.reproduction.any_metric.labels.bodies import make_bodies, measure_chamfer
from metricvae.reproduction.any_metric.labels.digits import (
    make_digits,
    make_rotated_digits,
    measure_earth_mover,
    measure_same_digit,
    write_digit,
    write_rotated_digit,
)
from metricvae.reproduction.any_metric.labels.histograms import make_histograms, measure_divergence
from metricvae.reproduction.any_metric.labels.maps import make_maps, measure_correlation, write_volume
from metricvae.reproduction.any_metric.labels.molecules import make_molecules, measure_tanimoto, write_molecule
from metricvae.reproduction.any_metric.labels.proteins import make_proteins, measure_alignment
from metricvae.reproduction.any_metric.labels.series import (
    make_rough_series,
    make_warped_series,
    measure_rank_correlation,
    measure_warping,
)
from metricvae.reproduction.any_metric.labels.silhouettes import make_silhouettes, measure_hausdorff, write_silhouette
from metricvae.reproduction.any_metric.labels.words import make_words, measure_edits
from metricvae.reproduction.any_metric.labels.writers import write_array
from metricvae.reproduction.any_metric.records import MetricExample, PairDesign

NOT_NEGATIVE = (0.0, None)
SHARE = (0.0, 1.0)

EXAMPLES: dict[str, MetricExample] = {
    example.name: example
    for example in (
        MetricExample(
            name="hausdorff",
            title="Hausdorff distance of silhouettes, least over rigid motions",
            labeller="a search of our own over poses, checked against a finer one",
            kind={"name": "silhouette"},
            metric=TabularMetric("Hausdorff distance", unit="pixels", range=NOT_NEGATIVE, similarity=False),
            make=make_silhouettes,
            measure=measure_hausdorff,
            write=write_silhouette,
            objects=6_000,
            embedding="quantiles of distances from the centroid and between points of the outline",
        ),
        MetricExample(
            name="emd-digits",
            title="earth mover's distance of digits",
            labeller="POT: ot.emd2",
            kind={"name": "image", "invariance": "none"},
            metric=TabularMetric("earth mover's distance", unit="pixels", range=NOT_NEGATIVE, similarity=False),
            make=make_digits,
            measure=measure_earth_mover,
            write=write_digit,
            objects=1_797,
            design=PairDesign(related=0.3),
            embedding="pixels, of sum 1",
            packages=("ot",),
        ),
        MetricExample(
            name="edit-distance",
            title="Levenshtein distance of words and their misspellings",
            labeller="RapidFuzz: distance.Levenshtein",
            kind={"name": "sequence"},
            metric=TabularMetric("edit distance", unit="edits", range=NOT_NEGATIVE, similarity=False),
            make=make_words,
            measure=measure_edits,
            objects=8_000,
            design=PairDesign(related=0.25, near=0.25, neighbours=20),
            embedding="counts of letters and of pairs of letters",
            packages=("rapidfuzz",),
        ),
        MetricExample(
            name="protein-alignment",
            title="local alignment score of proteins, over those with themselves",
            labeller="parasail: sw_striped_sat, BLOSUM62, gaps 11 and 1",
            kind={"name": "sequence"},
            metric=TabularMetric("normalised alignment score", range=SHARE),
            make=make_proteins,
            measure=measure_alignment,
            objects=5_000,
            design=PairDesign(related=0.5),
            embedding="roots of the shares of pairs of neighbours",
            packages=("parasail",),
        ),
        MetricExample(
            name="dtw",
            title="dynamic time warping distance of series",
            labeller="dtaidistance: dtw.distance",
            kind={"name": "vector"},
            metric=TabularMetric("dynamic time warping distance", range=NOT_NEGATIVE, similarity=False),
            make=make_warped_series,
            measure=measure_warping,
            write=write_array,
            objects=6_000,
            design=PairDesign(related=0.25),
            embedding="the numbers",
            packages=("dtaidistance",),
        ),
        MetricExample(
            name="chamfer",
            title="Chamfer distance of clouds of points, least over rigid motions",
            labeller="iterated closest points from many rotations, checked against a finer search",
            kind={"name": "points"},
            metric=TabularMetric("Chamfer distance", range=NOT_NEGATIVE, similarity=False),
            make=make_bodies,
            measure=measure_chamfer,
            write=write_array,
            objects=5_000,
            design=PairDesign(related=0.2),
            embedding="quantiles of distances from the centroid and between points",
        ),
        MetricExample(
            name="map-correlation",
            title="correlation of density maps, largest over rigid motions",
            labeller="metricvae.metrics.correlation: the overlay of the atoms",
            kind={"name": "volume"},
            metric=TabularMetric("correlation", range=SHARE),
            make=make_maps,
            measure=measure_correlation,
            write=write_volume,
            objects=3_000,
            design=PairDesign(near=0.4, neighbours=20),
            embedding="quantiles of distances between dense grid points, and of densities",
        ),
        MetricExample(
            name="ecfp-tanimoto",
            title="ECFP4 Tanimoto similarity of molecules, from atoms in space alone",
            labeller="RDKit: Morgan fingerprints of radius 2, 2,048 bits",
            kind={"name": "molecule"},
            metric=TabularMetric("ECFP4 Tanimoto similarity", range=SHARE),
            make=make_molecules,
            measure=measure_tanimoto,
            write=write_molecule,
            objects=4_000,
            design=PairDesign(related=0.4, near=0.3, neighbours=20),
            embedding="Morgan counts of radius 1",
        ),
        MetricExample(
            name="same-class",
            title="whether two rotated digits are the same",
            labeller="scikit-learn: the classes of load_digits",
            kind={"name": "image", "invariance": "rotation"},
            metric=TabularMetric("same digit", task="binary"),
            make=make_rotated_digits,
            measure=measure_same_digit,
            write=write_rotated_digit,
            objects=5_391,
            design=PairDesign(related=0.45),
            embedding="pixels",
        ),
        MetricExample(
            name="kl-divergence",
            title="Kullback-Leibler divergence of histograms, not symmetric",
            labeller="SciPy: stats.entropy",
            kind={"name": "vector"},
            metric=TabularMetric(
                "Kullback-Leibler divergence", unit="nats", range=NOT_NEGATIVE, symmetric=False, similarity=False
            ),
            make=make_histograms,
            measure=measure_divergence,
            write=write_array,
            objects=6_000,
            design=PairDesign(related=0.3),
            embedding="the shares",
        ),
        MetricExample(
            name="rank-correlation",
            title="Kendall's rank correlation of series, with a sign",
            labeller="SciPy: stats.kendalltau",
            kind={"name": "vector"},
            metric=TabularMetric("Kendall's tau", range=(-1.0, 1.0)),
            make=make_rough_series,
            measure=measure_rank_correlation,
            write=write_array,
            objects=6_000,
            design=PairDesign(related=0.25),
            embedding="the numbers",
        ),
    )
}
"""All of them by name, in the order of the report."""


def chosen_examples(names: Sequence[str]) -> list[MetricExample]:
    """The examples of some names, or all of them where none is named.

    Raises:
        InputError: there is none of a name.
    """
    for name in names:
        if name not in EXAMPLES:
            raise InputError(f"there is no metric {name!r} in this report: expected some of {', '.join(EXAMPLES)}")
    return [example for example in EXAMPLES.values() if not names or example.name in names]
