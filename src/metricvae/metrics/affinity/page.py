"""The HTML page of predicted affinities: intervals, structural formulas, contacts and nearest training complexes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from metricvae.kinds.molecule.drawing import flat_svg
from metricvae.metrics.affinity.complexes import RefusedComplex
from metricvae.metrics.affinity.jobs import DescribedComplex

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 76em; padding: 0 1em; }
:root { color-scheme: light dark; }
code { overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid #8886; padding: .4em .6em; text-align: left; vertical-align: middle; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
td svg { width: 15em; } td svg.formula { width: 11em; }
small, .said { opacity: .75; } .outside { color: #c60; }
"""

FIRST, LAST = 2.0, 12.0
"""Ends of the axis of pK that intervals are drawn on."""

_WIDTH, _HEIGHT = 300.0, 22.0


def affinity_page(
    rows: Sequence[Mapping[str, Any]],
    found: Sequence[DescribedComplex | RefusedComplex],
    notes: Sequence[str],
    command: str,
) -> str:
    """A page that needs no other file and no network, the highest affinity first.

    Args:
        rows: as `predictor.AffinityPredictor.rows` gives them.
        found: the complexes of the rows.
        notes: sentences to be said of all.
        command: that gives the page again.
    """
    pairs = sorted(zip(rows, found, strict=True), key=lambda pair: -(pair[0]["pK"] or -99.0))
    body = "\n".join(_row(row, one) for row, one in pairs)
    said = "".join(f"<p class=said>{escape(note)}.</p>" for note in notes)
    heads = "".join(
        f"<th>{name}" for name in ("", "ligand", "pK", "90 % interval", "by size", "pose and contacts", "nearest known")
    )
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Predicted affinities</title><style>{STYLE}</style>"
        f"<h1>Predicted affinities</h1>{said}<table><thead><tr>{heads}</thead><tbody>\n{body}\n</tbody></table>"
        f"<p class=said>pK = -log10 of Ki, Kd or IC50 in mol/L, drawn from {FIRST:g} to {LAST:g}; by size: what the "
        f"number of heavy atoms alone says.</p><p class=said><code>{escape(command)}</code></p></html>\n"
    )


def _row(row: Mapping[str, Any], one: DescribedComplex | RefusedComplex) -> str:
    if isinstance(one, RefusedComplex):
        return f"<tr><td><td>{escape(one.name)}<td colspan=5>{escape(one.reason)}"
    outside = " <span class=outside>outside the model's data</span>" if row["outside"] == "yes" else ""
    formula = flat_svg(one.molecule).replace("<svg ", "<svg class=formula ", 1)
    contacts = "<br>".join(map(escape, one.contacts))
    near = "<br>".join(
        f"{near['pk']:.1f} {escape(str(near['name']))} <small>ligand {near['ligand']:.2f}, protein "
        f"{near['protein']:.2f}</small>"
        for near in row["neighbours"]
    )
    return (
        f"<tr><td>{formula}<td>{escape(one.name)}{outside}<td class=number>{row['pK']:.2f}"
        f"<td>{interval_svg(row['low'], row['pK'], row['high'])}<td class=number>{row['heavy_atoms_pK']:.2f}"
        f"<td><small>{escape(one.used)}<br>{contacts}</small><td>{near}"
    )


def interval_svg(low: float, value: float, high: float) -> str:
    """An interval and the value in it, on the axis of pK."""
    left, middle, right = (_place(one) for one in (low, value, high))
    return (
        f'<svg viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" role="img"><title>{low:.1f} to {high:.1f}</title>'
        f'<line x1="0" x2="{_WIDTH:g}" y1="11" y2="11" stroke="#8886"/>'
        f'<line x1="{left:.1f}" x2="{right:.1f}" y1="11" y2="11" stroke="currentColor" stroke-width="5" opacity=".4"/>'
        f'<circle cx="{middle:.1f}" cy="11" r="5" fill="currentColor"/></svg>'
    )


def _place(pk: float) -> float:
    return (min(max(pk, FIRST), LAST) - FIRST) / (LAST - FIRST) * _WIDTH
