"""The base layer (docs/format.md, sections 3 and 5): symbols, latents, and the denoised picture."""

from __future__ import annotations

import numpy as np

from reference.ans import Stream, Table, check_symbols, slices, unpack
from reference.container import HYPERPRIOR, LATENTS, LATENTS_TRELLIS, File
from reference.integer import Networks
from reference.trellis import NEXT, half_steps, with_odd_tables
from reference.weights import Weights


def decode_latents(file: File, weights: Weights) -> np.ndarray:
    """Latents int64 [ceil(height/16), ceil(width/16), M] in units of 2^-7."""
    networks = Networks(weights.tensors)
    rows, columns = -(-file.height // 16), -(-file.width // 16)
    features = networks.features(decode_hyper_latents(file, weights), rows, columns)
    cuts = list(slices(file.height, file.width, 16))
    trellis = LATENTS_TRELLIS in file.sections
    crc, streams = unpack(file.section(LATENTS_TRELLIS if trellis else LATENTS), 2 * len(cuts))
    tables = all_tables(weights)

    latents = np.zeros((rows, columns, weights.architecture["latent"]), np.int64)
    parity = np.indices(latents.shape).sum(0) % 2
    coded = []
    for step in (0, 1):
        means, choice = networks.second(features, latents) if step else networks.first(features)
        for cut, data in zip(cuts, streams[step * len(cuts) :], strict=False):
            mine = parity[cut] == step
            stream = Stream(data)
            rows = choice[cut][mine]
            symbols, odd = pop_paths(stream, rows, tables) if trellis else (stream.pop_step(rows, tables), False)
            stream.close()
            halves = half_steps(symbols, np.broadcast_to(odd, symbols.shape))
            latents[cut][mine] = np.clip(means[cut][mine] + 64 * halves, 1 - 2**23, 2**23 - 1)
            coded.append(symbols)
    check_symbols(crc, coded)
    return latents


def all_tables(weights: Weights) -> list[Table]:
    """`tables.latent`, and the odd rows after them."""
    tables = weights.tables("latent")
    return with_odd_tables(tables, [r + 6 if 9 <= r <= len(tables) - 7 else None for r in range(len(tables))])


def pop_paths(stream: Stream, rows: np.ndarray, tables: list[Table]) -> tuple[np.ndarray, np.ndarray]:
    """Symbols int64 of the array of a stream under a trellis, and which of them are odd coded."""
    count = len(tables) // 2
    on_paths = np.array([bool(tables[count + row].counts) for row in rows.tolist()], bool)
    symbols = stream.pop_step(np.where(on_paths, 0, rows), tables)
    odd = np.zeros(len(rows), bool)
    places = np.array(sorted(np.flatnonzero(on_paths).tolist(), key=lambda i: rows[i]), np.int64)
    paths = -(-len(places) // 128)
    states = np.zeros(paths, np.int64)
    for first in range(0, len(places), max(paths, 1)):
        now = places[first : first + paths]
        odd[now] = states[: len(now)] % 2 == 1
        symbols[now] = stream.pop_step(rows[now] + count * odd[now], tables)
        states[: len(now)] = NEXT[symbols[now] & 1, states[: len(now)]]
    return symbols, odd


def decode_hyper_latents(file: File, weights: Weights) -> np.ndarray:
    """Hyper-latents int64 [ceil(height/64), ceil(width/64), Z]."""
    cuts = list(slices(file.height, file.width, 64))
    crc, streams = unpack(file.section(HYPERPRIOR), len(cuts))
    tables = weights.tables("hyper")
    z = np.zeros((-(-file.height // 64), -(-file.width // 64), weights.architecture["hyper"]), np.int64)
    coded = []
    for cut, data in zip(cuts, streams, strict=True):
        stream = Stream(data)
        z[cut] = stream.pop_step(np.indices(z[cut].shape)[2], tables)
        stream.close()
        coded.append(z[cut])
    check_symbols(crc, coded)
    return z


def denoised(file: File, weights: Weights, latents: np.ndarray) -> np.ndarray:
    """Float32 [height, width, channels], 255 for white, before rounding."""
    return 255 * Synthesis(weights, file.quality - 1).picture(latents, file.height, file.width, file.rgb)


class Synthesis:
    """The synthesis transform at one quality: arrays are float32 [rows, columns, channels]."""

    def __init__(self, weights: Weights, quality: int) -> None:
        chosen = {name: t for name, t in weights.tensors.items() if name.startswith("synthesis.")}
        self.tensors = {name.removeprefix("synthesis."): t.astype(np.float32) for name, t in chosen.items()}
        self.depth = weights.architecture
        self.quality = quality

    def picture(self, latents: np.ndarray, height: int, width: int, rgb: bool) -> np.ndarray:
        """[height, width, channels], 1 for white."""
        gain = np.exp(self.tensors["log_gain"][self.quality])
        x = self.conv((latents / 128).astype(np.float32) * gain, "latent")
        x = self.blocks(self.scaled(x, "quality16"), "stage16", "synthesis16")
        x = pixel_shuffle(self.conv(x, "up.c"), 2)
        x = self.blocks(self.scaled(x, "quality8"), "stage8", "synthesis8")
        x = self.blocks(x, "denoising8", "denoising8")
        x = pixel_shuffle(self.conv(x, "patch"), 8)[:height, :width]
        return x if rgb else x.mean(2, keepdims=True)

    def scaled(self, x: np.ndarray, name: str) -> np.ndarray:
        """What depends on the quality."""
        return x * (1 + self.tensors[f"{name}.scale"][self.quality]) + self.tensors[f"{name}.shift"][self.quality]

    def blocks(self, x: np.ndarray, name: str, depth: str) -> np.ndarray:
        """Residual blocks, as many as the architecture says."""
        for index in range(self.depth[depth]):
            block = f"{name}.{index}"
            inner = self.depthwise(leaky(self.conv(x, f"{block}.a"), 2**-7), f"{block}.d")
            x = x + self.conv(inner, f"{block}.b")
            x = x + self.conv(leaky(self.conv(x, f"{block}.u"), 2**-3), f"{block}.v")
        return x

    def conv(self, x: np.ndarray, name: str) -> np.ndarray:
        """A 1 x 1 convolution."""
        return x @ self.tensors[f"{name}.weight"][:, :, 0, 0].T + self.tensors[f"{name}.bias"]

    def depthwise(self, x: np.ndarray, name: str) -> np.ndarray:
        """A 3 x 3 convolution of each channel."""
        rows, columns, _ = x.shape
        wide, weight = np.pad(x, ((1, 1), (1, 1), (0, 0))), self.tensors[f"{name}.weight"][:, 0]
        taps = ((i, j) for i in range(3) for j in range(3))
        return sum(
            (wide[i : i + rows, j : j + columns] * weight[:, i, j] for i, j in taps), self.tensors[f"{name}.bias"]
        )


def leaky(x: np.ndarray, slope: float) -> np.ndarray:
    """Leaky rectifier."""
    return np.where(x < 0, np.float32(slope) * x, x)


def pixel_shuffle(x: np.ndarray, factor: int) -> np.ndarray:
    """As torch's: channel c f^2 + i f + j becomes channel c at (f r + i, f s + j)."""
    rows, columns, channels = x.shape
    x = x.reshape(rows, columns, channels // factor**2, factor, factor).transpose(0, 3, 1, 4, 2)
    return x.reshape(factor * rows, factor * columns, channels // factor**2)
