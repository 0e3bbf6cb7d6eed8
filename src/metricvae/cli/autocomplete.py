"""`metricvae autocomplete`: molecules made around a binding site, each docked, with what is to be believed of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import Namespace

from metricvae.autocomplete import CANDIDATES_ASKED, SECONDS
from metricvae.cli.common import say
from metricvae.cli.parser import Fields, Parser, Verb, at_least, positive, seed_number
from metricvae.cli.predict_own import own_predictor_of
from metricvae.core.errors import InputError
from metricvae.metrics.docking.engines.engine import ENGINES, OWN
from metricvae.runtime.progress import Step, progress

if TYPE_CHECKING:
    from metricvae.autocomplete.run import OnStep

MODEL = "pocket-fit"
"""The model that compares pockets and molecules."""


def _autocomplete_options(parser: Parser, _: Sequence[str]) -> None:
    parser.add_argument("receptor", help="structure and site: rec.pdb@ligand=LIG, @point=x,y,z, @residues=..., @auto")
    parser.add_argument("--site", help="site on the receptor, where none stands behind @")
    parser.add_argument("-n", "--n", type=at_least(1), default=CANDIDATES_ASKED, help="how many candidates")
    parser.add_argument("--out", required=True, help="folder for candidates.sdf, .csv, .json and index.html")
    parser.add_argument("--library", metavar="INDEX", help="made by pocket-fit: begin with its items, and copy none")
    parser.add_argument(
        *("--require", "-r"),
        action="append",
        metavar="R",
        help="beside or in the place of qed>=0.5 and sa<=4: mw<=450, logp=1..4, contains:SMARTS, "
        "similarity:A.sdf<0.4, ...",
    )
    parser.add_argument("--engine", choices=(OWN, *ENGINES), default=OWN, help="what docks in the end")
    parser.add_argument("--seconds", type=positive, default=SECONDS, help="that it may take, about")
    parser.add_argument("--evaluations", type=at_least(1), help="molecules that the search measures, at most")
    parser.add_argument("--seed", type=seed_number, default=0, help="another seed gives other candidates")
    parser.add_argument("--html", help="where the page goes; default index.html in the folder")


def _autocomplete(options: Namespace) -> Fields:
    from metricvae.autocomplete.records import AutocompleteConfig
    from metricvae.autocomplete.run import autocomplete
    from metricvae.autocomplete.writing import DOCUMENT, NOUN, PAGE, write_all
    from metricvae.metrics.docking.engines.engine import require_engine
    from metricvae.prediction.predictor import Predictor
    from metricvae.runtime.files import require_free_folder
    from metricvae.search.index import check_model, read_index

    folder = Path(options.out)
    require_free_folder(folder, DOCUMENT, NOUN)
    require_engine(options.engine)
    site = _site(options.receptor, options.site)
    predictor = Predictor.load(MODEL)
    library = None if options.library is None else read_index(Path(options.library))
    if library is not None:
        check_model(library, predictor)
    config = AutocompleteConfig(
        options.n, options.seconds, options.seed, options.engine, evaluations=options.evaluations
    )
    with progress() as step:
        found = autocomplete(
            *(site, options.require or (), predictor, own_predictor_of, config), library=library, on_step=_told(step)
        )
    about = {
        "command": options.command_line,
        **{name: getattr(options, name) for name in ("engine", "library", "seed")},
        "asked": options.n,
    }
    page = folder / PAGE if options.html is None else Path(options.html)
    document = write_all(folder, found, about, page)
    return say(options, document, _text(document, folder, page))


def _site(receptor: str, site: str | None) -> str:
    """The structure with its site."""
    from metricvae.kinds.pocket.sites import MARK, split_name

    path, named = split_name(receptor)
    if site is not None and path != receptor and site != named:
        raise InputError(f"the receptor names the site {named} and --site {site}: give one")
    if not Path(path).is_file():
        raise InputError(f"there is no file {path}: expected a structure of a protein, PDB or mmCIF")
    return receptor if site is None else f"{path}{MARK}{site}"


def _told(step: Step) -> OnStep:
    return lambda stage, done, total, left: step(stage, done, total, seconds_left=left)


def _text(document: Fields, folder: Path, page: Path) -> str:
    """A line a candidate, and what they are to be compared with."""
    lines = []
    for row in document["candidates"]:
        pk = f"pK {row['pK']:.1f} ({row['pK_low']:.1f} to {row['pK_high']:.1f})" if "pK" in row else "no pK"
        numbers = f"{row['score']:6.1f} kcal/mol, random {row['random_score']:5.1f}, gain {row['gain']:4.1f}"
        lines.append(f"{row['name']}  {numbers}  {pk}  {row['smiles']}")
    best = document["best_retrieved"]
    if best is not None:
        lines.append(
            f"best of the library by its code: {best['score']:.1f} kcal/mol, gain {best['gain']:.1f}  {best['smiles']}"
        )
    if len(document["candidates"]) < document["asked"]:
        found = f"{len(document['candidates'])} of {document['asked']} were found"
        lines.append(f"{found}: give more --seconds or loosen a requirement")
    lines.append(f"docking scores are not affinities, see {page}; all numbers in {folder}")
    return "\n".join(lines)


AUTOCOMPLETE = Verb(
    "make candidates around a binding site: docked, with predicted affinities",
    ("RECEPTOR[@SITE] --out DIR [--library INDEX] [-n 20] [--seconds 300] [--require ...]",),
    _autocomplete_options,
    _autocomplete,
)
