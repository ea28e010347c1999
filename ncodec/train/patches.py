"""Random training patches from a pack: cut out of the memory map, or gathered on a GPU that holds the whole set."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ncodec.train.data import Pack, mirrored
from ncodec.train.recipe import DataRecipe

WEIGHT_MAX_PX = 2_000_000
"""A picture is chosen in proportion to its pixels, up to this many: large ones hold much of the same."""
LUMA = (0.299, 0.587, 0.114)
DARK_POWERS = (1.2, 3.0)
"""Dark pictures are others to a power between these: bright spots on black, as a fluorescence microscope has them."""
DARK_BLACK_MAX = 0.06
"""Their black is a level from 0 to this: the offset that detectors add, which keeps noise from being cut off at 0."""
DARK_GRAY_SHARE = 0.5
"""So many of them are gray, if not more of all are."""


class PatchSource:
    """Draws batches of clean patches; every choice comes from one generator whose state can be saved."""

    def __init__(self, pack: Pack, recipe: DataRecipe, device: torch.device, seed: int) -> None:
        self.pack = pack
        self.recipe = recipe
        self.device = device
        self.random = np.random.default_rng(seed)
        share = np.minimum(pack.index[:, 1] * pack.index[:, 2], WEIGHT_MAX_PX).astype(np.float64)
        self.share = share / share.sum()
        self.resident = torch.from_numpy(np.array(pack.data)).to(device) if device.type == "cuda" else None

    def state_dict(self) -> dict[str, Any]:
        return dict(self.random.bit_generator.state)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.random.bit_generator.state = state

    def batch(self) -> Tensor:
        """float32 [batch, 3, patch, patch] in [0, 1], channels last."""
        recipe, side = self.recipe, self.recipe.patch
        chosen = self.random.choice(len(self.pack), recipe.batch, p=self.share)
        kind = self.random.random(recipe.batch)
        half = kind < recipe.half_share
        resized = ~half & (kind < recipe.half_share + recipe.resized_share)
        odd_side = round(side * self.random.uniform(1, 2))
        shorter = self.pack.index[chosen, 1:].min(1)
        half &= shorter >= 2 * side
        resized &= shorter >= odd_side
        parts = [self._cut(chosen[~half & ~resized], side)]
        if half.any():
            parts.append(functional.avg_pool2d(self._cut(chosen[half], 2 * side), 2))
        if resized.any():
            large = self._cut(chosen[resized], odd_side)
            parts.append(functional.interpolate(large, size=(side, side), mode="bilinear", antialias=True))
        x = torch.cat(parts).div_(255)
        is_dark = self.random.random(recipe.batch) < recipe.dark_share
        gray_chance = np.where(is_dark, np.maximum(recipe.gray_share, DARK_GRAY_SHARE), recipe.gray_share)
        gray = np.flatnonzero(self.random.random(recipe.batch) < gray_chance)
        if len(gray):
            luma = x.new_tensor(LUMA)[:, None, None]
            at = torch.from_numpy(gray).to(self.device)
            x[at] = (x[at] * luma).sum(1, keepdim=True).expand(-1, 3, -1, -1)
        dark = np.flatnonzero(is_dark)
        if len(dark):
            draws = (self.random.uniform(*DARK_POWERS, len(dark)), self.random.uniform(0, DARK_BLACK_MAX, len(dark)))
            power, black = (x.new_tensor(draw)[:, None, None, None] for draw in draws)
            at = torch.from_numpy(dark).to(self.device)
            x[at] = black + (1 - black) * x[at] ** power
        return x.contiguous(memory_format=torch.channels_last)

    def _cut(self, pictures: np.ndarray, side: int) -> Tensor:
        """float32 [n, 3, side, side] in 0..255 at random places, flipped and transposed at random."""
        sizes = self.pack.index[pictures, 1:]
        run = np.arange(side)
        start = self.random.integers(0, np.maximum(sizes - side, 0) + 1)[..., None]
        flip = self.random.random(start.shape) < 0.5
        lines = mirrored(start + np.where(flip, run[::-1], run), sizes[..., None])
        swap = self.random.random(len(pictures)) < 0.5
        cut = self._mapped if self.resident is None else self._gathered
        return cut(pictures, lines, swap).permute(0, 3, 1, 2).float()

    def _mapped(self, pictures: np.ndarray, lines: np.ndarray, swap: np.ndarray) -> Tensor:
        """uint8 [n, side, side, 3] of rows `lines[:, 0]` and columns `lines[:, 1]`, then transposed where `swap`."""
        out = np.empty((len(pictures), lines.shape[2], lines.shape[2], 3), np.uint8)
        for patch, picture, (rows, columns), turn in zip(out, pictures, lines, swap, strict=True):
            left, right = columns.min(), columns.max() + 1
            cut = self.pack.picture(picture)[rows, left:right][:, columns - left]
            patch[:] = cut.transpose(1, 0, 2) if turn else cut
        return torch.from_numpy(out)

    def _gathered(self, pictures: np.ndarray, lines: np.ndarray, swap: np.ndarray) -> Tensor:
        """The same on the device that holds the set: byte offsets of rows plus those of columns."""
        offset, width = self.pack.index[pictures, 0, None], self.pack.index[pictures, 2, None]
        rows, columns = lines[:, 0] * width * 3 + offset, lines[:, 1] * 3
        first = np.where(swap[:, None], columns, rows)
        second = np.where(swap[:, None], rows, columns)
        first, second = (torch.from_numpy(a).to(self.device) for a in (first, second))
        places = first[:, :, None, None] + second[:, None, :, None] + torch.arange(3, device=self.device)
        if self.resident is None:
            raise ValueError("the set is not on the device")
        return self.resident[places]
