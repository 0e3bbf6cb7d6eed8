"""Files as models take them."""

from __future__ import annotations

from pathlib import Path

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.listing import suffix_of
from metricvae.kinds.molecule.packing import Form, Packable, atoms_of
from metricvae.kinds.molecule.readers import ENDINGS, read_one
from metricvae.kinds.silhouette.io import read_image


def read_object(path: Path, form: Form, *, fit: bool = False) -> Packable:
    """The shape in an image, or the first molecule of a file, for a model of that form.

    Args:
        path: file.
        form: what the model takes.
        fit: scale and centre an image of another size.

    Raises:
        InputError: the file cannot be used, or holds the other kind of object.
    """
    molecular = suffix_of(path) in ENDINGS
    if form == "masks":
        if molecular:
            raise InputError(f"{path} is a molecule, and this model compares images: give images, or another model")
        return read_image(path, fit=fit)
    if fit:
        raise InputError("--fit is for images, got a model of molecules: leave it out")
    if not molecular:
        raise InputError(f"{path} is no molecule: expected a file that ends in {', '.join(ENDINGS)}")
    return atoms_of(read_one(path))
