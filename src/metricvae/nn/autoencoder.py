"""The magic autoencoder: a tower of encoder and decoder for either object of a pair, and a metric head between codes.

Where both objects are of one kind and the metric is symmetric, one tower serves both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from metricvae.core.coder_config import CoderConfig
from metricvae.core.errors import InputError
from metricvae.core.kind import KINDS, ObjectKind, kind_from_json
from metricvae.core.metric import METRICS, Metric, metric_from_json
from metricvae.nn.coders import Decoder, Encoder
from metricvae.nn.codes import Codes
from metricvae.nn.heads import Head, InnerProduct, head_from_json, head_to_json
from metricvae.nn.layers import seeded_weights

FORMAT = 2
"""Version of the model's configuration that is written; those without one are of version 1, and are still read."""

Sides = Literal["left", "right"]


@dataclass(frozen=True)
class TowerConfig:
    """What one side of a model is built from.

    Attributes:
        kind: of the objects it takes.
        encoder, decoder: their hyperparameters; no decoder, no reconstruction.
    """

    kind: ObjectKind
    encoder: CoderConfig
    decoder: CoderConfig | None = None

    def __post_init__(self) -> None:
        if self.decoder is not None and self.decoder.picture != self.encoder.picture:
            drawn, read = (" ".join(map(str, coder.picture)) for coder in (self.decoder, self.encoder))
            raise InputError(
                f"got encoder {self.encoder.name!r} with decoder {self.decoder.name!r}, which draw different pictures "
                f"({read}, and {drawn}): choose ones that go together"
            )

    @classmethod
    def of_kind(cls, kind: ObjectKind, objects: int | None = None) -> TowerConfig:
        """The kind's default networks; `objects` as for `ObjectKind.default_encoder`."""
        return cls(kind, kind.default_encoder(objects), kind.default_decoder(objects))

    def to_json(self) -> dict[str, Any]:
        """A document of plain values."""
        decoder = None if self.decoder is None else self.decoder.to_json()
        return {"kind": self.kind.to_json(), "encoder": self.encoder.to_json(), "decoder": decoder}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> TowerConfig:
        """The inverse of `to_json`.

        Raises:
            InputError: a kind, encoder or decoder that there is not.
        """
        kind = kind_from_json(document["kind"])
        encoder = coder_from_json(document["encoder"], kind.encoders, f"encoder of {kind.title}")
        if document["decoder"] is None:
            return cls(kind, encoder)
        return cls(kind, encoder, coder_from_json(document["decoder"], kind.decoders, f"decoder of {kind.title}"))


def by_name(configs: tuple[type[CoderConfig], ...]) -> dict[str, type[CoderConfig]]:
    """Configurations of encoders or decoders by their names and former names."""
    return {name: config for config in configs for name in (config.name, *config.aliases)}


def coder_from_json(document: Mapping[str, Any], known: tuple[type[CoderConfig], ...], noun: str) -> CoderConfig:
    """One of some configurations from what its `to_json` gave.

    Raises:
        InputError: none of that name, or not its fields.
    """
    found = by_name(known).get(str(document.get("name")))
    if found is None:
        names = ", ".join(config.name for config in known) or "none"
        raise InputError(f"there is no {noun} {document.get('name')!r}: expected one of {names}")
    return found.from_json(document)


@dataclass(frozen=True)
class ModelConfig:
    """What a model is built from; written to `config.json`.

    Attributes:
        metric: that it predicts.
        left: the tower of the first object of a pair.
        right: that of the second; None where `left` serves both.
        latent: size d of a code; the paper found that 80 "tends to work best".
        head: how two codes answer for the metric.
        mirrored: objects are compared by their codes and those of their mirror images together, twice as long: for
            metrics that are the same for the mirror images of both, and heads that go by angles.
    """

    metric: Metric
    left: TowerConfig
    right: TowerConfig | None = None
    latent: int = 80
    head: Head = field(default_factory=InnerProduct)
    mirrored: bool = False

    def __post_init__(self) -> None:
        if self.mirrored and not self.head.joins_mirrored:
            raise InputError(f"got mirrored codes with the head {self.head.name}: expected one that goes by angles")
        if self.metric.task not in self.head.tasks:
            raise InputError(
                f"got the head {self.head.name} for the {self.metric.task} metric {self.metric.name}: expected one for "
                f"{self.metric.task}"
            )
        if self.latent < 1:
            raise InputError(f"latent is {self.latent}: expected at least 1")

    @property
    def towers(self) -> dict[str, TowerConfig]:
        """The towers by side: one, under `left`, where it serves both."""
        return {"left": self.left} if self.right is None else {"left": self.left, "right": self.right}

    @property
    def kinds(self) -> tuple[ObjectKind, ObjectKind]:
        """Of the left and of the right objects."""
        return self.left.kind, (self.right or self.left).kind

    def to_json(self) -> dict[str, Any]:
        """A document of plain lists, numbers and strings."""
        return {
            "format": FORMAT,
            "metric": self.metric.to_json(),
            "left": self.left.to_json(),
            "right": None if self.right is None else self.right.to_json(),
            "latent": self.latent,
            "head": head_to_json(self.head),
            "mirrored": self.mirrored,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any], metric: str | None = None) -> ModelConfig:
        """The inverse of `to_json`.

        Args:
            document: as it stands in `config.json`.
            metric: name of the metric of a configuration of version 1, which does not say it.

        Raises:
            InputError: of a later version, a field that no model has, or a part that does not exist.
        """
        try:
            if document.get("format", 1) > FORMAT:
                raise InputError(
                    f"the model's configuration is of format {document['format']}, written by a later version "
                    f"(this one reads up to {FORMAT}): install that version"
                )
            if "format" not in document:
                return _from_version_1(document, metric)
            _refuse_unknown(document, {"format", "metric", "left", "right", "latent", "head", "mirrored"})
            right = document["right"]
            return cls(
                metric=metric_from_json(document["metric"]),
                left=TowerConfig.from_json(document["left"]),
                right=None if right is None else TowerConfig.from_json(right),
                latent=document["latent"],
                head=head_from_json(document["head"]),
                mirrored=document["mirrored"],
            )
        except (TypeError, KeyError, AttributeError) as error:
            raise InputError(f"the model's configuration cannot be read ({error}): restore config.json") from None


def _refuse_unknown(document: Mapping[str, Any], known: set[str]) -> None:
    if unknown := set(document) - known:
        raise KeyError(f"unexpected {sorted(unknown)[0]}")


def _from_version_1(document: Mapping[str, Any], metric: str | None) -> ModelConfig:
    """A configuration of version 1: names of encoder and decoder, widths, a canvas; nothing of kinds and metrics."""
    known = {"encoder", "decoder", "encoder_widths", "decoder_widths", "latent", "head", "mirrored", "height", "width"}
    _refuse_unknown(document, known)
    answered = metric_from_json(metric or _first_metric(str(document["encoder"])))
    canvas = {"height": document["height"], "width": document["width"]}
    canvas |= {"side": max(canvas.values())}
    kind, encoder = _reader_of(str(document["encoder"]), answered.left)
    kind = _with_fields(type(kind), canvas)()
    coders = by_name(kind.encoders)[encoder.name], by_name(kind.decoders)[str(document["decoder"])]
    widths = tuple(document["encoder_widths"]), tuple(document["decoder_widths"])
    made = [_with_fields(coder, canvas | {"widths": width})() for coder, width in zip(coders, widths, strict=True)]
    return ModelConfig(
        metric=answered,
        left=TowerConfig(kind, *made),
        latent=document["latent"],
        head=head_from_json(document["head"]),
        mirrored=document.get("mirrored", False),
    )


def _first_metric(encoder: str) -> str:
    """The first metric between kinds that an encoder of that name reads: of models that do not say theirs."""
    for name in METRICS.names():
        kind = METRICS.get(name)().left
        if kind and encoder in by_name(KINDS.get(kind)().encoders):
            return name
    raise InputError(f"there is no encoder {encoder!r}: restore config.json")


def _reader_of(encoder: str, preferred: str) -> tuple[ObjectKind, type[CoderConfig]]:
    """The kind that an encoder of that name reads: the preferred one, or one that takes its objects."""
    names = (preferred, *(name for name in KINDS.names() if name != preferred))
    for kind in (KINDS.get(name)() for name in names):
        found = by_name(kind.encoders).get(encoder)
        if found is not None and preferred in kind.family:
            return kind, found
    raise InputError(f"there is no encoder {encoder!r} of the kind {preferred}: restore config.json")


def _with_fields(config: type[Any], values: Mapping[str, Any]) -> Callable[[], Any]:
    """A dataclass with those of the values that it has fields for."""
    fields = {name: value for name, value in values.items() if name in config.__dataclass_fields__}
    return lambda: config(**fields)


class Tower(nn.Module):
    """An encoder and a decoder of one kind of objects, and the head by which their codes are compared."""

    encoder: Encoder
    decoder: Decoder | None

    def __init__(self, encoder: Encoder, decoder: Decoder | None, head: Head, mirrored: bool = False) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.head, self.mirrored = head, mirrored

    def encode(self, x: Tensor, generator: torch.Generator | None = None) -> Codes:
        """q(z | x) of (m, ...) objects and a draw from it."""
        return self.encode_features(self.encoder.prepare(x), generator)

    def encode_features(self, features: Tensor, generator: torch.Generator | None = None) -> Codes:
        """`encode` of objects that `encoder.prepare` has already seen.

        The draw is z = mean + std * noise with noise from N(0, I); without a generator the noise is zero. A generator
        on the CPU gives the same noise whatever the device.
        """
        mean, log_variance = (part.float() for part in self.encoder(features))
        if generator is None:
            return Codes(mean, log_variance, mean)
        noise = torch.randn(mean.shape, generator=generator, device=generator.device).to(mean.device)
        return Codes(mean, log_variance, mean + (0.5 * log_variance).exp() * noise)

    def decode(self, z: Tensor) -> Tensor:
        """Logits of (m, d) codes, (m, 1, ...).

        Raises:
            InputError: the model has no decoder.
        """
        logits: Tensor = self.drawer(z)
        return logits.float()

    @property
    def drawer(self) -> Decoder:
        """The decoder.

        Raises:
            InputError: the model has none.
        """
        if self.decoder is None:
            raise InputError("the model has no decoder, so it draws nothing: take a model that has one")
        return self.decoder

    @torch.inference_mode()
    def code(self, x: Tensor) -> Tensor:
        """The code an object is compared by, (m, d): the mean of q(z | x); see `code_features`."""
        return self.code_features(self.encoder.prepare(x))

    @torch.inference_mode()
    def code_features(self, features: Tensor) -> Tensor:
        """`code` of objects that `encoder.prepare` has already seen.

        Of a `mirrored` model the means of an object and of its mirror image, joined by the head, (m, 2 d): what two
        such codes say is the same for the mirror images of both. The decoder takes means alone.
        """
        mean = self.encode_features(features).mean
        if not self.mirrored:
            return mean
        return self.head.join_mirrored(mean, self.encode_features(self.encoder.mirror(features)).mean)

    @torch.inference_mode()
    def picture(self, z: Tensor) -> Tensor:
        """What the decoder makes of codes (m, d), as pictures: (m, 1, ...) in [0, 1], in the decoder's own pose."""
        return self.drawer.render(self.decode(z))


class MagicAutoencoder(nn.Module):
    """One tower or two, and a metric head. `build` makes one from a configuration.

    Attributes:
        towers: by side, `left` alone where it serves both.
        head: of the metric.
    """

    def __init__(self, towers: Mapping[str, Tower], head: Head) -> None:
        super().__init__()
        self.towers = nn.ModuleDict(dict(towers))
        self.head = head

    @property
    def left(self) -> Tower:
        """The tower of the first object of a pair."""
        return self.tower("left")

    @property
    def right(self) -> Tower:
        """The tower of the second object of a pair."""
        return self.tower("right")

    @property
    def shared(self) -> bool:
        """Whether one tower serves both sides."""
        return "right" not in self.towers

    def tower(self, side: str) -> Tower:
        """The tower of a side."""
        found = self.towers[side if side in self.towers else "left"]
        assert isinstance(found, Tower)
        return found

    def encoder_parameters(self) -> list[nn.Parameter]:
        """The weights that a loss of the codes depends on."""
        return [weight for side in self.towers for weight in self.tower(side).encoder.parameters()]


def build(config: ModelConfig, seed: int = 0) -> MagicAutoencoder:
    """A model with initial weights drawn from `seed`; the global random state is left as it was."""
    with seeded_weights(seed):
        towers = {side: _tower(tower, config) for side, tower in config.towers.items()}
        return MagicAutoencoder(towers, config.head)


def _tower(tower: TowerConfig, config: ModelConfig) -> Tower:
    encoder = tower.encoder.build(config.latent)
    decoder = None if tower.decoder is None else tower.decoder.build(config.latent)
    assert isinstance(encoder, Encoder)
    assert decoder is None or isinstance(decoder, Decoder)
    return Tower(encoder, decoder, config.head, config.mirrored)
