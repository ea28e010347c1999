"""Recipes: read, checked, changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ncodec.errors import RequestError
from ncodec.train.recipe import FOLDER, Recipe, load_recipe
from ncodec.weights import models_folder


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_recipes_are_read(path: Path) -> None:
    recipe = load_recipe(path.stem)
    assert recipe.name == path.stem
    assert Recipe.from_dict(recipe.to_dict()) == recipe


def test_the_base_recipe_goes_on_from_the_base_model() -> None:
    """`ncodec train --init base` without more: blocks may be added to a network, not taken away."""
    manifest = json.loads((models_folder() / "manifest.json").read_text(encoding="utf-8"))
    shipped = [row for row in manifest["models"] if row["name"] == "base"][-1]
    assert load_recipe("base").architecture.to_dict() == shipped["architecture"]


def test_a_fresh_network_is_the_base_models_at_other_rates() -> None:
    """On other patches, too; all else is base's, which a file cannot take over from another."""
    changes = ("data.patch=128", "data.batch=32", "optimiser.adam_rate=5e-4", "optimiser.muon_rate=0.01")
    assert load_recipe("fresh") == load_recipe("base").changed("name=fresh", *changes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v["noise"].pop("sigma_max"), "sigma_max is missing"),
        (lambda v: v["noise"].update(colour=1), "unknown key colour"),
        (lambda v: v.update(data=3), "must be a table"),
        (lambda v: v["data"].update(patch=100), "multiple of 64"),
        (lambda v: v["data"].update(batch=1.5), "whole number"),
        (lambda v: v["data"].update(batch=0), "above 0"),
        (lambda v: v["data"].update(half_share=2), r"in 0\.\.1"),
        (lambda v: v["data"].update(half_share="much"), "must be a number"),
        (lambda v: v["architecture"].update(width8=0), r"1\.\.4096"),
        (lambda v: v.update(name=""), "must be a text"),
        (lambda v: v["data"].update(batch=float("nan")), "below 2"),
        (lambda v: v["noise"].update(sigma_max=float("inf")), "below 2"),
        (lambda v: v["loop"].update(seed=10**20), "below 2"),
    ],
)
def test_senseless_recipes_are_refused(change, message: str) -> None:
    values = Recipe().to_dict()
    change(values)
    with pytest.raises(RequestError, match=message):
        Recipe.from_dict(values)


def test_recipes_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"shipped recipes: .*base"):
        load_recipe("nothing")
    (tmp_path / "bad.toml").write_text("name = ")
    with pytest.raises(RequestError, match="not TOML"):
        load_recipe(tmp_path / "bad.toml")


def test_single_values_can_be_changed() -> None:
    recipe = Recipe().changed("optimiser.adam_rate=1e-4", "data.batch=64", "name=mine")
    assert (recipe.optimiser.adam_rate, recipe.data.batch, recipe.name) == (1e-4, 64, "mine")
    for wrong in ("data.size=3", "data=3", "batch", "data.batch=many", "a.b.c=1"):
        with pytest.raises(RequestError):
            Recipe().changed(wrong)


def test_true_and_false_can_be_changed() -> None:
    recipe = load_recipe("fdncnn").changed("architecture.conditioned=false", "architecture.residual=true")
    assert (recipe.architecture.conditioned, recipe.architecture.residual) == (False, True)  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(RequestError, match="neither true nor false"):
        recipe.changed("architecture.residual=0")
