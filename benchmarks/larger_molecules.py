"""Write larger molecules than those of a file, joined from parts of two of them. A file of SMILES.

    python benchmarks/larger_molecules.py --smiles FILE --out FILE [--molecules 40000] [--atoms 28 48] [--seed 1]

A molecule is cut at a bond where the retrosynthetic rules of BRICS (J. Degen et al. 2008, as RDKit has them) cut; one
of its sides is joined with a part of another molecule that a bond of the same sort had held. So each new bond is of a
sort that the rules know, and sizes are even between the least and the greatest number of heavy atoms. Shipped models
learn from such molecules too (`ship_molecules_colour.py`), because ligands of proteins are often larger than what
ZINC250k has.
"""

from __future__ import annotations

import argparse
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rdkit import Chem, rdBase
from rdkit.Chem import BRICS, rdMolDescriptors

from metricvae.kinds.molecule.listing import records

LEARNED_FROM = 30_000
"""Molecules that give parts."""

ROTATABLE = 12
"""Rotatable bonds at most: conformers of more flexible molecules say little."""

TRIES = 100
"""Of joining before a size is drawn anew."""


@dataclass(frozen=True)
class Part:
    """One side of a cut bond: the atoms, which of them was bonded, and the heavy atoms."""

    atoms: Chem.Mol
    end: int
    size: int


def parts_of(molecule: Chem.Mol) -> Iterator[tuple[str, str, Part]]:
    """The sides of each bond that BRICS would cut: own label, label of the other side, part."""
    for (first, second), labels in BRICS.FindBRICSBonds(molecule):
        cut = Chem.RWMol(molecule)
        cut.RemoveBond(first, second)
        sides: list[tuple[int, ...]] = []
        pieces = Chem.GetMolFrags(cut, asMols=True, sanitizeFrags=False, fragsMolAtomMapping=sides)
        if len(pieces) != 2:
            continue
        for end, (own, other) in ((first, labels), (second, labels[::-1])):
            piece = 0 if end in sides[0] else 1
            yield own, other, Part(pieces[piece], sides[piece].index(end), len(sides[piece]))


def joined(one: Part, other: Part) -> str | None:
    """SMILES of two parts joined at their ends; None where RDKit does not take it."""
    both = Chem.RWMol(Chem.CombineMols(one.atoms, other.atoms))
    both.AddBond(one.end, one.atoms.GetNumAtoms() + other.end, Chem.BondType.SINGLE)
    try:
        Chem.SanitizeMol(both)
    except ValueError:
        return None
    if rdMolDescriptors.CalcNumRotatableBonds(both) > ROTATABLE:
        return None
    return Chem.MolToSmiles(both)


def larger(smiles: Sequence[str], least: int, most: int, seed: int) -> Iterator[str]:
    """Joined molecules of the two bounds on heavy atoms, without end and without repetition."""
    rng = random.Random(seed)
    ends: list[tuple[str, str, Part]] = []
    fitting: dict[tuple[str, str], list[Part]] = defaultdict(list)
    for one in rng.sample(smiles, min(len(smiles), LEARNED_FROM)):
        for own, other, part in parts_of(Chem.MolFromSmiles(one)):
            ends.append((own, other, part))
            fitting[own, other].append(part)
    if not ends:
        raise SystemExit("no molecule has a bond that BRICS cuts: give others")
    seen: set[str] = set()
    while True:
        wanted = rng.randint(least, most)
        for _ in range(TRIES):
            own, other, part = rng.choice(ends)
            partner = rng.choice(fitting[other, own])
            if part.size + partner.size == wanted:
                found = joined(part, partner)
                if found is not None and found not in seen:
                    seen.add(found)
                    yield found
                    break


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smiles", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--molecules", type=int, default=40_000)
    parser.add_argument("--atoms", type=int, nargs=2, default=(28, 48))
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rdBase.DisableLog("rdApp.*")
    source = [one.text for one in records(options.smiles)]
    least, most = options.atoms
    made = larger(source, least, most, options.seed)
    options.out.write_text("".join(f"{next(made)} L{row}\n" for row in range(options.molecules)))


if __name__ == "__main__":
    main()
