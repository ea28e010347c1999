"""The base layer (docs/format.md, sections 3 and 5): symbols, latents, and the denoised picture."""

from __future__ import annotations

import numpy as np

from reference.ans import Stream, check_symbols, slices, unpack
from reference.container import HYPERPRIOR, LATENTS, File
from reference.integer import Networks
from reference.weights import Weights


def decode_latents(file: File, weights: Weights) -> np.ndarray:
    """Latents int64 [ceil(height/16), ceil(width/16), M] in units of 2^-7."""
    networks = Networks(weights.tensors)
    rows, columns = -(-file.height // 16), -(-file.width // 16)
    features = networks.features(decode_hyper_latents(file, weights), rows, columns)
    cuts = list(slices(file.height, file.width, 16))
    crc, streams = unpack(file.section(LATENTS), 2 * len(cuts))
    tables = weights.tables("latent")

    latents = np.zeros((rows, columns, weights.architecture["latent"]), np.int64)
    parity = np.indices(latents.shape).sum(0) % 2
    coded = []
    for step in (0, 1):
        means, choice = networks.second(features, latents) if step else networks.first(features)
        for cut, data in zip(cuts, streams[step * len(cuts) :], strict=False):
            mine = parity[cut] == step
            stream = Stream(data)
            symbols = stream.pop_step(choice[cut][mine], tables)
            stream.close()
            latents[cut][mine] = np.clip(means[cut][mine] + 128 * symbols, 1 - 2**23, 2**23 - 1)
            coded.append(symbols)
    check_symbols(crc, coded)
    return latents


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
