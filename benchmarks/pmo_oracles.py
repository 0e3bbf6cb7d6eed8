"""The 20 objectives of PMO that need no trained classifier, each a function of a SMILES by its name, counted.

PMO: W. Gao et al., Sample Efficiency Matters (NeurIPS 2022). The definitions are those of guacamol (N. Brown et al., J.
Chem. Inf. Model. 59 (2019) 1096), which PMO takes from TDC: `pip install --no-deps guacamol==0.5.5`. DRD2, GSK3b and
JNK3 are left out, as their classifiers are pickles.

    score:benchmarks/pmo_oracles.py:qed=max     as a requirement of `metricvae generate`

Where the environment variable `PMO_CALLS` names a file, each call adds a line to it: the number and the SMILES.
"""

from __future__ import annotations

import functools
import os
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np

CALLS = "PMO_CALLS"

SIMILAR = {
    "albuterol_similarity": ("CC(C)(C)NCC(O)c1ccc(O)c(CO)c1", "FCFP4", 0.75),
    "celecoxib_rediscovery": ("CC1=CC=C(C=C1)C1=CC(=NN1C1=CC=C(C=C1)S(N)(=O)=O)C(F)(F)F", "ECFP4", 1.0),
    "mestranol_similarity": ("COc1ccc2[C@H]3CC[C@@]4(C)[C@@H](CC[C@@]4(O)C#C)[C@@H]3CCc2c1", "AP", 0.75),
    "thiothixene_rediscovery": ("CN(C)S(=O)(=O)c1ccc2Sc3ccccc3C(=CCCN4CCN(C)CC4)c2c1", "ECFP4", 1.0),
    "troglitazone_rediscovery": ("Cc1c(C)c2OC(C)(COc3ccc(CC4SC(=O)NC4=O)cc3)CCc2c(C)c1O", "ECFP4", 1.0),
}
"""A molecule to come near, the fingerprint, and the likeness that is enough, as in guacamol's suite."""

NAMED = {
    "amlodipine_mpo": "amlodipine_rings",
    "deco_hop": "decoration_hop",
    "fexofenadine_mpo": "hard_fexofenadine",
    "isomers_c7h8n2o2": "isomers_c7h8n2o2",
    "isomers_c9h10n2o2pf2cl": "isomers_c9h10n2o2pf2cl",
    "median1": "median_camphor_menthol",
    "median2": "median_tadalafil_sildenafil",
    "osimertinib_mpo": "hard_osimertinib",
    "perindopril_mpo": "perindopril_rings",
    "qed": "qed_benchmark",
    "ranolazine_mpo": "ranolazine_mpo",
    "scaffold_hop": "scaffold_hop",
    "sitagliptin_mpo": "sitagliptin_replacement",
    "valsartan_smarts": "valsartan_smarts",
    "zaleplon_mpo": "zaleplon_with_other_formula",
}
"""Functions of `guacamol.standard_benchmarks` by the names of PMO."""

TASKS = tuple(sorted([*SIMILAR, *NAMED]))


@functools.cache
def _guacamol() -> Any:
    """guacamol's definitions; what it imports of another network and of an old SciPy no task needs."""
    import scipy

    sys.modules.setdefault("fcd", types.ModuleType("fcd"))
    scipy.histogram = np.histogram
    from guacamol import standard_benchmarks

    return standard_benchmarks


@functools.cache
def objective(name: str) -> Callable[[str], float]:
    """The objective of a task, without a record of its calls; at least 0, also of what is no molecule."""
    if name in SIMILAR:
        smiles, fingerprint, threshold = SIMILAR[name]
        made = _guacamol().similarity(smiles, name, fingerprint, threshold)
    else:
        made = getattr(_guacamol(), NAMED[name])()
    return lambda smiles: max(float(made.objective.score(smiles)), 0.0)


@functools.cache
def _recorded(name: str) -> Callable[[str], float]:
    score, path = objective(name), os.environ.get(CALLS)

    def recorded(smiles: str) -> float:
        number = score(smiles)
        if path:
            with open(path, "a", encoding="utf-8") as file:
                file.write(f"{number!r} {smiles}\n")
        return number

    return recorded


def __getattr__(name: str) -> Callable[[str], float]:
    if name in TASKS:
        return _recorded(name)
    raise AttributeError(f"there is no task {name}")
