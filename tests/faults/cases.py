"""The verbs that write, each on a tiny real instance."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from faults.disturbed import Job, Outcome, Place, Warm
from faults.jobs import Settings, no_product_form, run_verb

TINY = (
    "--training.steps 4 --training.batch_pairs 12 --training.copies 1 --training.evaluate_every 2 --training.threads 1"
)
"""Options of a training of a moment."""


@dataclass(frozen=True)
class Case:
    """A verb, and what it needs.

    Attributes:
        name: in tests and figures.
        command: the words of the command line, in a folder that `needs` prepared.
        needs: cases that come before it, in this order, and functions that write input.
        settings: of modules, for the process.
        progress: patterns of paths that an unfinished run may leave: its temporary files, and what it goes on from.
        markers: files without which what is there counts as unfinished, or as it was before.
        job: what runs it.
    """

    name: str
    command: str
    needs: Sequence[Case | Callable[[Path], None]] = ()
    settings: Settings = field(default_factory=dict)
    progress: Sequence[str] = ()
    markers: Sequence[str] = ()
    job: Job = run_verb

    @property
    def words(self) -> list[str]:
        """Of the command line."""
        return shlex.split(self.command)


def prepare(case: Case, warm: Warm, place: Place) -> None:
    """Do in a place what comes before a case."""
    for one in case.needs:
        if not isinstance(one, Case):
            one(place.work)
            continue
        done = run(one, warm, place)
        assert done.status == 0, (one.name, done.out, done.err)


def run(case: Case, warm: Warm, place: Place, **how: Any) -> Outcome:
    """Run a case once."""
    return warm.run(case.job, case.words, case.settings, place=place, **how)


# Inputs


def vectors(folder: Path) -> None:
    """Pairs of vectors with their distance, and objects with a property."""
    random = np.random.default_rng(0)
    cells = [" ".join(f"{one:.3f}" for one in row) for row in random.normal(size=(90, 4))]
    first, second = np.triu_indices(90, 1)
    chosen = random.permutation(len(first))[:500]
    rows = [f"{cells[first[at]]},{cells[second[at]]},{random.uniform():.3f}" for at in chosen]
    (folder / "pairs.csv").write_text("\n".join(["a,b,value", *rows]) + "\n")
    rows = [f"{cell},{random.uniform():.3f},{random.uniform():.3f}" for cell in cells]
    (folder / "objects.csv").write_text("\n".join(["what,mass,charge", *rows]) + "\n")
    for name, count in (("first", 24), ("second", 12)):
        (folder / name).mkdir()
        for number in range(count):
            np.save(folder / name / f"{name}-{number:02d}.npy", random.normal(size=4).astype(np.float32))


def pictures(folder: Path) -> None:
    """Shapes."""
    from cli_problem import draw_pictures

    draw_pictures(folder / "shapes")
    (folder / "shapes" / "wide.png").unlink()


def molecules(folder: Path) -> None:
    """A file of SMILES."""
    from metricvae.kinds.molecule.fragments import stream_smiles

    lines = [f"{one} m{number}" for number, one in enumerate(stream_smiles(30, 3))]
    (folder / "molecules.smi").write_text("\n".join(lines) + "\n")


def receptor(folder: Path) -> None:
    """A receptor about the origin, and ligands."""
    from pocket_problem import shell, structure, write

    write(folder / "rec.pdb", structure(shell()))
    (folder / "ligands.smi").write_text("Cc1ccccc1 toluene\nC[Fe]CC metal\nCCO ethanol\n")


def shipped(name: str) -> Callable[[Path], None]:
    """A copy of a model that ships."""

    def copy(folder: Path) -> None:
        from metricvae.training.checkpoint import SHIPPED

        shutil.copytree(SHIPPED / name, folder / "model", ignore=shutil.ignore_patterns("__pycache__"))

    return copy


# Verbs


PARTS = ["*/.parts", "*/.parts/*", "*/.parts-*", "*/.lock"]
"""What labellings and indexes go on from, and the lock of whoever was killed."""

MODEL = ["*/config.json", "*/log.jsonl", "*/resume.safetensors", "*/.lock"]
"""What a training goes on from; its configuration says that it is unfinished."""

IMPORT = Case("import", "import pairs.csv --kind vector --out data", [vectors], markers=["data/card.json"])
PROPERTY = Case(
    "import of a property",
    "import objects.csv --kind vector --property --a what --value mass --out masses",
    [vectors],
    markers=["masses/card.json"],
)
LABEL_OVERLAP = Case(
    "label overlap",
    "label overlap --objects procedural --pairs 16 --check 2 --out data",
    progress=PARTS,
    markers=["data/card.json"],
)
LABEL_HALVES = Case(
    "label halves",
    "label halves --objects procedural --pairs 16 --out data",
    progress=PARTS,
    markers=["data/card.json"],
)
LABEL_MOLECULES = Case(
    "label molecules",
    "label molecules --objects fragments --pairs 16 --out data",
    progress=PARTS,
    markers=["data/card.json"],
)
LABEL_PICTURES = Case(
    "label a folder of pictures",
    "label overlap --objects shapes --pairs 4 --out data",
    [pictures],
    progress=PARTS,
    markers=["data/card.json"],
)
TRAIN = Case(
    "train",
    f"train data --out model {TINY}",
    [vectors, IMPORT],
    {"metricvae.fitting.fit:measure_product_form": no_product_form},
    progress=MODEL,
)
ADD_TO = Case(
    "train --add-to, a copy",
    "train masses --add-to model --out copy",
    [vectors, IMPORT, TRAIN, PROPERTY],
    markers=["copy/config.json"],
)
ADD_IN_PLACE = Case(
    "train --add-to, in place",
    "train masses --add-to model --out model",
    [vectors, IMPORT, TRAIN, PROPERTY],
    markers=["model/metrics/mass/config.json"],
)
JOINT = Case(
    "train of several metrics",
    "train masses charges --out joint --joint.steps 4 --joint.evaluate_every 2 --joint.batch_objects 32",
    [
        vectors,
        PROPERTY,
        Case(
            "import of another property",
            PROPERTY.command.replace("mass --out masses", "charge --out charges"),
        ),
    ],
    progress=["joint/*"],
    markers=["joint/README.md"],
)
INDEX = Case(
    "index",
    "index model first --out library",
    [vectors, IMPORT, TRAIN],
    progress=PARTS,
    markers=["library/index.json"],
)
APPEND = Case(
    "append",
    "append library second",
    [vectors, IMPORT, TRAIN, INDEX],
    progress=[*PARTS, "library/items-*", "library/codes-*"],
    markers=["library/index.json"],
)
DELETE = Case(
    "delete",
    "delete library --ids first-00.npy first-01.npy first-02.npy",
    [vectors, IMPORT, TRAIN, INDEX],
    progress=["*/.lock", "library/deleted-*", "library/items-*", "library/codes-*"],
    markers=["library/index.json"],
)
COMPACT = Case(
    "delete --compact",
    f"{DELETE.command} --compact",
    DELETE.needs,
    progress=DELETE.progress,
    markers=["library/index.json"],
)


def many_molecules(folder: Path) -> None:
    """A file of SMILES from which a decoder can learn."""
    from metricvae.kinds.molecule.fragments import stream_smiles

    (folder / "molecules.smi").write_text("".join(f"{one}\n" for one in stream_smiles(200, 3)))


INDEX_MOLECULES = Case(
    "index of molecules",
    "index molecules-2d molecules.smi --out library",
    [molecules],
    progress=PARTS,
    markers=["library/index.json"],
)
DECODER = Case(
    "train --decoder",
    "train library --decoder model --decoding.network.width 16 --decoding.network.layers 1 --decoding.network.heads 2 "
    "--decoding.steps 4 --decoding.evaluate_every 2 --decoding.threads 1 --decoding.batch_texts 4 "
    "--decoding.warmup_steps 1",
    [shipped("molecules-2d"), many_molecules, INDEX_MOLECULES],
    progress=["model/*decod*"],
)
SEARCH = Case(
    "search --picture --html --csv",
    "search library shapes/l.png -k 3 --exact 3 --picture hits.png --html hits.html --csv hits.csv",
    [pictures, Case("index of pictures", "index overlap shapes --out library")],
)
SEARCH_SDF = Case(
    "search --sdf",
    "search library CC(C)Cc1ccc(cc1)C(C)C(=O)O -k 3 --exact 3 --sdf hits.sdf --html hits.html --csv hits.csv",
    [molecules, Case("index of shapes", "index molecules molecules.smi --out library")],
)
SOLVE = Case("solve --pairs", "solve --pairs shapes/pairs.csv --out values.csv", [pictures])
PREDICT = Case("predict --pairs", "predict overlap --pairs shapes/pairs.csv --out values.csv", [pictures])
INDEX_PICTURES = Case(
    "index with an inverted file",
    "index overlap shapes --out library",
    [pictures],
    {f"metricvae.search.{module}:WORTHWHILE": 2 for module in ("build", "update")},
    progress=PARTS,
    markers=["library/index.json"],
)
DOCK = Case(
    "dock",
    "dock rec.pdb@point=0,0,0 ligands.smi --out poses -n 2 --html page.html",
    [receptor],
    progress=["*/.lock", "poses/poses", "poses/poses/*", "poses/plan.json", "poses/ligands.csv"],
)
GENERATE = Case(
    "generate",
    "generate overlap --between shapes/l.png shapes/small.png -n 2 --out answers",
    [pictures],
    markers=["answers/answers.json"],
)
REGENERATE = Case(
    "generate, again",
    GENERATE.command.replace("-n 2", "-n 3"),
    [pictures, GENERATE],
    markers=["answers/answers.json"],
)
