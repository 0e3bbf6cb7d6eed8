"""All that a verb may import, for the process that disturbed ones are forked from: nothing is run here."""

from __future__ import annotations

import contextlib
import gc
import importlib
import pkgutil

import metricvae

LEFT_OUT = ("metricvae.pretrained", "metricvae.kinds.molecule.vendor", "metricvae.__main__", "metricvae.web")
LIBRARIES = [
    *(
        "torch._dynamo",
        "safetensors.torch",
        "pyarrow.parquet",
        "jsonargparse",
        "sklearn.linear_model",
        "scipy.optimize",
    ),
    *("faiss", "rdkit.Chem", "rdkit.Chem.AllChem", "gemmi", "matplotlib.figure", "matplotlib.backends.backend_agg"),
    *("PIL.PngImagePlugin", "scipy.ndimage", "scipy.stats", "scipy.optimize", "numba"),
]

for name in LIBRARIES:
    with contextlib.suppress(ImportError):
        importlib.import_module(name)
for module in pkgutil.walk_packages(metricvae.__path__, "metricvae.", onerror=lambda name: None):
    if not module.name.startswith(LEFT_OUT):
        with contextlib.suppress(ImportError):
            importlib.import_module(module.name)
gc.freeze()  # so that its collections do not copy the memory of processes that are forked
