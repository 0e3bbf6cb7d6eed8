"""Make the `maps` model that ships: maps of molecules, their correlations, training, and the model into the package.

    python benchmarks/ship_maps.py --work FOLDER

No file is needed: 14,592 molecules are assembled from fragments, in one conformer each, and each is seen once, at a
resolution of 3 to 5 angstroms, in a random orientation, on a random grid. 420,000 pairs in blocks of 16 maps that all
meet one another. Conformers take 10 minutes on one core and labels 6. The training ends after 35 minutes, its schedule
included: what ships had a third of a core and came to 3,164 steps. A killed run resumes.
`benchmarks/maps.py` measures what comes out.
"""

from __future__ import annotations

import math

from shipping import Stage, ship

MOLECULES, PAIRS, PARTNERS = 14_592, 420_000, 15
BLOCK = math.comb(PARTNERS + 1, 2)
PLAN = ["correlation", "--objects", "fragments", "--pairs", str(PAIRS), "--molecules", str(MOLECULES)]
STAGES = [
    Stage(
        {"fragments-maps": [*PLAN, "--partners", str(PARTNERS), "--seed", "1"]},
        {"batch_pairs": 16 * BLOCK, "run_length": BLOCK, "threads": 1, "max_minutes": 35},
        "maps",
    )
]

if __name__ == "__main__":
    ship(__doc__, "maps", STAGES)
