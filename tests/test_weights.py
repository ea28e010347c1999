"""Weights files of strangers: every one that is not a whole model is one ModelError; torch's settings do not matter."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save

from conftest import TINY
from ncodec.cli.compute import Networks
from ncodec.errors import ModelError, RequestError
from ncodec.nets.dncnn import DnCnnSizes, load_dncnn
from ncodec.nets.model import model_from_tensors
from ncodec.train.cards import model_cards
from ncodec.train.export import quantised
from ncodec.train.network import trainable_network
from ncodec.weights import Models, models_folder, releases
from pictures import scene

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def parts() -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    torch.manual_seed(1)
    metadata, tensors = quantised(trainable_network(TINY).eval(), [scene(64, 64)])
    return metadata, {name: tensor.contiguous() for name, tensor in tensors.items()}


def test_a_whole_model_loads_by_its_path(parts: tuple, tmp_path: Path):
    path = tmp_path / "mine.safetensors"
    path.write_bytes(save(parts[1], parts[0]))
    model = Models(CPU, torch.float32).by_name(str(path))
    assert model.id == hashlib.sha256(path.read_bytes()).digest()[:8]
    assert Models(CPU, torch.float32, (path,)).by_id(model.id).arch == TINY


def test_a_decoder_alone_decodes_and_does_not_encode(parts: tuple, tmp_path: Path):
    path = tmp_path / "old.safetensors"
    kept = {name: t for name, t in parts[1].items() if name.startswith(("synthesis.", "prior.", "tables."))}
    path.write_bytes(save(kept, parts[0]))
    models = Models(CPU, torch.float32, (path,))
    y_hat = torch.ones(2, 3, TINY.latent)
    found = models.by_id(hashlib.sha256(path.read_bytes()).digest()[:8]).transforms.synthesise(y_hat, 4, 30, 40, 3)
    whole = model_from_tensors(b"01234567", "whole", parts[0], parts[1], CPU, torch.float32)
    assert torch.equal(found, whole.transforms.synthesise(y_hat, 4, 30, 40, 3))
    with pytest.raises(ModelError, match=r"old\.safetensors is an older model of which only the decoder is here"):
        models.by_name(str(path))


BROKEN = {
    "half an encoder": lambda m, t: [t.pop(name) for name in list(t) if name.startswith("hyper_analysis.")],
    "no tensor": lambda m, t: t.pop("prior.up32.bias"),
    "one dimension": lambda m, t: t.update({"prior.up32.weight": t["prior.up32.weight"][0].clone()}),
    "other width": lambda m, t: t.update({"prior.first.inner.weight": t["prior.first.inner.weight"][:, :-1].clone()}),
    "floats": lambda m, t: t.update({"prior.up16.weight": t["prior.up16.weight"].float()}),
    "huge bias": lambda m, t: t.update({"prior.up16.bias": torch.full_like(t["prior.up16.bias"], 2**63 - 1)}),
    "huge shift": lambda m, t: t.update({"prior.up16.shift": torch.full_like(t["prior.up16.shift"], 60)}),
    "no clamp": lambda m, t: t.update({"prior.up16.clamp": torch.zeros_like(t["prior.up16.clamp"])}),
    "clamps of others": lambda m, t: t.update({"prior.first.inner.clamp": t["prior.first.inner.clamp"][:-1].clone()}),
    "latents' shift": lambda m, t: t.update({"prior.latents.shift": t["prior.latents.shift"] - 1}),
    "latents' number": lambda m, t: t.update({"prior.latents.clamp": t["prior.latents.clamp"][:-1].clone()}),
    "thresholds": lambda m, t: t.update({"prior.thresholds": t["prior.thresholds"].flip(0)}),
    "too few tables": lambda m, t: t.update(
        {f"tables.enhancement.{part}": t[f"tables.hyper.{part}"].clone() for part in ("low", "size", "counts")}
    ),
    "sums": lambda m, t: t.update({"tables.latent.counts": t["tables.latent.counts"] + 1}),
    "transforms": lambda m, t: t.update({"synthesis.patch.weight": t["synthesis.patch.weight"][:-1].clone()}),
    "architecture": lambda m, t: m.update({"architecture": "[1]"}),
    "odd latent": lambda m, t: m.update({"architecture": json.dumps(TINY.to_dict() | {"latent": 15})}),
    "graph": lambda m, t: m.update({"graph_version": "1"}),
    "kind": lambda m, t: m.update({"kind": "something"}),
}  # fmt: skip


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_model_is_one_error(parts: tuple, tmp_path: Path, how: str):
    metadata, tensors = dict(parts[0]), dict(parts[1])
    BROKEN[how](metadata, tensors)
    path = tmp_path / "broken.safetensors"
    path.write_bytes(save(tensors, metadata))
    with pytest.raises(ModelError, match=r"broken\.safetensors"):
        Models(CPU, torch.float32).by_name(str(path))


def test_what_is_no_weights_file_is_one_error(tmp_path: Path):
    path = tmp_path / "text"
    path.write_text("hello")
    with pytest.raises(ModelError, match="not a safetensors file"):
        Models(CPU, torch.float32).by_name(str(path))
    with pytest.raises(ModelError, match="no model nothing: say base"):
        Models(CPU, torch.float32).by_name("nothing")


def test_a_name_that_no_file_can_have_is_a_model_error():
    name = "y" * 300
    with pytest.raises(ModelError, match=r"weights y+ cannot be read: File name too long"):
        Models(CPU, torch.float32).by_name(name)
    with pytest.raises(ModelError, match=r"weights y+ cannot be read: File name too long"):
        Models(CPU, torch.float32, (Path(name),))


def test_a_batch_has_one_model(parts: tuple, tmp_path: Path):
    """Also if its file is replaced meanwhile."""
    path = tmp_path / "mine.safetensors"
    path.write_bytes(save(parts[1], parts[0]))
    networks = Networks("cpu", None)
    model = networks.model(str(path))
    path.write_bytes(b"another")
    assert networks.model(str(path)) is model


def test_a_damaged_release_is_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    from ncodec import weights

    row = releases()[-1]
    data = bytearray((weights.models_folder() / row.file).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / row.file).write_bytes(data)
    monkeypatch.setattr(weights, "models_folder", lambda: tmp_path)
    with pytest.raises(ModelError, match="damaged"):
        Models(CPU, torch.float32).by_id(row.id)


def test_manifest_rows_name_their_files():
    for row in releases():
        data = (models_folder() / row.file).read_bytes()
        assert hashlib.sha256(data).hexdigest() == (row.decoder_sha256 or row.sha256)
        assert row.file == f"{row.name}-{row.sha256[:8]}.safetensors"
        if not row.decoder_sha256:
            assert any(name.startswith("training.prior.") for name in load(data))  # so that training can go on from it


def test_denoisers_are_named_in_the_manifest_and_are_no_models():
    rows = json.loads((models_folder() / "manifest.json").read_text(encoding="utf-8"))["denoisers"]
    assert {row["file"] for row in rows} >= {"dncnn-blind.safetensors"}
    for row in rows:
        path = models_folder() / row["file"]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == row["sha256"]
        assert path.stat().st_size == row["size_bytes"]
        assert load_dncnn(path).sizes == DnCnnSizes.from_dict(row["architecture"])
        with pytest.raises(ModelError, match="there is no model"):
            Models(CPU, torch.float32).by_name(path.stem)


def test_the_cards_are_those_of_the_manifest():
    models = Path(__file__).parent.parent / "models"
    assert (models / "README.md").read_text(encoding="utf-8") == model_cards(models / "manifest.json")
    named = {row["file"] for rows in json.loads((models / "manifest.json").read_text()).values() for row in rows}
    assert {path.name for path in models.glob("*.safetensors")} == named


def test_torchs_defaults_do_not_change_what_is_decoded():
    """Settings of somebody else's program in the same process."""
    code = """
import sys, numpy as np, torch, ncodec
from pictures import scene
data = ncodec.encode(scene(48, 64, sigma=20))
expected = ncodec.decode(data)
for dtype in (torch.float64, torch.bfloat16):
    torch.set_default_dtype(dtype)
    assert np.array_equal(ncodec.decode(data), expected), dtype
torch.set_default_dtype(torch.float32)
for device in ("meta", "cpu"):
    torch.set_default_device(device)
    ncodec.api._models.cache_clear()
    assert np.array_equal(ncodec.decode(data), expected), device
ncodec.api._models.cache_clear()
with torch.autocast("cpu", dtype=torch.bfloat16):
    assert np.array_equal(ncodec.decode(data), expected)
    assert ncodec.encode(scene(48, 64, sigma=20)) == data
"""
    here = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": f"{here.parent}:{here}"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["cuda:01", "cuda:x", "gpu", "", "cuda:999999999999", "cuda:-1"])
def test_odd_devices_are_requests_that_cannot_be_met(name: str):
    from ncodec.device import choose_device

    with pytest.raises(RequestError, match="device"):
        choose_device(name)


@pytest.mark.parametrize("part", ["weight", "bias"])
def test_a_model_whose_sums_float32_does_not_hold_runs_in_float64(parts: tuple, part: str):
    metadata, tensors = parts[0], dict(parts[1])
    assert model_from_tensors(bytes(8), "m", metadata, tensors, CPU, torch.float32).prior.dtype == torch.float32
    name = f"prior.first.out.{part}"
    tensors[name] = tensors[name].clone()
    tensors[name].view(-1)[0] = {"weight": 32767, "bias": 2**24}[part]
    tensors["prior.first.inner.clamp"] = torch.full_like(tensors["prior.first.inner.clamp"], 2**20)
    model = model_from_tensors(bytes(8), "m", metadata, tensors, CPU, torch.float32)
    assert model.prior.dtype == torch.float64
    z = torch.ones(1, 1, TINY.hyper, dtype=torch.int16)
    assert model.prior.features(z).dtype == torch.float64
    mean, _ = model.prior.step1(model.prior.features(z))
    assert mean.dtype == torch.float64


@pytest.mark.parametrize(("shift", "dtype"), [(1, torch.float32), (0, torch.float64)])
def test_the_half_that_rounding_adds_needs_a_digit_where_nothing_is_shifted(
    parts: tuple, shift: int, dtype: torch.dtype
):
    metadata, tensors = parts[0], dict(parts[1])
    for part, value in (("bias", 2**23), ("shift", shift)):
        name = f"prior.first.out.{part}"
        tensors[name] = tensors[name].clone()
        tensors[name][0] = value
    tensors["prior.first.out.weight"] = torch.zeros_like(tensors["prior.first.out.weight"])
    assert model_from_tensors(bytes(8), "m", metadata, tensors, CPU, torch.float32).prior.dtype == dtype
