"""Pictures and a tiny recipe for the tests of the trainer."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ncodec.nets.architecture import QUALITIES, Architecture
from ncodec.train.data import open_packs
from ncodec.train.gradients import Part
from ncodec.train.recipe import DataRecipe, OptimiserRecipe, Recipe
from ncodec.train.sizes import Sizes, task_of
from ncodec.train.trainer import Trainer

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


def as_toml(values: dict, prefix: str = "") -> str:
    """A recipe's nested values as a file."""
    plain = [f"{k} = {json.dumps(v)}" for k, v in values.items() if not isinstance(v, dict)]
    tables = [f"[{prefix}{k}]\n{as_toml(v)}" for k, v in values.items() if isinstance(v, dict)]
    return "\n".join([*plain, *tables]) + "\n"


def recipe_with(**optimiser: float) -> Recipe:
    recipe = tiny_recipe()
    return dataclasses.replace(recipe, optimiser=dataclasses.replace(recipe.optimiser, **optimiser))


def recipe_of(sizes: Sizes) -> Recipe:
    """A tiny run of another network."""
    return dataclasses.replace(tiny_recipe(), task=task_of(sizes), architecture=sizes)


def trainer_of(recipe: Recipe, pictures: Path, cache: Path) -> Trainer:
    pack, _ = open_packs(pictures, cache, lambda text: None)
    torch.manual_seed(0)
    return Trainer(recipe, pack, torch.device("cpu"))


def parts_of(count: int, size: int = 1) -> list[Part]:
    random = torch.Generator().manual_seed(3)
    clean = torch.rand(count * size, 3, 64, 64, generator=random).contiguous(memory_format=torch.channels_last)
    choices = torch.randint(QUALITIES, (count, size), generator=random)
    return [Part(pictures, choices[seed], seed, 1 / count) for seed, pictures in enumerate(clean.split(size))]
