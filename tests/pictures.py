"""Pictures for tests, made procedurally: gradients, edges, texture, text-like strokes, noise."""

from __future__ import annotations

import numpy as np


def scene(height: int, width: int, channels: int = 3, sigma: float = 0.0, seed: int = 0) -> np.ndarray:
    """uint8 [height, width, channels]: a sky-like gradient, discs with hard edges, stripes, text-like strokes."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    picture = np.stack([170 - 0.15 * y, 150 - 0.1 * y + 0.05 * x, 120 + 0.1 * x], 2)
    for _ in range(6):
        cy, cx, radius = rng.uniform(0, height), rng.uniform(0, width), rng.uniform(0.05, 0.25) * max(height, width)
        disc = (y - cy) ** 2 + (x - cx) ** 2 < radius**2
        picture[disc] = rng.uniform(20, 235, 3) + 12 * np.sin((y + x)[disc] / rng.uniform(1, 9))[:, None]
    stripes = (y > 0.8 * height) & (np.sin(x**1.5 / 40) > 0)
    picture[stripes] = 30
    glyphs = np.kron(rng.random((height // 4 + 1, width // 3 + 1)) > 0.55, np.ones((4, 3), bool))[:height, :width]
    strokes = (y % 24 < 12) & (x < width / 4) & glyphs
    picture[strokes] = 245
    if channels == 1:
        picture = picture.mean(2, keepdims=True)
    picture = picture + rng.normal(0, sigma, picture.shape) if sigma else picture
    return np.clip(np.round(picture), 0, 255).astype(np.uint8)
