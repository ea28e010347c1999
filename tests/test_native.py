"""Compiled layers compute what PyTorch computes; they need a processor with bfloat16 products and a C++ compiler."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from ncodec.nets.architecture import Architecture
from ncodec.nets.dncnn import DnCnn, DnCnnSizes
from ncodec.nets.layers import Block
from ncodec.train import native
from ncodec.train.muon import NEWTON_SCHULZ, orthogonalise, orthogonalise_plain
from ncodec.train.native import NativeUnavailable, library, load_library, use_native_layers
from ncodec.train.native.orthogonal import orthogonalise_native
from ncodec.train.network import trainable_network


@pytest.fixture(scope="module", params=["tiles", "pairs"])
def compiled(request: pytest.FixtureRequest) -> Iterator[None]:
    """The library, with AMX's products and with those of any AVX-512 processor that has bfloat16."""
    flags = library._processor_flags()
    if request.param == "tiles" and not flags >= library.TILES:
        pytest.skip("the processor has no AMX")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library, "_processor_flags", lambda: flags - library.TILES if request.param == "pairs" else flags)
        try:
            forget_library()
            load_library()
            yield
        except NativeUnavailable as reason:
            pytest.skip(str(reason))
    forget_library()


def forget_library() -> None:
    for cached in (load_library, library._context):
        cached.cache_clear()


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    return ((a.double() - b.double()).norm() / b.double().norm()).item()


def gradients(layer: nn.Module, x: torch.Tensor, autocast: bool) -> dict[str, torch.Tensor]:
    """Output and all gradients of a layer for a fixed cotangent."""
    x = x.clone().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        y = layer(x)
    cotangent = torch.randn(y.shape, generator=torch.Generator().manual_seed(5)).to(y.dtype)
    y.backward(cotangent)
    found = {name: p.grad for name, p in layer.named_parameters() if p.grad is not None}
    return {"y": y.detach(), "x": x.grad, **found}  # pyright: ignore[reportReturnType]


def random_dncnn(depth: int, width: int) -> DnCnn:
    net = DnCnn(DnCnnSizes(depth, width))
    nn.init.normal_(net.layers[-1].weight, std=0.05)  # pyright: ignore[reportArgumentType]
    for layer in net.layers:
        nn.init.normal_(layer.bias, std=0.05)  # pyright: ignore[reportArgumentType]
    return net


LAYERS = {
    "block": (lambda: Block(64), (4, 64, 8, 8)),
    "block of many chunks": (lambda: Block(96), (6, 96, 16, 16)),
    "block of long samples": (lambda: Block(32), (2, 32, 40, 24)),
    "block of few positions": (lambda: Block(32), (16, 32, 2, 3)),
    "1x1": (lambda: nn.Conv2d(96, 160, 1), (3, 96, 8, 16)),
    "DnCNN": (lambda: random_dncnn(5, 64), (3, 3, 16, 32)),
    "DnCNN on one row": (lambda: random_dncnn(4, 32), (1, 3, 1, 64)),
    "2x2 of stride 2": (lambda: nn.Conv2d(32, 64, 2, stride=2), (4, 32, 16, 8)),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("threads", [1, 2])
def test_as_exact_as_autocast(name: str, threads: int, compiled: None) -> None:
    make, shape = LAYERS[name]
    torch.manual_seed(1)
    layer = make()
    x = torch.randn(shape)
    exact = gradients(copy.deepcopy(layer).double(), x.double(), autocast=False)
    usual = gradients(copy.deepcopy(layer), x, autocast=True)
    assert use_native_layers(layer) == 1 or use_native_layers(nn.Sequential(layer)) == 1
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        ours = gradients(layer, x, autocast=True)
    finally:
        torch.set_num_threads(before)
    for key, value in exact.items():
        assert relative(ours[key], value) < 1.5 * relative(usual[key], value) + 1e-5, key


@pytest.mark.parametrize("shape", [(3, 64, 64), (2, 64, 160), (2, 160, 64), (1, 32, 32)])
def test_orthogonal_as_muon_has_it(shape: tuple[int, ...], compiled: None) -> None:
    torch.manual_seed(3)
    matrices = torch.randn(shape) * 1e-3
    before = matrices.clone()
    ours = orthogonalise_native(matrices, 5, NEWTON_SCHULZ)
    assert ours is not None
    assert torch.equal(matrices, before)
    assert relative(ours, orthogonalise_plain(matrices, 5)) < 0.1  # small singular values grow by 3.4 a step
    assert torch.linalg.svdvals(ours).max() < 1.4


def test_matrices_that_do_not_fit_are_left_to_pytorch(compiled: None) -> None:
    assert orthogonalise_native(torch.ones(1, 33, 64), 5, NEWTON_SCHULZ) is None
    assert orthogonalise(torch.ones(1, 33, 64)).shape == (1, 33, 64)


def test_native_layers_ran(monkeypatch: pytest.MonkeyPatch, compiled: None) -> None:
    """Else the test above compares PyTorch with itself."""
    calls = []
    monkeypatch.setattr(native.blocks, "context", lambda: calls.append("block") or library.context())
    block = Block(32)
    use_native_layers(block)
    gradients(block, torch.randn(2, 32, 4, 8), autocast=True)
    assert calls == ["block", "block"]


@pytest.mark.parametrize("shape", [(3, 64, 5, 5), (1, 64, 1, 1)])
def test_shapes_that_do_not_fit_run_as_before(shape: tuple[int, ...], compiled: None) -> None:
    block = Block(64)
    usual = gradients(copy.deepcopy(block), torch.ones(shape), autocast=True)
    use_native_layers(block)
    assert torch.equal(gradients(block, torch.ones(shape), autocast=True)["y"], usual["y"])


def test_without_autocast_nothing_changes(compiled: None) -> None:
    block = Block(32)
    x = torch.randn(2, 32, 8, 8)
    usual = block(x)
    use_native_layers(block)
    assert torch.equal(block(x), usual)


def test_whole_network(compiled: None) -> None:
    """Every convolution of the network is one of ours, and the loss's gradient points the same way."""
    torch.manual_seed(2)
    network = trainable_network(Architecture(64, 96, 96, 32, 64, 2, 1, 1, 2, 1)).eval()
    blocks = [m for m in network.modules() if isinstance(m, Block)]
    for block in blocks:
        nn.init.normal_(block.v.weight, std=0.05)
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    x, quality = torch.rand(4, 3, 128, 128), torch.tensor([0, 3, 5, 7])

    def run(net: nn.Module) -> tuple[torch.Tensor, ...]:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = net.analysis(x, quality)
            estimate = net.synthesis(y, quality)  # of unrounded latents: rounding would blow small differences up
            _, bits = net.code(y)
        ((estimate.float() - x).square().mean() * 1e5 + bits.mean()).backward()
        gradient = torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None])
        return y.detach(), estimate.detach().float(), bits.detach(), gradient

    usual = run(network)
    network.zero_grad()
    assert use_native_layers(network) == len(convolutions) - 4 * len(blocks)
    ours = run(network)
    assert all(relative(a, b) < 0.01 for a, b in zip(ours[:3], usual[:3], strict=True))
    assert torch.cosine_similarity(ours[3], usual[3], 0) > 0.99


@pytest.mark.parametrize("broken", ["processor", "compiler", "source"])
def test_a_reason_where_it_cannot_be_had(broken: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(library, "_processor_flags", lambda: set() if broken == "processor" else library.NEEDED)
    if broken == "compiler":
        monkeypatch.setattr(library.shutil, "which", lambda name: None)
    if broken == "source":
        bad = tmp_path / "bad.cpp"
        bad.write_text("this is no C++")
        monkeypatch.setattr(library, "SOURCE", bad)
    wanted = {
        "processor": "lacks avx512_bf16",
        "compiler": "no C\\+\\+ compiler",
        "source": "could not be compiled|no C",
    }
    with pytest.raises(NativeUnavailable, match=wanted[broken]):
        load_library.__wrapped__()
    assert not list(tmp_path.rglob("*.so"))
