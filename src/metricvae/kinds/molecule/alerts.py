"""Substructures that medicinal chemists look at twice: of frequent hitters, and of reactive or unstable compounds.

RDKit's catalogues: PAINS (J. Baell and G. Holloway, J. Med. Chem. 53 (2010) 2719), which interfere with assays, and
BRENK (R. Brenk et al., ChemMedChem 3 (2008) 435), unsuited for screening libraries. Many drugs have one.
"""

from __future__ import annotations

import functools
from typing import Any

from metricvae.kinds.molecule.extra import require

CATALOGUES = ("PAINS", "BRENK")


def alerts_of(smiles: str) -> list[str]:
    """Names of the alerts that a molecule has.

    Paracetamol has one, ibuprofen none:

    >>> alerts_of("CC(=O)Nc1ccc(O)cc1"), alerts_of("CC(C)Cc1ccc(cc1)C(C)C(=O)O")
    (['hydroquinone'], [])
    """
    mol = require("rdkit.Chem").MolFromSmiles(smiles)
    return sorted({one.GetDescription().lower() for one in _catalogue().GetMatches(mol)})


@functools.cache
def _catalogue() -> Any:
    catalogues = require("rdkit.Chem.FilterCatalog")
    params = catalogues.FilterCatalogParams()
    for name in CATALOGUES:
        params.AddCatalog(getattr(catalogues.FilterCatalogParams.FilterCatalogs, name))
    return catalogues.FilterCatalog(params)
