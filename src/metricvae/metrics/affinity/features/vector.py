"""All features of a complex as one row of numbers, with their names."""

from __future__ import annotations

import numpy as np

from metricvae.core.errors import InputError
from metricvae.kinds.molecule import descriptors
from metricvae.metrics.affinity.features import composition, contacts, terms
from metricvae.metrics.affinity.features.records import Floats, PosedComplex

BLOCKS = {
    "contacts": contacts.NAMES,
    "terms": terms.NAMES,
    "pocket": composition.NAMES,
    "ligand": descriptors.NAMES,
}
"""Names of the features by what they are of, in their order."""

NAMES = tuple(name for block in BLOCKS.values() for name in block)


def features_of(posed: PosedComplex) -> Floats:
    """(len(NAMES),) float64 features of a complex, finite.

    Raises:
        InputError: an element without parameters, or a number that is not finite.
    """
    parts = (
        contacts.contacts(posed),
        terms.terms(posed),
        composition.composition(posed),
        descriptors.ligand_numbers(posed.mol),
    )
    found = np.concatenate(parts)
    if not np.isfinite(found).all():
        name = NAMES[int(np.flatnonzero(~np.isfinite(found))[0])]
        raise InputError(f"{posed.molecule.id}: the feature {name} is not a number: correct or leave out the ligand")
    return found
