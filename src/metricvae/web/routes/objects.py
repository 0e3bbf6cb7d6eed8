"""`/objects`: what a client sends once, and names by its id from then on."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, Response
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from metricvae.core.kind import KINDS
from metricvae.web.bodies import ObjectBody
from metricvae.web.errors import RequestError
from metricvae.web.objects.store import MEDIA, Sent
from metricvae.web.state import ServerState


def router(state: ServerState) -> APIRouter:
    """The routes of objects."""
    routes = APIRouter(prefix="/objects", tags=["objects"])

    @routes.post("", status_code=201, openapi_extra=_BODIES)
    async def send(request: Request) -> dict[str, Any]:
        """Send an object: its id is that of its content. Multipart `file` with `kind`, or JSON."""
        sent = await _sent(request)
        return (await run_in_threadpool(state.objects.put, sent)).document

    @routes.get("/{key}")
    def about(key: str) -> dict[str, Any]:
        """What is known of an object."""
        return state.objects.about(key).document

    @routes.get("/{key}/picture.{suffix}")
    def picture(key: str, suffix: str) -> Response:
        """A small picture of it, PNG or SVG as the kind draws; either address gives it."""
        found = state.objects.about(key)
        if not found.picture or f".{suffix}" not in MEDIA:
            raise RequestError(404, f"there is no picture of {found.name}")
        path = state.objects.path(key) / found.picture
        return FileResponse(path, media_type=MEDIA[path.suffix], headers={"Cache-Control": "private, max-age=86400"})

    @routes.get("/{key}/scene")
    def scene(key: str) -> dict[str, Any]:
        """What a viewer in space shows of it, where its kind lies in space: of a molecule its record and features."""
        name, value = state.objects.value(key)
        found = KINDS.get(name)().scene(value)
        if found is None:
            raise RequestError(404, f"objects of the kind {name} are not shown in space")
        return dict(found)

    @routes.get("/{key}/file")
    def file(key: str) -> Response:
        """Its file, as it was sent; of a text, the object as a file where its kind writes one."""
        found, path = state.objects.about(key), state.objects.file(key)
        name = found.name if found.name.endswith(path.suffix) else f"{found.name}{path.suffix}"
        return FileResponse(path, media_type="application/octet-stream", filename=name)

    return routes


async def _sent(request: Request) -> Sent:
    """The object in a request."""
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        async with request.form(max_files=1, max_fields=8, max_part_size=65_536) as form:
            upload = form.get("file")
            if not isinstance(upload, UploadFile):
                raise RequestError(422, "the form has no file: expected the fields file and kind", "file")
            fields = {name: str(form.get(name) or "") for name in ("kind", "name", "site")}
            content, fit = await upload.read(), form.get("fit") in ("1", "true")
            return Sent(fields["kind"], content, "", fields["name"] or upload.filename or "", fields["site"], fit)
    try:
        return ObjectBody.model_validate(await read_json_body(request)).sent
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from None


async def read_json_body(request: Request) -> Any:
    """The JSON of a request.

    Raises:
        RequestError: it is none (400).
    """
    try:
        return await request.json()
    except (ValueError, RecursionError):
        raise RequestError(400, "the body is not JSON, or is too deep") from None


_BODIES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": ObjectBody.model_json_schema(),
                "examples": {
                    "molecule": {"value": {"kind": "molecule", "smiles": "CC(=O)Oc1ccccc1C(=O)O", "name": "aspirin"}},
                },
            },
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "kind"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "kind": {"type": "string"},
                        "site": {"type": "string"},
                        "fit": {"type": "boolean"},
                    },
                }
            },
        },
    }
}
