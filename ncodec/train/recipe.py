"""What a training run is made of: one TOML file per shipped model in `recipes/`, read into frozen dataclasses."""

from __future__ import annotations

import dataclasses
import math
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ncodec.errors import RequestError
from ncodec.nets.architecture import HYPER_STRIDE, Architecture
from ncodec.train.sizes import CODEC, SIZES, Sizes

FOLDER = Path(__file__).parent / "recipes"
SPELLINGS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class DataRecipe:
    """How patches are cut. Shares are probabilities per patch."""

    patch: int = 128
    """Side in pixels, a multiple of 64."""
    batch: int = 32
    half_share: float = 0.2
    """Reduced by 2, as a mean of 2x2 pixels."""
    resized_share: float = 0.1
    """Reduced by one factor in 1..2 drawn anew for every batch."""
    gray_share: float = 0.1
    dark_share: float = 0.0
    """Darkened, see `ncodec.train.patches.DARK_POWERS`."""


@dataclass(frozen=True, slots=True)
class NoiseRecipe:
    """The training noise, see `ncodec.train.noise`. Standard deviations in 8-bit levels."""

    sigma_max: float = 55.0
    sigma_power: float = 1.3
    """sigma = sigma_max * u^sigma_power, u uniform in 0..1."""
    clean_share: float = 0.12
    poisson_share: float = 0.5
    """Of the white part: this share is partly Poissonian (Foi et al.), the rest purely Gaussian."""
    photon_share: float = 0.5
    """Of the Poissonian part: this share is drawn photon by photon, the rest as normal noise of that variance."""
    camera_share: float = 0.35
    """Drawn in linear light, as cameras do."""
    linear_share: float = 0.3
    """Of the camera part: this share is white (Cheng et al.), the rest correlated in space and colour."""
    reduced_share: float = 0.35
    """Of the camera part: this share is what a camera's own noise reduction leaves."""
    jpeg_share: float = 0.3
    """Of the camera part: this share is quantised like a JPEG file afterwards."""


@dataclass(frozen=True, slots=True)
class OptimiserRecipe:
    """Rates and their course: warm-up, a constant part, then a linear fall."""

    adam_rate: float = 5e-4
    muon_rate: float = 0.01
    fast_factor: float = 10.0
    """Gains, quality scales and the factorized prior learn this much faster than the rest of Adam's part."""
    warmup_steps: int = 400
    fall_share: float = 1.0
    """Share of the whole run over which the rates fall."""
    final_factor: float = 0.01
    clip_norm: float = 4.0
    """Of the gradient of `clip_batch` samples."""
    clip_batch: int = 1
    ema_decay: float = 0.999


@dataclass(frozen=True, slots=True)
class LoopRecipe:
    """Housekeeping of a run."""

    seed: int = 0
    log_steps: int = 50
    save_s: float = 300.0
    evaluate_s: float = 600.0
    evaluate_crops: int = 16


@dataclass(frozen=True, slots=True)
class Recipe:
    """All of it. `Recipe()` is the base model's architecture with the rates of a fresh start.

    `task` is what is trained, a key of `ncodec.train.sizes.SIZES`; where a recipe does not say it, the codec.
    """

    name: str = "base"
    task: str = CODEC
    architecture: Sizes = field(default_factory=Architecture)
    data: DataRecipe = field(default_factory=DataRecipe)
    noise: NoiseRecipe = field(default_factory=NoiseRecipe)
    optimiser: OptimiserRecipe = field(default_factory=OptimiserRecipe)
    loop: LoopRecipe = field(default_factory=LoopRecipe)

    @property
    def parts(self) -> int:
        """How many gradients a step's is the mean of."""
        return math.ceil(self.data.batch / self.optimiser.clip_batch)

    def to_dict(self) -> dict[str, Any]:
        """Nested plain values, the mirror of `from_dict`."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Recipe:
        """Every key must be there (`task` may lack) and known; RequestError names the one that is not."""
        task = values.get("task", CODEC)
        if task not in SIZES:
            raise RequestError(f"recipe.task must be one of {', '.join(SIZES)}")
        return _read(cls(task=task, architecture=SIZES[task]()), {"task": task} | values, "recipe")

    def changed(self, *assignments: str) -> Recipe:
        """A copy with other values: `recipe.changed("optimiser.adam_rate=2e-4")`. RequestError for an unknown key."""
        values = self.to_dict()
        for assignment in assignments:
            key, equals, text = assignment.partition("=")
            *path, last = key.strip().split(".")
            table: Any = values
            for name in path:
                table = table.get(name) if isinstance(table, dict) else None
            if not equals or not isinstance(table, dict) or last not in table:
                raise RequestError(f"{assignment!r} is not KEY=VALUE with a key of the recipe")
            table[last] = _parsed(text, table[last], key)
        return Recipe.from_dict(values)


def load_recipe(name: str | Path) -> Recipe:
    """A recipe by file name, or by the name of a shipped one ("base"). RequestError says what is wrong with it."""
    path = Path(name)
    if not path.suffix:
        path = FOLDER / f"{name}.toml"
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        shipped = ", ".join(sorted(p.stem for p in FOLDER.glob("*.toml")))
        raise RequestError(f"recipe {name} cannot be read ({error.strerror}); shipped recipes: {shipped}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RequestError(f"recipe {name} is not TOML: {error}") from error
    return Recipe.from_dict(values)


def _read(default: Any, values: Any, where: str) -> Any:
    """Build a dataclass like `default` from a dict with exactly its keys, then check its values."""
    if not isinstance(values, dict):
        raise RequestError(f"{where} must be a table")
    names = [f.name for f in dataclasses.fields(default)]
    if unknown := sorted(set(values) - set(names)):
        raise RequestError(f"{where}: unknown key {unknown[0]}")
    if missing := sorted(set(names) - set(values)):
        raise RequestError(f"{where}: key {missing[0]} is missing")
    if isinstance(default, Sizes):
        try:
            return type(default).from_dict(values)
        except ValueError as error:
            raise RequestError(f"{where}: {error}") from error
    made = {name: _value(getattr(default, name), values[name], f"{where}.{name}") for name in names}
    return type(default)(**made)


def _value(default: Any, value: Any, where: str) -> Any:
    """`value`, of the type and in the range that its key asks for."""
    if dataclasses.is_dataclass(default):
        return _read(default, value, where)
    if isinstance(default, str):
        if not isinstance(value, str) or not value:
            raise RequestError(f"{where} must be a text")
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RequestError(f"{where} must be a number")
    if not abs(value) < 2**63:  # nan, infinite, or more than a generator's seed holds
        raise RequestError(f"{where} must be a number below 2^63")
    if isinstance(default, int) and value != int(value):
        raise RequestError(f"{where} must be a whole number")
    name = where.rpartition(".")[2]
    top = 1 if name.endswith("_share") or name in ("final_factor", "ema_decay") else float("inf")
    if not 0 <= value <= top:
        raise RequestError(f"{where} must be in 0..{top:g}, not {value}")
    if name in ("batch", "clip_batch", "clip_norm", "log_steps", "evaluate_crops", "sigma_power") and value == 0:
        raise RequestError(f"{where} must be above 0")
    if name == "patch" and (value == 0 or value % HYPER_STRIDE):
        raise RequestError(f"{where} must be a multiple of {HYPER_STRIDE}")
    return type(default)(value)


def _parsed(text: str, before: Any, where: str) -> Any:
    """A value of the kind that stood there."""
    if isinstance(before, str):
        return text
    if isinstance(before, bool):
        if text not in SPELLINGS:
            raise RequestError(f"{where}: {text!r} is neither true nor false")
        return SPELLINGS[text]
    try:
        return int(text) if text.strip().lstrip("-").isdigit() else float(text)
    except ValueError as error:
        raise RequestError(f"{where}: {text!r} is not a number") from error
