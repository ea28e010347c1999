"""encode and decode: the whole data flow, one above the other."""

from __future__ import annotations

import zlib
from functools import partial

import numpy as np
import torch

from ncodec.alpha import pack_alpha, unpack_alpha
from ncodec.base import decode_base, encode_base
from ncodec.container import MAX_METADATA_BYTES, Container, Header, Section, Tag
from ncodec.device import own_precision
from ncodec.errors import FormatError, RequestError
from ncodec.nets.architecture import LAMBDAS
from ncodec.nets.model import Model
from ncodec.noise import Noise, add_noise, estimate_noise
from ncodec.picture import Picture
from ncodec.refine import Progress, ignore, refine
from ncodec.residual import add_residual, encode_residual
from ncodec.weights import Models


def encode(
    picture: Picture,
    model: Model,
    quality: int,
    noise_quality: int | None,
    effort: int = 0,
    progress: Progress = ignore,
) -> Container:
    """Picture -> base layer -> enhancement layer -> sections.

    Args:
        picture: the input, noisy or not.
        model: that codes it.
        quality: 1 (smallest) ... 8 (best), of the base layer.
        noise_quality: 1 ... 8, of the enhancement layer; None leaves it out.
        effort: 0 ... EFFORTS, how long better latents are searched for.
        progress: told of that search.
    """
    noise = estimate_noise(picture.pixels)
    pixels = _tensor(picture.pixels)
    adjust = partial(refine, model, pixels, noise, quality, effort, progress=progress) if effort else None
    with own_precision(model.device):
        base = encode_base(model, pixels, quality, adjust)
        sections = [base.hyperprior, base.latents]
        if noise_quality is not None:
            clean = _synthesise(model, base.y_hat, quality, picture.pixels.shape)
            sections.append(encode_residual(picture.pixels, clean, _lambda(noise_quality), model.enhancement_tables))
    if picture.alpha is not None:
        sections.append(Section.of(Tag.ALPHA, pack_alpha(picture.alpha)))
    for tag, metadata in ((Tag.ICC, picture.icc), (Tag.EXIF, picture.exif)):
        if metadata:
            sections.append(Section.of(tag, zlib.compress(metadata, 9)))
    header = Header(
        width=picture.width,
        height=picture.height,
        is_rgb=picture.pixels.shape[2] == 3,
        has_alpha=picture.alpha is not None,
        quality=quality,
        model=model.id,
        poisson_a=noise.poisson_a,
        gaussian_b=noise.gaussian_b,
    )
    return Container(header, tuple(sorted(sections, key=lambda section: section.tag)))


def decode(box: Container, models: Models, strength: float, grain: bool = False, metadata: bool = True) -> Picture:
    """Sections -> base layer -> enhancement layer -> picture. The mirror of `encode`.

    Args:
        box: a parsed file.
        models: where the model that the file names is looked up.
        strength: of the denoising, 0 (plain: the input as faithfully as it was paid for) ... 1 (base layer alone).
        grain: add synthetic noise of the stored parameters to the result; only with strength 1.
        metadata: unpack the ICC profile and EXIF; without, damage in them does not stop a decode.

    Raises:
        RequestError: the file lacks the layer that this strength needs.
        FormatError, Damaged, ModelError, DriftError: see ncodec.errors.
    """
    head = box.header
    layer = box.enhancement if strength < 1 else None
    if strength < 1 and layer is None:
        raise RequestError("the file holds no enhancement layer, only the denoised picture: say --denoise or --grain")
    model = models.by_id(head.model)
    residual = box.checked(layer) if layer else None
    with own_precision(model.device):
        y_hat = decode_base(model, box.section(Tag.HYPERPRIOR), box.checked(box.latents), head.height, head.width)
        pixels = _synthesise(model, y_hat, head.quality, (head.height, head.width, head.channels))
    if residual:
        add_residual(pixels, residual, 1 - strength, model.enhancement_tables)
    if grain:
        pixels = add_noise(pixels, Noise(head.poisson_a, head.gaussian_b), seed=head.width * head.height)
    alpha = unpack_alpha(box.section(Tag.ALPHA), head.height, head.width) if head.has_alpha else None
    icc, exif = (_metadata(box, tag) if metadata else None for tag in (Tag.ICC, Tag.EXIF))
    return Picture(pixels, alpha, icc, exif)


def readable_exif(box: Container) -> bytes | None:
    """The EXIF of a file, or None if there is none or it is damaged."""
    try:
        return _metadata(box, Tag.EXIF)
    except FormatError:
        return None


def _synthesise(model: Model, y_hat: torch.Tensor, quality: int, shape: tuple[int, ...]) -> np.ndarray:
    """Latents -> denoised picture uint8 [H, W, C]."""
    height, width, channels = shape
    return model.transforms.synthesise(y_hat, quality, height, width, channels).numpy()


def _tensor(pixels: np.ndarray) -> torch.Tensor:
    """uint8 tensor that shares the array's memory, unless that is read-only or backwards: no tensor is."""
    is_shared = pixels.flags.writeable and min(pixels.strides) > 0  # a turned axis of length 1 counts as contiguous
    return torch.from_numpy(pixels if is_shared else pixels.copy())


def _lambda(quality: int) -> float:
    """Weight of the squared error, in 8-bit units, against bits per pixel."""
    return float(LAMBDAS[quality - 1])


def _metadata(box: Container, tag: Tag) -> bytes | None:
    """Unpacked ICC profile or EXIF, or None. Raises FormatError, Damaged: with a way to the picture, which is whole."""
    if not box.has(tag):
        return None
    try:
        return _unpack(box.section(tag), tag)
    except FormatError as err:
        raise type(err)(f"{err}; --no-metadata decodes the picture") from err


def _unpack(section: bytes, tag: Tag) -> bytes:
    """Raises FormatError if it does not unpack within the limit."""
    unpacker = zlib.decompressobj()
    try:
        data = unpacker.decompress(section, MAX_METADATA_BYTES)
    except zlib.error as err:
        raise FormatError(f"the {tag.name} section does not unpack ({err})") from err
    if not unpacker.eof or unpacker.unused_data:
        raise FormatError(
            f"the {tag.name} section does not unpack to one profile of at most {MAX_METADATA_BYTES} bytes"
        )
    return data
