"""Molecules as SMILES, symbol by symbol."""

from __future__ import annotations

import re
from typing import ClassVar

from metricvae.core.text_form import TextForm
from metricvae.kinds.molecule.conformers import flat
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.molecule.substructures import SMILES

SYMBOL = re.compile(r"\[[^\[\]]*\]|Br|Cl|%\d\d|[\s\S]")
"""An atom in brackets, one of two letters, a number of a ring of two digits, or one character."""


class SmilesForm(TextForm):
    """Canonical SMILES of standardised molecules.

    Example:
        >>> SmilesForm().symbols("C[C@H](Cl)Br")
        ['C', '[C@H]', '(', 'Cl', ')', 'Br']
    """

    column: ClassVar[str] = SMILES

    def symbols(self, text: str) -> list[str]:
        return SYMBOL.findall(text)

    def read(self, text: str) -> Molecule:
        return flat(text)
