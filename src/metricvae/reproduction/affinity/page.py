"""The report on affinities: what is measured so far, as sections of tables and figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from metricvae.plotting.charts import Series, draw_bars, draw_lines
from metricvae.reproduction.affinity.claims import claims_of, summary_of
from metricvae.reproduction.affinity.complexes_tables import precision_section, proteins_section
from metricvae.reproduction.affinity.dta_data import SPLITS
from metricvae.reproduction.affinity.known_curves import COUNTS
from metricvae.reproduction.affinity.left_out import RANKING, LeftOutAnswers
from metricvae.reproduction.affinity.one_shot import one_shot_section
from metricvae.reproduction.affinity.series import OURS_METHODS, Rankings, rank_series
from metricvae.reproduction.report import Cell, Fact, Figure, Report, Section, Table

TITLES = {"merck": "Merck set", "schrodinger": "Schrodinger set", "plb": "Protein-ligand benchmark (PLB)"}
"""Of the sets of congeners."""

PLOTTED = 12
"""Targets of a set in its picture, at most."""

CURVES = {
    "ours": "metricvae, known ligands",
    "given": "metricvae, no known ligand",
    "tanimoto": "Tanimoto GP",
    "forest": "random forest",
    "nearest": "nearest neighbour",
    "heavy_atoms": "heavy atoms",
    "mean": "mean",
}
"""Names of the methods of curves in the report."""


@dataclass(frozen=True, eq=False)
class AffinityResults:
    """What is measured so far.

    Attributes:
        sections: that the report is to have.
        answers: for complexes left out, of each seed.
        one_shot: by sets, answers without a pose; see `one_shot.measure_one_shot`.
        known: curves over known ligands by set.
        dta: one document for each set, split and seed.
    """

    sections: tuple[str, ...]
    answers: tuple[LeftOutAnswers, ...] = ()
    one_shot: dict[str, dict[str, Any]] = field(default_factory=dict)
    known: dict[str, dict[str, Any]] = field(default_factory=dict)
    dta: tuple[dict[str, Any], ...] = ()


def report_affinity(found: AffinityResults, facts: Sequence[Fact]) -> Report:
    """The page; its first sentence follows from the numbers."""
    ranked = {name: rank_series(found.answers, name) for name in TITLES if found.answers and name in found.sections}
    rankings = {name: one for name, one in ranked.items() if one is not None}
    answers = found.answers if "proteins" in found.sections else ()
    return Report(
        title="Binding affinity beside Vina, Glide and what is simple",
        summary=summary_of(claims_of(rankings, answers)),
        sections=tuple(_sections(found, rankings)),
        facts=tuple(facts),
        assumptions=(
            "Trained on are the sets whose licences allow that a model ships: plb, merck, schrodinger and Uni-FEP. "
            "Each answer is of a model that was not trained on the cluster of the protein (or the ligand's scaffold).",
            "Vina is its score of the pose that the set gives, by our implementation of its terms; Glide, MM-GBSA and "
            "FEP+ are columns of complexes.csv, as their authors published them. FEP+ was given the target's structure "
            "and a reference ligand.",
            "The network of Gnina (`fast` of 1.3.2, run by Rustina where that is installed) reads the same poses. It "
            "was trained on PDBbind and CrossDocked2020, so it has seen most of these proteins; our answers have not.",
            "Which features and settings the model has was chosen on these sets by parts of proteins that were left "
            "out, so its figures here are a little too good; those of Vina, Glide and heavy atoms were not fitted.",
        ),
    )


def _sections(found: AffinityResults, rankings: dict[str, Rankings]) -> Iterator[Section]:
    for one in rankings.values():
        yield series_section(one)
    if found.answers and "proteins" in found.sections:
        yield proteins_section(found.answers)
    if found.one_shot:
        yield one_shot_section(found.one_shot)
    if found.known:
        yield known_section(found.known)
    if found.dta:
        yield dta_section(found.dta)
    if found.answers and "precision" in found.sections:
        yield precision_section(found.answers)


def series_section(one: Rankings) -> Section:
    """Rankings of congeners of a set: means and paired tests, then every target."""
    columns = tuple(name for name in one.methods if name not in OURS_METHODS)
    order = (*columns, *reversed(OURS_METHODS))
    text = (
        f"{len(one.targets)} targets of at least ten ligands, each predicted by a model that has not seen its protein. "
        "Intervals hold 90 % of bootstrap draws over targets; p is of Wilcoxon's signed-rank test, two-sided, of the "
        f"numbers of `{RANKING}` against those of the row in the targets where both have one."
    )
    kept = list(range(min(PLOTTED, len(one.targets))))
    bars = [Series(name, [one.scores["Kendall"][name][at] for at in kept]) for name in order]
    figure = Figure(
        f"{one.set}-kendall",
        f"Kendall's tau in {'each target' if len(kept) == len(one.targets) else f'the first {len(kept)} targets'}.",
        "Bars of Kendall's tau by target and method.",
        draw_bars([list(one.targets)[at] for at in kept], bars, label="Kendall's tau"),
    )
    targets = tuple(_target_table(one, measure, order) for measure in one.scores)
    return Section(TITLES[one.set], text, (_mean_table(one, order), *targets), (figure,))


def _mean_table(one: Rankings, order: Sequence[str]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name in order:
        cells: list[Cell] = [name]
        for measure in one.scores:
            cells.append(str(one.mean(measure, name)))
            beside = one.beside(measure, name)
            cells += [None, None] if name == RANKING else [f"{beside.above} of {beside.of}", beside.p]
        rows.append(tuple(cells))
    heads = [part for measure in one.scores for part in (measure, f"ranking above ({measure})", f"p ({measure})")]
    strong = tuple(at for at, name in enumerate(order) if name in OURS_METHODS)
    return Table("Means over targets, and in how many `ranking` is above.", ("method", *heads), tuple(rows), (), strong)


def _target_table(one: Rankings, measure: str, order: Sequence[str]) -> Table:
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (target, n, *(one.scores[measure][name][at] for name in order))
        for at, (target, n) in enumerate(one.targets.items())
    )
    columns = ("target", "n", *order)
    strong = tuple(columns.index(name) for name in OURS_METHODS)
    return Table(f"{measure} in each target.", columns, rows, strong)


def known_section(known: dict[str, dict[str, Any]]) -> Section:
    """Curves over the number of known ligands, a table and a picture for each set."""
    tables, figures = [], []
    for name, document in known.items():
        measured = document["curves"]
        methods = [key for key in CURVES if key in measured]
        rows = tuple((CURVES[key], *(_of_curve(measured[key], count, key) for count in COUNTS)) for key in methods)
        tables.append(
            Table(
                f"{TITLES[name]}: Spearman's rho (90 % bootstrap interval over targets), RMSE, by known ligands.",
                ("method", *map(str, COUNTS)),
                rows,
                strong_rows=(0,),
            )
        )
        lines = [
            Series(CURVES[key], [measured[key].get(str(count), {}).get("spearman", np.nan) for count in COUNTS])
            for key in methods
        ]
        figures.append(
            Figure(
                f"known-{name}",
                f"{TITLES[name]}: Spearman's rho of the other ligands of a target, mean over targets.",
                "Lines of Spearman's rho over the number of known ligands, by method.",
                draw_lines(COUNTS, lines, across="known ligands", label="Spearman's rho"),
            )
        )
    text = (
        "So many ligands of a target are chosen at random and the others are predicted; the process's prior mean is "
        "the `pK` of the model of poses with the protein left out. Targets with fewer than eight others are not "
        "counted, so columns differ in their targets."
    )
    return Section("From known ligands", text, tuple(tables), tuple(figures))


def _of_curve(measured: dict[str, Any], count: int, method: str) -> str | None:
    """Spearman's rho with its interval, and the error of methods that have the scale of pK."""
    one = measured.get(str(count))
    if one is None:
        return None
    low, high = one["interval"]
    rho = f"{one['spearman']:.2f} ({low:.2f} to {high:.2f})"
    scaled = method in ("ours", "given") or (count > 0 and method != "heavy_atoms")
    return f"{rho}, {one['rmse']:.2f}" if scaled else rho


def dta_section(documents: Sequence[dict[str, Any]]) -> Section:
    """Davis and KIBA: mean squared error and concordance index by split and method."""
    text = (
        "A sequence as counts of its words of three letters, a molecule as counts of substructures and descriptors, "
        "and the product of two codes; what stands beside it reads the same numbers. Mean over seeds."
    )
    tables = []
    for name in dict.fromkeys(one["set"] for one in documents):
        own = [one for one in documents if one["set"] == name]
        for measure, title in (("mse", "mean squared error"), ("ci", "concordance index")):
            rows = tuple(_dta_row(own, split, measure) for split in SPLITS if any(d["split"] == split for d in own))
            columns = ("split", "train", "test", *own[0]["methods"])
            refused = own[0]["pairs"].get("refused", 0)
            left = f" {refused} pairs of molecules that cannot be read are left out." if refused else ""
            tables.append(Table(f"{name.capitalize()}: {title}.{left}", columns, rows, (len(columns) - 1,)))
    return Section("Davis and KIBA", text, tuple(tables))


def _dta_row(documents: Sequence[dict[str, Any]], split: str, measure: str) -> tuple[Cell, ...]:
    own = [one for one in documents if one["split"] == split]
    numbers = [float(np.mean([one["methods"][name][measure] for one in own])) for name in own[0]["methods"]]
    return (split, own[0]["pairs"]["train"], own[0]["pairs"]["test"], *numbers)
