"""One picture through the methods; what several of them need is done and timed once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from ncodec.bench.clock import Clock, Timed
from ncodec.bench.methods import Method
from ncodec.bench.methods.kit import Kit
from ncodec.bench.pictures import Pair

Chain = tuple[str, str]
"""(denoiser before the encoder, codec)."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a method at a setting made of a picture; see `ncodec.bench.row.Row`. `pixels` uint8, of its shape."""

    pixels: np.ndarray
    size_bytes: int | None
    denoise_s: float | None
    encode_s: float | None
    decode_s: float | None
    repeats: int
    memory_peak_mib: float | None
    kmac_per_pixel: float | None


@dataclass(frozen=True, eq=False)
class _Coded:
    size_bytes: int
    encoded: Timed[bytes]
    decoded: Timed[np.ndarray]


def shared_chains(methods: Iterable[Method]) -> frozenset[Chain]:
    """Those that more than one of the methods begin with."""
    counts = Counter((method.before, method.codec) for method in methods)
    return frozenset(chain for chain, count in counts.items() if count > 1)


class Session:
    """Runs methods on a picture.

    Args:
        pair: the picture.
        kit: the parts of methods.
        clock: for all pictures of a comparison.
        shared: chains whose files are kept, until the session ends.
    """

    def __init__(self, pair: Pair, kit: Kit, clock: Clock, shared: frozenset[Chain]) -> None:
        self._pair, self._kit, self._clock, self._shared = pair, kit, clock, shared
        self._denoised: dict[str, Timed[np.ndarray]] = {}
        self._coded: dict[tuple[Chain, str], _Coded] = {}

    def outcome(self, method: Method, setting: str) -> Outcome:
        """Run a method, or those parts of it that have not been run yet. Raises NcodecError if it cannot be done."""
        pixels, stages, denoise_s, coded = self._pair.noisy, [], None, None
        if method.before:
            stages.append(before := self._before(method.before))
            pixels, denoise_s = before.value, before.time_s
        if method.codec:
            coded = self._code((method.before, method.codec), setting, pixels)
            stages += [coded.encoded, coded.decoded]
            pixels = coded.decoded.value
        if method.after:
            stages.append(after := self._denoise("after", method.after, pixels))
            pixels, denoise_s = after.value, after.time_s
        memory = [stage.memory_peak_mib for stage in stages if stage.memory_peak_mib is not None]
        return Outcome(
            pixels=pixels,
            size_bytes=coded and coded.size_bytes,
            denoise_s=denoise_s,
            encode_s=coded and coded.encoded.time_s,
            decode_s=coded and coded.decoded.time_s,
            repeats=min((stage.repeats for stage in stages), default=0),
            memory_peak_mib=max(memory, default=None),
            kmac_per_pixel=self._kmac(method),
        )

    def _before(self, name: str) -> Timed[np.ndarray]:
        if name not in self._denoised:
            self._denoised[name] = self._denoise("before", name, self._pair.noisy)
        return self._denoised[name]

    def _denoise(self, place: str, name: str, pixels: np.ndarray) -> Timed[np.ndarray]:
        part, sigma = self._kit.denoiser(name), self._pair.sigma_8bit
        return self._clock.run((place, name, pixels.shape), lambda: part.denoise(pixels, sigma))

    def _code(self, chain: Chain, setting: str, pixels: np.ndarray) -> _Coded:
        if (chain, setting) in self._coded:
            return self._coded[chain, setting]
        name, sigma = chain[1], self._pair.sigma_8bit
        part = self._kit.codec(name)
        encoded = self._clock.run(("encode", name, setting, pixels.shape), lambda: part.encode(pixels, setting, sigma))
        decoded = self._clock.run(
            ("decode", name, setting, pixels.shape), lambda: _with_channels(part.decode(encoded.value), pixels)
        )
        coded = _Coded(len(encoded.value), encoded, decoded)
        if chain in self._shared:
            self._coded[chain, setting] = coded
        return coded

    def _kmac(self, method: Method) -> float | None:
        makers: tuple[tuple[str, Callable], ...] = (
            (method.before, self._kit.denoiser),
            (method.codec, self._kit.codec),
            (method.after, self._kit.denoiser),
        )
        found = [part(name).kmac_per_pixel for name, part in makers if name]
        known = [kmac for kmac in found if kmac is not None]
        return sum(known) if known else None


def _with_channels(pixels: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Some formats know no gray pictures: what they give back is made gray again."""
    if pixels.shape[2] > like.shape[2]:
        return np.rint(pixels.mean(2, keepdims=True)).astype(np.uint8)
    return np.repeat(pixels, like.shape[2] // pixels.shape[2], axis=2)
