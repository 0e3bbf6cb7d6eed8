"""Settings of a model by dotted names, as `left.encoder.widths`: every part of a configuration is within reach."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metricvae.core.coder_config import CoderConfig
from metricvae.core.errors import InputError
from metricvae.nn.autoencoder import ModelConfig, TowerConfig, by_name
from metricvae.nn.heads import HEADS, head_to_json

FIXED = ("format", "metric", "left.kind", "right.kind")
"""Parts that the data decide."""

NONE = "none"
"""Name of a decoder that there is not."""


def settings_of(config: ModelConfig) -> dict[str, Any]:
    """All settings of a model by name; the data's are left out.

    Example:
        >>> from metricvae.training.presets import preset
        >>> settings = settings_of(preset("overlap").model)
        >>> settings["latent"], settings["head.name"], settings["left.encoder.name"]
        (128, 'inner_product', 'polar')
    """
    return dict(_leaves(config.to_json()))


def _leaves(document: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in document.items():
        name = f"{prefix}{key}"
        if name in FIXED or (name == "right" and value is None):
            continue
        if isinstance(value, Mapping):
            found += _leaves(value, f"{name}.")
        else:
            found.append((f"{name}.name", NONE) if key == "decoder" else (name, value))
    return found


def with_settings(config: ModelConfig, settings: Mapping[str, Any]) -> ModelConfig:
    """A configuration with some settings changed.

    A new `name` of an encoder, decoder or head takes the place of the one that is there, with the defaults of its
    fields; fields that both have (a canvas) keep their values.

    Args:
        config: of a model.
        settings: values by name, as `settings_of` names them.

    Raises:
        InputError: a setting that the model does not have, or a value that it cannot have.

    Example:
        >>> from metricvae.training.presets import preset
        >>> with_settings(preset("overlap").model, {"latent": 32, "head.scale": 100.0}).head.scale
        100.0
    """
    document = config.to_json()
    names = sorted(settings, key=lambda name: not name.endswith(".name"))
    for name in names:
        _set(document, config, name, settings[name])
    return ModelConfig.from_json(document)


def _set(document: dict[str, Any], config: ModelConfig, name: str, value: Any) -> None:
    *parents, last = name.split(".")
    place: Any = document
    for part in parents[:-1] if last == "name" else parents:
        place = place.get(part) if isinstance(place, dict) else None
    known = dict(_leaves(document))
    if name not in known or not isinstance(place, dict):
        raise InputError(f"the model has no setting '{name}': expected one of {', '.join(known)}")
    if last == "name":
        place[parents[-1]] = _part(config, parents, str(value), place[parents[-1]])
    else:
        place[last] = list(value) if isinstance(value, tuple) else value


def _part(config: ModelConfig, parents: list[str], name: str, before: dict[str, Any] | None) -> dict[str, Any] | None:
    """The document of an encoder, decoder or head of that name, with what it shares with the one before."""
    if parents[-1] == "decoder" and name == NONE:
        return None
    if before is not None and before["name"] == name:
        return before
    if parents == ["head"]:
        if name not in HEADS:
            raise InputError(f"there is no metric head {name!r}: expected one of {', '.join(HEADS)}")
        return head_to_json(HEADS[name]())
    made = _coder(config.towers[parents[0]], parents[-1], name).to_json()
    return made | {key: value for key, value in (before or {}).items() if key in made and key not in ("name", "widths")}


def _coder(tower: TowerConfig, part: str, name: str) -> CoderConfig:
    known = by_name(tower.kind.encoders if part == "encoder" else tower.kind.decoders)
    if name not in known:
        raise InputError(f"there is no {part} of {tower.kind.title} {name!r}: expected one of {', '.join(known)}")
    return known[name]()
