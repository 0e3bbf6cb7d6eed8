"""`/latent`: what a model decodes between two objects, and in a plane of codes about some."""

from __future__ import annotations

import io
from base64 import b64encode
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter
from PIL import Image
from pydantic import Field

from metricvae.runtime.command_line import command_of
from metricvae.web.answers import finite
from metricvae.web.bodies import AnyObject, Body, Name
from metricvae.web.objects.records import as_kind
from metricvae.web.pairs import encode_named, named_value
from metricvae.web.state import ServerState

Share = Annotated[float, Field(ge=-4, le=4)]


class WalkBody(Body):
    """Two objects, and how many steps there are from one to the other, both ends among them."""

    first: AnyObject
    second: AnyObject
    steps: Annotated[int, Field(ge=2, le=32)] = 9
    model: Name = "overlap"
    fit: bool = False


class PlaneBody(Body):
    """A point of the plane of the two directions in which codes vary most, in standard deviations from its middle."""

    around: Annotated[list[AnyObject], Field(min_length=1, max_length=16)]
    x: Share = 0.0
    y: Share = 0.0
    model: Name = "overlap"
    fit: bool = False


def router(state: ServerState) -> APIRouter:
    """The routes of latent space."""
    routes = APIRouter(prefix="/latent", tags=["latent space"])

    @routes.post("/walk")
    async def walk(body: WalkBody) -> dict[str, Any]:
        """Pictures from one object to the other, with the predicted and the exact metric of each with both."""
        found: dict[str, Any] = await state.slow.run(walk_between, state, body)
        return found

    @routes.post("/plane")
    async def plane(body: PlaneBody) -> dict[str, Any]:
        """The picture at a point of the plane."""
        found: dict[str, Any] = await state.compute.run(point_of_plane, state, body)
        return found

    return routes


def walk_between(state: ServerState, body: WalkBody) -> dict[str, Any]:
    """The steps between two objects."""
    from metricvae.generation.interpolation import between

    predictor = state.models.get(body.model)
    kind = predictor.kind()
    named = [named_value(state, given, kind.name) for given in (body.first, body.second)]
    ends = [as_kind(one.value, one.kind, kind, fit=body.fit) for one in named]
    steps = []
    for one in between(predictor, ends[0], ends[1], body.steps):
        picture = kind.picture(one.object)
        steps.append(
            {
                **{"share": one.share, "predicted": [finite(value) for value in one.predicted]},
                **{"exact": [finite(value) for value in one.verified]},
                "png": "" if picture is None else b64encode(picture.content).decode(),
            }
        )
    names = [one.written for one in named]
    command = command_of("generate", body.model, "--between", *names, "-n", str(body.steps), "--out", "walk")
    return {"steps": steps, "unit": predictor.metric.unit, "command": command}


def point_of_plane(state: ServerState, body: PlaneBody) -> dict[str, Any]:
    """The picture at one point."""
    from metricvae.generation.interpolation import point_in_plane

    predictor = state.models.get(body.model)
    kind = predictor.kind()
    named = [named_value(state, given, kind.name) for given in body.around]
    codes = encode_named(state, body.model, "left", named, fit=body.fit).codes
    picture = point_in_plane(predictor, list(codes), body.x, body.y)
    command = command_of("generate", body.model, "--around", named[0].written, "--out", "plane")
    return {"png": b64encode(png_of(picture)).decode(), "x": body.x, "y": body.y, "command": command}


def png_of(picture: npt.NDArray[np.float64]) -> bytes:
    """Grey levels (height, width) in [0, 1] as a PNG."""
    levels = np.round(255 * np.clip(picture, 0.0, 1.0)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()
