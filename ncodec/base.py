"""The base layer: clean-picture latents <-> the hyperprior and latents sections of a file.

Integers go from the networks to the entropy coder and back; nothing else chooses a table. Encoder and decoder walk
through one function (`_code_latents`), so they cannot disagree about the order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ncodec.container import SLICE_PIXELS, Section, Tag
from ncodec.entropy import Decoder, Encoder, symbols_crc
from ncodec.errors import DriftError, FormatError
from ncodec.nets.architecture import HYPER_PER_LATENT, HYPER_STRIDE, LATENT_STRIDE
from ncodec.nets.exact import FEATURE_BITS
from ncodec.nets.model import Model
from ncodec.nets.prior import CONTEXT_HALO, FEATURE_HALO, SYMBOL_MAX, decoded, place_step, split_step
from ncodec.nets.windows import Window, windows
from ncodec.paths import LatentPaths
from ncodec.streams import pack_streams, unpack_streams
from ncodec.trellis.viterbi import SymbolCosts

SLICE_LATENTS = SLICE_PIXELS // LATENT_STRIDE
SLICE_HYPER = SLICE_PIXELS // HYPER_STRIDE

CodeStep = Callable[[int, Window, Tensor, np.ndarray], np.ndarray]
"""(step 0 or 1, slice, mean float integers [h, w, latent / 2], rows uint8 [n]) -> half steps int32 [n]."""

Adjust = Callable[[Tensor, Tensor], Tensor]
"""(latents float32 [h, w, latent], hyper-latents int16) -> latents of the same shape, to be coded in their place."""


@dataclass(frozen=True)
class BaseLayer:
    """An encoded base layer.

    Attributes:
        hyperprior, latents: the two sections.
        y_hat: float32 [ceil(H/16), ceil(W/16), latent], the latents as every decoder will have them.
    """

    hyperprior: Section
    latents: Section
    y_hat: Tensor


@torch.inference_mode()
def encode_base(model: Model, pixels: Tensor, quality: int, adjust: Adjust | None = None) -> BaseLayer:
    """Picture uint8 [H, W, 1 or 3] -> latents, adjusted if wanted -> symbols -> sections."""
    y = model.transforms.analyse(pixels, quality)
    z = hyper_latents(model, y)
    if adjust is not None:
        y = adjust(y, z)
    hyperprior = Section.of(Tag.HYPERPRIOR, _encode_hyper(model, z.cpu().numpy()))
    costs = SymbolCosts.of(model.latent_tables)
    streams: list[bytes] = []
    crc = 0

    def code(step: int, window: Window, mean: Tensor, rows: np.ndarray) -> np.ndarray:
        nonlocal crc
        paths = LatentPaths(rows, model.latent_tables)
        symbols = paths.quantise(residual(y[window.core], step, mean).cpu().numpy().reshape(-1), costs)
        encoder = Encoder(model.latent_tables)
        halves = paths.push(encoder, symbols)
        crc = symbols_crc(symbols, crc)
        streams.append(encoder.finish())
        return halves

    _code_latents(model, z, y, code)
    return BaseLayer(hyperprior, Section.of(Tag.LATENTS_TRELLIS, pack_streams(crc, streams)), y)


@torch.inference_mode()
def decode_base(model: Model, hyperprior: bytes, latents: Section, height: int, width: int) -> Tensor:
    """Sections (checked before) -> symbols -> latents float32 [ceil(height/16), ceil(width/16), latent].

    Raises:
        FormatError: a payload breaks a rule of the format.
        DriftError: the streams are fine, but this machine decoded other symbols than were coded.
    """
    rows, columns = -(-height // LATENT_STRIDE), -(-width // LATENT_STRIDE)
    y_hat = torch.zeros(rows, columns, model.arch.latent, dtype=torch.float32, device=model.device)
    z = torch.from_numpy(_decode_hyper(model, hyperprior, height, width)).to(model.device)
    count = sum(1 for _ in windows(rows, columns, SLICE_LATENTS))
    claimed, streams = unpack_streams(latents.payload, 2 * count, "latents")
    decoders = iter([Decoder(stream, model.latent_tables) for stream in streams])
    crc = 0

    def code(step: int, window: Window, mean: Tensor, rows: np.ndarray) -> np.ndarray:
        nonlocal crc
        decoder = next(decoders)
        if latents.tag == Tag.LATENTS_TRELLIS:
            symbols, halves = LatentPaths(rows, model.latent_tables).pop(decoder)
        else:
            symbols = decoder.pop(rows)
            halves = whole_steps(symbols)
        decoder.close()
        crc = symbols_crc(symbols, crc)
        return halves

    try:
        _code_latents(model, z, y_hat, code)
    except FormatError as err:  # the section's own checksum was right, so the stream is what the encoder wrote
        raise DriftError(_drift("latents")) from err
    if crc != claimed:
        raise DriftError(_drift("latents"))
    return y_hat


def hyper_latents(model: Model, y: Tensor) -> Tensor:
    """Latents -> hyper-latents int16 [h, w, hyper] as they are coded."""
    return drop_uncoded(model, model.transforms.hyper_analyse(y))


def drop_uncoded(model: Model, z: Tensor) -> Tensor:
    """Hyper-latents int16 [h, w, hyper] with 0 in the channels that are not coded."""
    return z * torch.from_numpy(model.hyper_tables.is_coded).to(z.device)


@torch.inference_mode()
def coded_symbols(model: Model, y: Tensor, z: Tensor) -> list[tuple[np.ndarray, np.ndarray]]:
    """(symbols, rows) of every step by the plain quantiser, symbols of rows that are not coded included.

    For calibrating tables and for measuring; `y` float32 and `z` int16 as the analysis gives them, `y` is overwritten.
    """
    steps: list[tuple[np.ndarray, np.ndarray]] = []

    def code(step: int, window: Window, mean: Tensor, rows: np.ndarray) -> np.ndarray:
        steps.append((_rounded(residual(y[window.core], step, mean)), rows))
        return whole_steps(steps[-1][0])

    _code_latents(model, z, y, code)
    return steps


def whole_steps(symbols: np.ndarray) -> np.ndarray:
    """int32 half steps of int16 symbols of the plain quantiser."""
    return 2 * symbols.astype(np.int32)


def residual(latents: Tensor, step: int, mean: Tensor) -> Tensor:
    """Latents [h, w, latent] -> float32 [h, w, latent / 2]: a step's less their means, no larger than symbols say."""
    values = torch.sub(split_step(latents, step), mean, alpha=2.0**-FEATURE_BITS)
    return values.clamp_(-SYMBOL_MAX, SYMBOL_MAX)


def _rounded(values: Tensor) -> np.ndarray:
    """int16 [n]."""
    return values.round().to(torch.int16).cpu().numpy().reshape(-1)


def _code_latents(model: Model, z: Tensor, y: Tensor, code: CodeStep) -> None:
    """Both steps of all slices: `code` turns parameters into half steps, `y` is overwritten with decoded latents."""
    features = latent_features(model, z, y.shape[0], y.shape[1])
    for step in (0, 1):
        for window in windows(y.shape[0], y.shape[1], SLICE_LATENTS, CONTEXT_HALO):
            mean, rows = step_parameters(model, features, y, window, step)
            halves = code(step, window, mean, rows.cpu().numpy().reshape(-1))
            values = decoded(mean, torch.from_numpy(halves).to(mean.device).view(mean.shape))
            place_step(y[window.core], values.float().mul_(2.0**-FEATURE_BITS), step)


def step_parameters(model: Model, features: Tensor, y: Tensor, window: Window, step: int) -> tuple[Tensor, Tensor]:
    """(mean float integers, table rows uint8), both [h, w, latent / 2], of a step (0, 1) in a window's core.

    Step 1 looks at the features alone; step 2 at the decoded latents `y` of step 1, too, also those around the window.
    The window has a halo of CONTEXT_HALO; for step 1 its core begins where row + column is even.
    """
    if step == 0:
        return model.prior.step1(features[window.core])
    top, left = window.outer_rows.start, window.outer_columns.start
    latents = y[window.outer] * (1 << FEATURE_BITS)
    mean, rows = model.prior.step2(features[window.outer], latents, top, left)
    return mean[window.inner()], rows[window.inner()]


def latent_features(model: Model, z: Tensor, height: int, width: int) -> Tensor:
    """Hyper-latents -> features float32 integers [height, width, entropy], slice by slice."""
    out = torch.empty(height, width, model.arch.entropy, dtype=torch.float32, device=z.device)
    for window in windows(z.shape[0], z.shape[1], SLICE_HYPER, FEATURE_HALO):
        part = model.prior.features(z[window.outer])[window.inner(HYPER_PER_LATENT)]
        place = out[window.rows.scaled(HYPER_PER_LATENT), window.columns.scaled(HYPER_PER_LATENT)]
        place.copy_(part[: place.shape[0], : place.shape[1]])
    return out


def _encode_hyper(model: Model, z: np.ndarray) -> bytes:
    """int16 [h, w, hyper] -> payload of the hyperprior section, one stream a slice."""
    crc, streams = 0, []
    for symbols, rows in _hyper_slices(model, z):
        crc = symbols_crc(symbols, crc)
        encoder = Encoder(model.hyper_tables)
        encoder.push(symbols.reshape(-1), rows)
        streams.append(encoder.finish())
    return pack_streams(crc, streams)


def _decode_hyper(model: Model, payload: bytes, height: int, width: int) -> np.ndarray:
    """The mirror of `_encode_hyper`: int16 [ceil(height/64), ceil(width/64), hyper]."""
    z = np.zeros((-(-height // HYPER_STRIDE), -(-width // HYPER_STRIDE), model.arch.hyper), np.int16)
    slices = list(_hyper_slices(model, z))
    claimed, streams = unpack_streams(payload, len(slices), "hyperprior")
    crc = 0
    for (symbols, rows), stream in zip(slices, streams, strict=True):
        decoder = Decoder(stream, model.hyper_tables)
        symbols[:] = decoder.pop(rows).reshape(symbols.shape)
        try:
            decoder.close()
        except FormatError as err:  # as in `decode_base`
            raise DriftError(_drift("hyper-latents")) from err
        crc = symbols_crc(symbols, crc)
    if crc != claimed:
        raise DriftError(_drift("hyper-latents"))
    return z


def _hyper_slices(model: Model, z: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(view [h, w, hyper], table rows [h * w * hyper]) of each slice: the row is the channel."""
    for window in windows(z.shape[0], z.shape[1], SLICE_HYPER):
        part = z[window.core]
        yield part, np.tile(np.arange(model.arch.hyper, dtype=np.uint16), part.shape[0] * part.shape[1])


def _drift(what: str) -> str:
    return (
        f"this machine decoded other {what} than the encoder coded, although the file is undamaged: "
        "please report it with your torch version and processor"
    )
