"""Pictures and a tiny recipe for the tests of the trainer."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from PIL import Image

from ncodec.nets.architecture import Architecture
from ncodec.train.recipe import DataRecipe, OptimiserRecipe, Recipe

TINY = Architecture(16, 16, 16, 8, 8, 1, 1, 1, 1, 1)


def tiny_recipe(**loop: float) -> Recipe:
    """A network and batches so small that a step takes a few hundredths of a second."""
    recipe = Recipe(
        architecture=TINY,
        data=DataRecipe(patch=64, batch=8),
        optimiser=OptimiserRecipe(adam_rate=2e-3, muon_rate=0.02, warmup_steps=4, ema_decay=0.95),
    )
    return dataclasses.replace(recipe, loop=dataclasses.replace(recipe.loop, log_steps=2, evaluate_crops=2, **loop))


def training_pictures(folder: Path) -> Path:
    """Fill `folder` with smooth shapes with edges, one of them gray, one small, and a file that is no picture."""
    random = np.random.default_rng(0)
    for i in range(6):
        height, width = (40, 50) if i == 5 else (150 + 30 * i, 260 - 20 * i)
        y, x = np.mgrid[:height, :width]
        waves = [np.sin(x * random.uniform(0.02, 0.2) + y * random.uniform(0.02, 0.2)) for _ in range(3)]
        picture = 128 + 60 * np.stack(waves, 2) + 50 * ((x // 37 + y // 29) % 2)[..., None]
        image = Image.fromarray(picture.clip(0, 255).astype(np.uint8))
        (image.convert("L") if i == 4 else image).save(folder / f"{i}.png")
    (folder / "readme.txt").write_text("not a picture")
    return folder
