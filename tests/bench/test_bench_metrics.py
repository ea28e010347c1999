"""Metrics, against another library."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from ncodec.bench.metrics import Lpips, ms_ssim, psnr_db, ssim
from ncodec.compat import allow_torchvision_beside_cpu_torch
from ncodec.errors import ModelError
from pictures import scene


@pytest.mark.parametrize("channels", [1, 3])
def test_psnr_and_ssim_are_those_of_scikit_image(channels: int) -> None:
    a, b = scene(96, 128, channels), scene(96, 128, channels, sigma=20)
    assert psnr_db(a, b) == pytest.approx(peak_signal_noise_ratio(a, b))
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    _, full = structural_similarity(a, b, channel_axis=2, full=True, **options)
    assert ssim(a, b) == pytest.approx(full[5:-5, 5:-5].mean(), abs=1e-5)


def test_equal_pictures() -> None:
    a = scene(170, 180)
    assert psnr_db(a, a) is None
    assert ssim(a, a) == pytest.approx(1)
    assert ms_ssim(a, a) == pytest.approx(1)


def test_more_noise_is_worse() -> None:
    a, b, c = scene(170, 180), scene(170, 180, sigma=5), scene(170, 180, sigma=25)
    for metric in (psnr_db, ssim, ms_ssim):
        assert (metric(a, b) or 0) > (metric(a, c) or 0)


@pytest.mark.parametrize(("metric", "side"), [(ssim, 10), (ms_ssim, 160)])
def test_small_pictures_have_no_figure(metric, side: int) -> None:
    assert metric(scene(side, side), scene(side, side, sigma=5)) is None
    assert metric(scene(side + 1, side + 1), scene(side + 1, side + 1, sigma=5)) is not None


@pytest.fixture(scope="module")
def lpips(tmp_path_factory: pytest.TempPathFactory) -> Lpips:
    """With random weights, which nobody has to download."""
    need_lpips()
    return Lpips(squeeze_weights(tmp_path_factory.mktemp("lpips") / "squeeze.pth"))


def need_lpips() -> None:
    """Skip without the package; it imports torchvision."""
    allow_torchvision_beside_cpu_torch()
    pytest.importorskip("lpips")


def squeeze_weights(path: Path) -> Path:
    """A file of random weights, as torchvision and the lpips package name them."""
    from torchvision.models import squeezenet1_1

    torch.manual_seed(0)
    state = {name: value for name, value in squeezenet1_1().state_dict().items() if name.startswith("features.")}
    widths = (64, 128, 256, 384, 384, 512, 512)
    heads = {f"lin{k}.model.1.weight": torch.rand(1, width, 1, 1) for k, width in enumerate(widths)}
    torch.save(state | heads, path)
    return path


@pytest.mark.parametrize("channels", [1, 3])
def test_lpips_is_a_distance(lpips: Lpips, channels: int) -> None:
    a, b, c = scene(64, 64, channels), scene(64, 64, channels, sigma=5), scene(64, 64, channels, sigma=60)
    assert lpips(a, a) == 0
    assert 0 < (lpips(a, b) or 0) < (lpips(a, c) or 0)
    assert lpips(a[:31], b[:31]) is None


def test_lpips_refuses_other_files(tmp_path: Path) -> None:
    need_lpips()
    path = squeeze_weights(tmp_path / "w.pth")
    state = torch.load(path, weights_only=True)
    torch.save({name: value for name, value in state.items() if not name.startswith("lin3")}, path)
    with pytest.raises(ModelError, match="lin3"):
        Lpips(path)
    path.write_bytes(b"no weights")
    with pytest.raises(
        ModelError, match=r"missing or wrong: UnpicklingError\)$"
    ):  # not torch's advice to trust the file
        Lpips(path)


def test_lpips_of_the_real_weights(data: Path) -> None:
    """They lie beside the measured pictures; trained features tell a brighter picture from a noisy one."""
    need_lpips()
    path = data.parent / "weights" / "lpips_squeeze_v0.1.pth"
    if not path.is_file():
        pytest.skip("no LPIPS weights beside the data")
    metric = Lpips(path)
    clean = scene(128, 128)
    brighter = np.clip(clean.astype(int) + 10, 0, 255).astype(np.uint8)
    noisy = scene(128, 128, sigma=10)
    assert (psnr_db(clean, brighter) or 0) == pytest.approx(psnr_db(clean, noisy) or 0, abs=0.5)
    assert (metric(clean, brighter) or 0) < 0.2 * (metric(clean, noisy) or 0)
