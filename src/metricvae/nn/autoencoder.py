"""The magic autoencoder: an encoder, a decoder and a metric head over the codes between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.decoders.density import DensityDecoderConfig
from metricvae.kinds.molecule.encoders.point_set import PointSetEncoderConfig
from metricvae.kinds.molecule.packing import Form
from metricvae.kinds.molecule_2d.encoders.graph import GraphEncoderConfig
from metricvae.kinds.silhouette.decoders.canonical import CanonicalDecoderConfig
from metricvae.kinds.silhouette.decoders.dense import DenseDecoderConfig
from metricvae.kinds.silhouette.encoders.contour import ContourEncoderConfig
from metricvae.kinds.silhouette.encoders.dense import DenseEncoderConfig
from metricvae.kinds.silhouette.encoders.polar import PolarEncoderConfig
from metricvae.nn.coders import Decoder, Encoder
from metricvae.nn.codes import Codes
from metricvae.nn.heads import Head, InnerProduct, Joining, head_from_json, head_to_json

DECODED_BY = {"flat": "flat", "polar": "canonical", "contour": "canonical", "cloud": "solid", "graph": "solid"}
"""The decoder of each encoder."""


@dataclass(frozen=True)
class ModelConfig:
    """What a model is built from; written to `config.json`.

    Attributes:
        encoder: `flat` (the paper's fully connected one), or one that is invariant to motions by construction: `polar`
            looks at a shape about its centroid, `contour` along its edge, `cloud` at the atoms of a molecule
            in space, `graph` at its atoms and bonds alone.
        decoder: `flat` (the object as it lies), or one that draws the object in a pose of its own: `canonical` goes
            with `polar` and `contour`, `solid` with `cloud` and `graph`.
        encoder_widths: hidden layers; the paper's three of 500 neurons.
        decoder_widths: hidden layers; the paper's two of 500 neurons.
        latent: size d of a code; the paper found that 80 "tends to work best".
        head: how two codes answer for the metric.
        mirrored: objects are compared by their codes and those of their mirror images together, twice as long: for
            metrics that are the same for the mirror images of both, and heads that go by angles.
        height, width: canvas in pixels.
    """

    encoder: Literal["flat", "polar", "contour", "cloud", "graph"] = "flat"
    decoder: Literal["flat", "canonical", "solid"] = "flat"
    encoder_widths: tuple[int, ...] = (500, 500, 500)
    decoder_widths: tuple[int, ...] = (500, 500)
    latent: int = 80
    head: Head = field(default_factory=InnerProduct)
    mirrored: bool = False
    height: int = 200
    width: int = 200

    def __post_init__(self) -> None:
        known = self.encoder in DECODED_BY and self.decoder in DECODED_BY.values()
        if known and DECODED_BY[self.encoder] != self.decoder:
            raise InputError(
                f"got encoder {self.encoder!r} with decoder {self.decoder!r}, which draw different pictures: "
                f"expected {DECODED_BY[self.encoder]!r}"
            )
        if self.mirrored and not isinstance(self.head, Joining):
            raise InputError(f"got mirrored codes with the head {self.head.name}: expected one that goes by angles")

    @property
    def form(self) -> Form:
        """What the model takes."""
        return "molecules" if self.encoder in ("cloud", "graph") else "masks"

    @property
    def shape(self) -> tuple[int, int]:
        return self.height, self.width

    def to_json(self) -> dict[str, Any]:
        """A document of plain lists, numbers and strings."""
        document = asdict(self) | {"head": head_to_json(self.head)}
        return {key: list(value) if isinstance(value, tuple) else value for key, value in document.items()}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> ModelConfig:
        """The inverse of `to_json`.

        Raises:
            InputError: a field that no model has, or a head that does not exist.
        """
        fields: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in document.items()
        }
        try:
            fields["head"] = head_from_json(document["head"])
            return cls(**fields)
        except (TypeError, KeyError, AttributeError) as error:
            raise InputError(f"the model's configuration cannot be read ({error}): restore config.json") from None


class MagicAutoencoder(nn.Module):
    """Encoder, decoder and metric head. `build` makes one from a configuration."""

    def __init__(self, encoder: Encoder, decoder: Decoder, head: Head, mirrored: bool = False) -> None:
        super().__init__()
        self.mirrored = mirrored
        self.encoder = encoder
        self.decoder = decoder
        self.head = head

    def encode(self, x: Tensor, generator: torch.Generator | None = None) -> Codes:
        """q(z | x) of (m, 1, H, W) objects and a draw from it."""
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
        """Logits of the pixels, (m, 1, H, W), of (m, d) codes."""
        return self.decoder(z).float()

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
        assert isinstance(self.head, Joining)
        return self.head.joined(mean, self.encode_features(self.encoder.mirror(features)).mean)

    @torch.inference_mode()
    def picture(self, z: Tensor) -> Tensor:
        """What the decoder makes of codes (m, d), as pictures: (m, 1, H, W) in [0, 1], in the decoder's own pose."""
        return self.decoder.render(self.decode(z))


def build(config: ModelConfig, seed: int = 0) -> MagicAutoencoder:
    """A model with initial weights drawn from `seed`; the global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # not `torch.manual_seed`, which reseeds every GPU too
        return MagicAutoencoder(_encoder(config), _decoder(config), config.head, config.mirrored)


def _encoder(config: ModelConfig) -> Encoder:
    widths, latent = config.encoder_widths, config.latent
    match config.encoder:
        case "flat":
            return DenseEncoderConfig(widths, config.height, config.width).build(latent)
        case "polar":
            return PolarEncoderConfig(widths).build(latent)
        case "contour":
            return ContourEncoderConfig(widths).build(latent)
        case "cloud":
            return PointSetEncoderConfig(widths).build(latent)
        case "graph":
            return GraphEncoderConfig(widths).build(latent)
    raise InputError(f"there is no encoder {config.encoder!r}: expected {', '.join(DECODED_BY)}")


def _decoder(config: ModelConfig) -> Decoder:
    widths, latent = config.decoder_widths, config.latent
    match config.decoder:
        case "flat":
            return DenseDecoderConfig(widths, config.height, config.width).build(latent)
        case "canonical":
            return CanonicalDecoderConfig(widths, side=max(config.shape)).build(latent)
        case "solid":
            return DensityDecoderConfig(widths).build(latent)
    raise InputError(f"there is no decoder {config.decoder!r}: expected flat, canonical or solid")
