"""DnCNN and FDnCNN: the networks, their files, running them in windows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ncodec.errors import ModelError, RequestError
from ncodec.nets.dncnn import DnCnn, DnCnnSizes, denoise, load_dncnn
from ncodec.noise import Noise, add_noise
from ncodec.picture import load
from pictures import scene

SMALL = DnCnnSizes(depth=4, width=8)
TOLD = DnCnnSizes(depth=4, width=8, conditioned=True)
DIRECT = DnCnnSizes(depth=4, width=8, conditioned=True, residual=False)


def random_net(sizes: DnCnnSizes) -> DnCnn:
    torch.manual_seed(0)
    net = DnCnn(sizes)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    return net.eval()


def authors_file(net: DnCnn, path: Path) -> Path:
    """As the authors save a network."""
    state = {}
    for key, value in net.state_dict().items():
        _, layer, part = key.split(".")
        state[f"model.{2 * int(layer)}.{part}"] = value
    torch.save(state, path)
    return path


@pytest.mark.parametrize("sizes", [SMALL, TOLD, DIRECT])
def test_a_fresh_network_gives_the_picture_back(sizes: DnCnnSizes):
    x = torch.rand(2, 3, 9, 11)
    with torch.no_grad():
        torch.testing.assert_close(DnCnn(sizes)(x, torch.tensor([0.1, 0.2])), x)


def test_sizes_are_checked():
    assert DnCnnSizes.from_dict(TOLD.to_dict()) == TOLD
    assert DnCnnSizes().kmac_per_pixel() == pytest.approx(667, abs=1)
    wrong = ({}, {"depth": 1}, {"width": 0}, {"conditioned": 1}, {"residual": 1}, {"more": 1})
    early = {name: value for name, value in SMALL.to_dict().items() if name != "residual"}
    assert DnCnnSizes.from_dict(early) == SMALL
    for change in wrong:
        with pytest.raises(ValueError):  # noqa: PT011 - the words differ
            DnCnnSizes.from_dict(SMALL.to_dict() | change if change else {})


@pytest.mark.parametrize("sizes", [SMALL, TOLD, DIRECT])
def test_a_run_in_windows_is_the_run_on_the_whole(sizes: DnCnnSizes):
    net, picture = random_net(sizes), scene(50, 70, sigma=20)
    whole = denoise(net, picture, 20, torch.float32)
    windowed = denoise(net, picture, 20, torch.float32, core=16)
    assert whole.shape == picture.shape
    assert whole.dtype == np.uint8
    assert np.abs(whole.astype(int) - windowed).max() <= 1  # sums in another order
    half = denoise(net, picture, 20, torch.bfloat16, core=16)
    assert np.abs(whole.astype(int) - half).mean() < 0.5


def test_gray_pictures_stay_gray():
    picture = scene(24, 30, channels=1)
    assert denoise(random_net(SMALL), picture, None, torch.float32).shape == (24, 30, 1)


def test_sigma_is_told_to_those_that_want_it():
    net, picture = random_net(TOLD), scene(16, 16)
    with pytest.raises(RequestError, match="standard deviation"):
        denoise(net, picture, None, torch.float32)
    assert (denoise(net, picture, 5, torch.float32) != denoise(net, picture, 75, torch.float32)).any()


@pytest.mark.parametrize("sizes", [SMALL, DIRECT])
def test_the_authors_files_are_read(sizes: DnCnnSizes, tmp_path: Path):
    net = random_net(sizes)
    again = load_dncnn(authors_file(net, tmp_path / "net.pth"))
    assert again.sizes == sizes
    for key, value in again.state_dict().items():
        torch.testing.assert_close(value, net.state_dict()[key])


def test_other_files_are_refused_in_words(tmp_path: Path):
    with pytest.raises(ModelError, match="cannot be read"):
        load_dncnn(tmp_path / "nothing.safetensors")
    for name in ("bad.pth", "bad.safetensors"):
        (tmp_path / name).write_bytes(b"rubbish")
        with pytest.raises(ModelError, match="not a DnCNN"):
            load_dncnn(tmp_path / name)
    torch.save({"model.0.weight": torch.zeros(8, 3, 3, 3)}, tmp_path / "part.pth")
    with pytest.raises(ModelError, match="not a DnCNN"):
        load_dncnn(tmp_path / "part.pth")


@pytest.mark.parametrize("name", ["dncnn_color_sigma25", "dncnn_GD_Color_Blind", "dncnn_FDnCNN_color"])
def test_the_authors_networks_run_as_theirs(data: Path, name: str):
    """Against their layers one by one; over the whole of Kodak the first gives 31.83 dB (docs/results/dncnn.jsonl)."""
    path = data.parent / "weights" / f"{name}.pth"
    if not path.is_file():
        pytest.skip("the authors' weights are not beside the pictures")
    clean = load((data / "kodak" / "kodim23.png").read_bytes()).pixels[128:256, 256:384]
    noisy = add_noise(clean, Noise.gaussian(25), 22)
    net, state = load_dncnn(path), torch.load(path, weights_only=True)
    x = torch.from_numpy(noisy).permute(2, 0, 1)[None] / 255
    h = torch.cat([x, torch.full_like(x[:, :1], 25 / 255)], 1) if net.sizes.conditioned else x
    for layer in range(0, 40, 2):
        h = F.conv2d(h, state[f"model.{layer}.weight"], state[f"model.{layer}.bias"], padding=1)
        h = h.relu() if layer < 38 else h
    expected = h if net.sizes.conditioned else x - h
    expected = (255 * expected[0].permute(1, 2, 0)).round().clamp(0, 255).byte().numpy()
    found = denoise(net, noisy, 25, torch.float32)
    assert np.abs(found.astype(int) - expected).max() <= 1
    assert (found == expected).mean() > 0.999
    assert np.square(found - clean.astype(np.float64)).mean() < 255**2 / 10**3.55  # 35.5 dB
