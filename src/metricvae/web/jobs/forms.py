"""The verbs that can be jobs, and what each may be told."""

from __future__ import annotations

from collections.abc import Mapping

from metricvae.web.jobs.arguments import (
    COLUMN,
    NAME,
    Argument,
    Fixed,
    Spread,
    Switch,
    VerbForm,
    a_folder,
    a_model,
    a_requirement,
    a_start,
    an_index_copy,
    an_object,
    choice,
    flag,
    number,
    several_files,
    some_lines,
    some_names,
    some_objects,
    some_pairs,
    text,
    two_objects,
)

_SEED = Argument(number(0, 2**53, whole=True), "--seed", about="another one gives other answers")
_SECONDS = Argument(number(1, 86_400), "--seconds", about="give up after so long")
_MODEL = Argument(a_model, required=True, about="name of a model, or job:ID of one that trained it")
_FIT = Switch(flag, "--fit", about="scale and centre images of other sizes")
_COUNT = number(1, 10_000, whole=True)
_REQUIRE = Argument(a_requirement, "--require", many=True, about="a list of requirements, with {ID} for an object")
_SITED = Argument(an_object, required=True, about="id of a structure, sent with its site")
_LIGANDS = Argument(an_object, required=True, about="id of a molecule, or of a file of molecules")
_DATASET = Argument(a_folder, required=True, many=True, about="job:ID of one that labelled or imported it")
_LIBRARY = Argument(a_folder, required=True, about="name of a library, or job:ID of one that indexed it")
_CHANGED = Argument(an_index_copy, required=True, about="name of a library, or job:ID; a copy of it is changed")
_PAIRS = Argument(some_pairs, "--pairs", required=True, about="a list of pairs of ids")

_COLUMNS = ("a", "b", "value", "split", "group", "weight", "error", "censored")
_SWITCHES = ("similarity", "distance", "symmetric", "asymmetric", "strict", "fit")

GENERATE = VerbForm(
    ("generate",),
    {
        "model": _MODEL,
        "require": _REQUIRE,
        "between": Spread(two_objects, "--between", about="two ids: shapes on the way from one to the other"),
        "around": Argument(an_object, "--around", about="an id: shapes about it"),
        "n": Argument(number(1, 200, whole=True), "--n", about="how many"),
        "seconds": _SECONDS,
        "evaluations": Argument(number(1, 10**7, whole=True), "--evaluations", about="give up after so many"),
        "library": Argument(a_folder, "--library", about="begin with its items"),
        "improve": Switch(flag, "--improve", about="use all of the time for better ones"),
        "seed": _SEED,
        "fit": _FIT,
    },
    out="--out",
    about="make objects that satisfy requirements",
)

DOCK = VerbForm(
    ("dock",),
    {
        "receptor": _SITED,
        "ligands": _LIGANDS,
        "template": Argument(an_object, "--template", about="id of a ligand that lies in the site"),
        "poses": Argument(number(1, 100, whole=True), "--poses", about="of each ligand, at most"),
        "engine": Argument(NAME, "--engine", about="what searches"),
        "exhaustiveness": Argument(number(1, 64, whole=True), "--exhaustiveness", about="of another engine's search"),
        "seed": _SEED,
    },
    out="--out",
    fixed=(Fixed(lambda stage: [f"--html={stage.results('poses.html')}", "--workers=1"]),),
    resumes=True,
    about="place ligands in a site of a receptor",
)

AFFINITY = VerbForm(
    ("predict", "affinity"),
    {
        "receptor": _SITED,
        "ligands": _LIGANDS,
        "known": Argument(an_object, "--known", about="id of a CSV of known ligands"),
    },
    out="--out",
    out_name="affinity.csv",
    fixed=(Fixed(lambda stage: [f"--html={stage.results('affinity.html')}"]),),
    about="predict binding affinities, with intervals",
)

AUTOCOMPLETE = VerbForm(
    ("autocomplete",),
    {
        "receptor": _SITED,
        "n": Argument(number(1, 200, whole=True), "--n", about="how many candidates"),
        "library": Argument(a_folder, "--library", about="molecules to begin with"),
        "require": _REQUIRE,
        "seconds": _SECONDS,
        "seed": _SEED,
    },
    out="--out",
    about="propose molecules for a pocket: posed, scored, verified",
)

INDEX = VerbForm(
    ("index",),
    {
        "model": _MODEL,
        "library": Argument(some_objects, required=True, about="id of a file of objects, or a list of ids"),
        "side": Argument(choice("left", "right"), "--side", about="of a pair on which the items stand"),
        "conformers": Argument(number(1, 50, whole=True), "--conformers", about="of each molecule, at most"),
        "fit": _FIT,
    },
    out="--out",
    fixed=(Fixed(lambda _: ["--workers=1"]),),
    resumes=True,
    about="encode a library, to search in it",
)

APPEND = VerbForm(
    ("append",),
    {
        "index": _CHANGED,
        "library": Argument(some_objects, required=True, about="id of a file of objects, or a list of ids"),
        "model": Argument(a_model, "--model", about="that it was made with, where it was moved"),
        "conformers": Argument(number(1, 50, whole=True), "--conformers", about="of each molecule, at most"),
        "fit": _FIT,
    },
    fixed=(Fixed(lambda _: ["--workers=1"]),),
    resumes=True,
    about="add objects to a library: a new one, of both",
)

DELETE = VerbForm(
    ("delete",),
    {
        "index": _CHANGED,
        "ids": Argument(some_lines, "--ids-from", about="a list of ids of items"),
        "where": Argument(text(), "--where", about="a condition on the columns of the library"),
        "compact": Switch(flag, "--compact", about="write the files anew without what is deleted"),
    },
    about="delete items of a library: a new one, without them",
)

SEARCH = VerbForm(
    ("search",),
    {
        "library": _LIBRARY,
        "query": Argument(an_object, required=True, about="id of what is looked for"),
        "k": Argument(_COUNT, "--k", about="how many hits"),
        "exact": Argument(number(1, 10**6, whole=True), "--exact", about="order the best so many exactly"),
        "by": Argument(NAME, "--by", about="what the exact search maximises"),
        "where": Argument(text(), "--where", about="a condition on the columns of the library"),
        "contains": Argument(text(), "--contains", many=True, about="patterns that a hit contains"),
        "lacks": Argument(text(), "--lacks", many=True, about="patterns that it lacks"),
        "diverse": Argument(number(0, 1), "--diverse", about="no two hits more alike"),
        "fit": _FIT,
    },
    about="find the items of a library that answer best to one",
)

IMPORT = VerbForm(
    ("import",),
    {
        "table": Argument(an_object, required=True, about="id of a CSV: a row a pair"),
        "files": Argument(several_files, about="ids of the objects that the table names by their names"),
        "kind": Argument(NAME, "--kind", required=True, about="of the objects"),
        "right": Argument(NAME, "--right", about="kind of the right ones, where it is another"),
        **{name: Argument(COLUMN, f"--{name}", about=f"column of {name}") for name in _COLUMNS},
        "metric": Argument(NAME, "--metric", about="what the values are"),
        "title": Argument(COLUMN, "--title", about="what they are called"),
        "unit": Argument(COLUMN, "--unit", about="of the values"),
        "range": Argument(text(r"[0-9.eE+-]*\.\.[0-9.eE+-]*", 60), "--range", about="LO..HI"),
        "task": Argument(choice("regression", "binary", "ranking"), "--task", about="what the values are for"),
        **{name: Switch(flag, f"--{name}", about="see metricvae import --help") for name in _SWITCHES},
        "seed": _SEED,
    },
    out="--out",
    fixed=(Fixed(lambda _: ["--workers=1"]),),
    about="make a data set of a table of pairs with values",
)

LABEL = VerbForm(
    ("label",),
    {
        "task": Argument(NAME, required=True, about="a task, or a metric with an exact solver"),
        "objects": Argument(some_objects, "--objects", about="ids of objects, or of a file of them"),
        "source": Argument(NAME, "--objects", about="or a source, as mixed"),
        "pairs": Argument(number(1, 10**6, whole=True), "--pairs", required=True, about="how many pairs"),
        "seed": _SEED,
    },
    out="--out",
    fixed=(Fixed(lambda _: ["--workers=1"]),),
    resumes=True,
    about="label pairs of objects by the exact solver",
)

TRAIN = VerbForm(
    ("train",),
    {
        "dataset": _DATASET,
        "preset": Argument(NAME, "--preset", about="of network and training"),
        "start": Argument(a_start, "--start", about="go on from the weights of this model; none: random ones"),
        "pair_head": Switch(flag, "--pair-head", about="add a network of both codes"),
        "steps": Argument(number(1, 10**6, whole=True), "--training.steps", about="of the training"),
        "batch_pairs": Argument(number(2, 65_536, whole=True), "--training.batch_pairs", about="pairs of a step"),
        "learning_rate": Argument(number(1e-8, 1), "--training.learning_rate", about="of the optimiser"),
        "evaluate_every": Argument(number(1, 10**6, whole=True), "--training.evaluate_every", about="steps"),
        "threads": Argument(number(1, 256, whole=True), "--training.threads", about="of the processor"),
        "seed": Argument(number(0, 2**53, whole=True), "--training.seed", about="another one gives another model"),
    },
    out="--out",
    resumes=True,
    about="train a model on a data set",
)

EVALUATE = VerbForm(
    ("evaluate",),
    {
        "model": _MODEL,
        "dataset": Argument(a_folder, required=True, about="job:ID of one that labelled or imported it"),
        "split": Argument(choice("train", "validation", "calibration", "test", "all"), "--split", about="of the data"),
    },
    about="measure a model on a data set",
)

PREDICT = VerbForm(
    ("predict",),
    {"model": _MODEL, "pairs": _PAIRS, "novelty": Switch(flag, "--novelty", about="a column of it"), "fit": _FIT},
    out="--out",
    out_name="pairs.csv",
    about="predict a list of pairs",
)

SOLVE = VerbForm(
    ("solve",),
    {"pairs": _PAIRS, "by": Argument(NAME, "--by", about="what is maximised"), "fit": _FIT},
    out="--out",
    out_name="pairs.csv",
    fixed=(Fixed(lambda _: ["--workers=1"]),),
    about="the exact answers of a list of pairs",
)

ALIGN = VerbForm(
    ("align",),
    {
        "model": _MODEL,
        "pairs": _PAIRS,
        "tries": Argument(number(1, 64, whole=True), "--tries", about="proposals that are judged"),
        "steps": Argument(number(0, 1_000, whole=True), "--steps", about="of local optimisation"),
        "fit": _FIT,
    },
    out="--out",
    out_name="pairs.csv",
    about="lay the objects of a list of pairs on one another",
)

QUICKSTART = VerbForm(("quickstart",), {"seed": _SEED}, out="--out", resumes=True, about="from nothing to a model")

REPRODUCE = VerbForm(
    ("reproduce",),
    {
        "what": Argument(NAME, required=True, about="a table or a figure, as table-1, or ablations, any-metric, all"),
        "dataset": Argument(a_folder, "--dataset", about="job:ID of one that labelled pairs; left out, new ones are"),
        "model": Argument(a_model, "--model", about="beside the paper's; left out, the one that ships"),
        "halves": Argument(a_folder, "--halves", about="all: job:ID of one that labelled pairs of halves"),
        "halves_model": Argument(a_model, "--halves-model", about="all: the model of Table 2"),
        "mnist": Argument(an_object, "--mnist", about="id of a file of digits, for figure 1.1"),
        "paper_steps": Argument(number(1, 10**6, whole=True), "--paper-steps", about="of the paper's network"),
        "steps": Argument(number(1, 10**6, whole=True), "--steps", about="of each training"),
        "seeds": Argument(number(1, 100, whole=True), "--seeds", about="trainings of each"),
        "only": Spread(some_names, "--only", about="any-metric: a list of metrics"),
        "pairs": Argument(number(1_000, 10**6, whole=True), "--pairs", about="any-metric: of each metric"),
        "minutes": Argument(number(0.01, 1_440), "--minutes", about="any-metric: of each training, at most"),
        "seed": _SEED,
    },
    out="--out",
    resumes=True,
    about="the paper's tables and figures",
)

FORMS: Mapping[str, VerbForm] = {
    "generate": GENERATE,
    "dock": DOCK,
    "affinity": AFFINITY,
    "autocomplete": AUTOCOMPLETE,
    "index": INDEX,
    "append": APPEND,
    "delete": DELETE,
    "search": SEARCH,
    "import": IMPORT,
    "label": LABEL,
    "train": TRAIN,
    "evaluate": EVALUATE,
    "predict": PREDICT,
    "solve": SOLVE,
    "align": ALIGN,
    "quickstart": QUICKSTART,
    "reproduce": REPRODUCE,
}
"""Verbs by the names that clients call them."""
