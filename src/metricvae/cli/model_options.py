"""Options `--model.SETTING` of every part of a model: its code, head, encoders and decoders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jsonargparse import Namespace

from metricvae.cli.common import option_value
from metricvae.cli.parser import Parser
from metricvae.core.errors import InputError

if TYPE_CHECKING:
    from metricvae.nn.autoencoder import ModelConfig

PREFIX = "model"


def add_model_settings(parser: Parser, model: ModelConfig, arguments: Sequence[str]) -> None:
    """An option for every setting; those of encoders, decoders and heads that are named among the arguments."""
    from metricvae.nn.model_settings import settings_of, with_settings

    chosen = {
        name: value
        for name in settings_of(model)
        if name.endswith(".name") and (value := option_value(arguments, f"--{PREFIX}.{name}")) is not None
    }
    for name, default in settings_of(with_settings(model, chosen)).items():
        parser.add_argument(f"--{PREFIX}.{name}", type=_type_of(default), default=_plain(default), help="of the model")


def model_of(options: Namespace, model: ModelConfig) -> ModelConfig:
    """The model with the settings that the options give."""
    from metricvae.nn.model_settings import with_settings

    given = _flat(options.get(PREFIX) or Namespace())
    try:
        return with_settings(model, given)
    except ValueError as error:
        raise InputError(f"the model cannot be built so ({error}): see metricvae train DATASET --help") from None


def _flat(values: Namespace, prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in vars(values).items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, Namespace) else {f"{prefix}{key}": value}
    return found


def _type_of(default: Any) -> Any:
    """The type of an option that takes what its default is like: lists of numbers, also nested, or one value."""
    if isinstance(default, list | tuple):
        return list[_type_of(default[0])] if default else list[Any]  # type: ignore[misc]
    return Any if default is None else type(default)


def _plain(default: Any) -> Any:
    return [_plain(part) for part in default] if isinstance(default, list | tuple) else default
