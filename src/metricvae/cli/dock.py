"""`metricvae dock`: poses of ligands in a site of a receptor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import Namespace

from metricvae.cli.common import say
from metricvae.cli.parser import Fields, Parser, Verb, at_least
from metricvae.metrics.docking.engines.engine import ENGINES, OWN
from metricvae.runtime.progress import progress

if TYPE_CHECKING:
    from metricvae.metrics.docking.batch import DockedLigand

TABLE = "ligands.csv"
COLUMNS = ("score", "ranking", "energy", "clashes", "strain", "similarity", "valid", "faults")
"""What the table says of the pose that is ranked first."""


def _dock_options(parser: Parser, _: Sequence[str]) -> None:
    parser.add_argument("receptor", help="structure and site: rec.pdb@ligand=LIG, @point=x,y,z, @residues=..., @auto")
    parser.add_argument("ligands", help="file of molecules (SMILES, CSV, SDF, mol2), or one SMILES")
    parser.add_argument("--out", required=True, help="folder of the poses")
    parser.add_argument("-n", "--poses", type=at_least(1), default=9, help="of each ligand, at most")
    parser.add_argument(
        "--template", help="file of a ligand that lies in the site: leads the search; names the site too"
    )
    parser.add_argument("--engine", choices=(OWN, *ENGINES), default=OWN, help="what searches; others need their extra")
    parser.add_argument("--exhaustiveness", type=at_least(1), default=8, help="of another engine's search")
    parser.add_argument("--seed", type=at_least(0), default=0, help="of conformers and search")
    parser.add_argument("--html", help="also write a page of the poses in the site to this file")
    parser.add_argument("--workers", type=at_least(1), help="processes; default all cores")


def _dock(options: Namespace) -> Fields:
    from metricvae.core.pair_list import write_rows
    from metricvae.metrics.docking.batch import dock_batch, docking_site, ligand_records
    from metricvae.metrics.docking.config import DockingConfig
    from metricvae.metrics.docking.engines.engine import require_engine
    from metricvae.metrics.docking.template import read_template
    from metricvae.runtime.files import require_free_folder
    from metricvae.runtime.locks import held
    from metricvae.runtime.process_pool import worker_pool

    folder = Path(options.out)
    require_free_folder(folder, "plan.json", "folder of poses")
    require_engine(options.engine)
    template = options.template or ""
    site = _site(options.receptor, template)
    docking_site(site)
    if template:
        read_template(template)
    ligands = ligand_records(options.ligands)
    config = DockingConfig(
        poses=options.poses, seed=options.seed, engine=options.engine, exhaustiveness=options.exhaustiveness
    )
    done = []
    with held(folder, "folder of poses"), progress() as step, worker_pool(options.workers) as pool:
        step("docking", 0, len(ligands))
        for one in dock_batch(pool, site, ligands, folder, config, template):
            done.append(one)
            step("docking", len(done), len(ligands))
    done.sort(key=lambda one: (one.best is None, (one.best or {}).get("score", 0.0), one.number))
    write_rows(folder / TABLE, ["name", "number", *COLUMNS, "file", "fault"], map(_row, done))
    failed = sum(one.best is None for one in done)
    left_out = f", {failed} without poses (see the column fault)" if failed else ""
    if options.html is not None and failed < len(done):
        _write_page(Path(options.html), done, site, template, options)
    elif options.html is not None:
        left_out += "; no page was written, as there is no pose to show"
    said = f"{len(done) - failed} ligands docked{left_out}; scores in {folder / TABLE}"
    text = "\n".join([*map(_line, done), said])
    return say(options, {"ligands": [asdict(one) for one in done], "out": options.out}, text)


SHOWN = 500
"""Poses on a page, at most."""


def _write_page(path: Path, done: Sequence[DockedLigand], site: str, template: str, options: Namespace) -> None:
    """The page of the best pose of each ligand; of one ligand alone, of all its poses."""
    from metricvae.core.hits import PageAbout
    from metricvae.kinds.molecule.readers import read_one
    from metricvae.kinds.pocket.sites import short_name
    from metricvae.metrics.docking.batch import docking_site, posed_rows
    from metricvae.metrics.docking.poses_page import WORDS, poses_page
    from metricvae.runtime.files import write_text

    rows = posed_rows(Path(options.out), done[:SHOWN])
    facts = {"Template": Path(template).name} if template else {}
    about = PageAbout(short_name(site), Path(options.ligands).name, options.engine, options.command_line, facts, WORDS)
    receptor, _ = docking_site(site)
    write_text(path, poses_page(receptor, rows, about, read_one(template) if template else None))


def _site(receptor: str, template: str) -> str:
    """The structure and the site: a receptor without one has it about the template."""
    from metricvae.kinds.pocket.sites import split_name

    return f"{receptor}@ligand={template}" if template and split_name(receptor)[0] == receptor else receptor


def _row(one: DockedLigand) -> list[object]:
    best = one.best or {}
    return [one.name, one.number, *(best.get(name, "") for name in COLUMNS), one.file, one.fault]


def _line(one: DockedLigand) -> str:
    score = f"{one.best['score']:10.2f}" if one.best else f"{'-':>10}"
    return f"{score}  {one.name}  {one.file or one.fault}"


DOCK = Verb(
    "place ligands in a binding site: poses with scores; resumes by itself",
    ("RECEPTOR[@SITE] LIGANDS --out FOLDER [--template LIGAND] [--engine ENGINE] [-n 9]",),
    _dock_options,
    _dock,
)
