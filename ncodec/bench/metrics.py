"""Quality of a picture against another: PSNR, and from libraries SSIM, MS-SSIM and LPIPS. uint8 [H, W, 1 or 3]."""

from __future__ import annotations

import math
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pytorch_msssim import ms_ssim as library_ms_ssim
from pytorch_msssim import ssim as library_ssim
from torch import Tensor

from ncodec.bench.missing import Missing
from ncodec.compat import allow_torchvision_beside_cpu_torch
from ncodec.errors import ModelError

PEAK = 255
SSIM_SIDE_MIN = 11
MS_SSIM_SIDE_MIN = 161
"""The window at the coarsest of five scales, each half the one before."""
LPIPS_SIDE_MIN = 32
"""SqueezeNet's last maps have pixels then."""


def psnr_db(a: np.ndarray, b: np.ndarray) -> float | None:
    """Over all samples; None if the pictures are equal. Average it over pictures, never the squared error."""
    mse = np.square(a.astype(np.float32) - b).mean(dtype=np.float64)
    return None if mse == 0 else 10 * math.log10(PEAK**2 / mse)


@torch.inference_mode()
def ssim(a: np.ndarray, b: np.ndarray) -> float | None:
    """Wang et al. 2004: Gaussian window of 11, sigma 1.5; mean over the channels. None for very small pictures."""
    if min(a.shape[:2]) < SSIM_SIDE_MIN:
        return None
    return float(library_ssim(_tensor(a), _tensor(b), data_range=PEAK))


@torch.inference_mode()
def ms_ssim(a: np.ndarray, b: np.ndarray) -> float | None:
    """Wang et al. 2003, five scales; mean over the channels. None for pictures too small for them."""
    if min(a.shape[:2]) < MS_SSIM_SIDE_MIN:
        return None
    return float(library_ms_ssim(_tensor(a), _tensor(b), data_range=PEAK))


class Lpips:
    """Zhang et al. 2018, version 0.1 with SqueezeNet 1.1, by the `lpips` package; nothing is downloaded.

    Args:
        path: `torch.save` of one dict: torchvision's SqueezeNet (`features.*`) and the heads (`lin*`).

    Raises:
        Missing: the package is not installed.
        ModelError: the file is not of this kind.
    """

    def __init__(self, path: Path) -> None:
        self._net = _squeeze()
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            backbone = {name.removeprefix("features."): value for name, value in state.items()}
            places = {name: _place(name) for name in self._net.state_dict() if not name.startswith("scaling_layer")}
            tensors = {name: backbone[place] for name, place in places.items()}
            self._net.load_state_dict(self._net.state_dict() | tensors)
        except OSError as err:
            raise ModelError(f"the weights {path} cannot be read: {err.strerror or err}") from err
        except (pickle.UnpicklingError, LookupError, TypeError, ValueError, AttributeError, RuntimeError) as err:
            what = type(err).__name__ if isinstance(err, pickle.UnpicklingError) else err  # torch advises to trust it
            raise ModelError(f"{path} is not LPIPS with SqueezeNet (missing or wrong: {what})") from err

    @torch.inference_mode()
    def __call__(self, a: np.ndarray, b: np.ndarray) -> float | None:
        """Distance; gray pictures as RGB. None for very small pictures."""
        if min(a.shape[:2]) < LPIPS_SIDE_MIN:
            return None
        x, y = (_tensor(part).expand(-1, 3, -1, -1) / PEAK for part in (a, b))
        return float(self._net(x, y, normalize=True))


def _squeeze() -> Any:
    """The network, weights as they come: torchvision would download them."""
    allow_torchvision_beside_cpu_torch()
    try:
        import lpips
    except ImportError as err:
        raise Missing("the package lpips is not installed (pip install 'ncodec[bench]')") from err
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchvision, of the way in which lpips asks for no weights
        net = lpips.LPIPS(pretrained=False, net="squeeze", pnet_rand=True, verbose=False)
    return net.requires_grad_(False).eval()


def _place(name: str) -> str:
    """Of a tensor in the file: `net.slice2.3.squeeze.bias` -> `3.squeeze.bias`, `lins.0.x` (an alias) -> `lin0.x`."""
    return name.split(".", 2)[2] if name.startswith("net.") else name.replace("lins.", "lin")


def _tensor(pixels: np.ndarray) -> Tensor:
    """float32 [1, C, H, W], 0 ... 255."""
    return torch.tensor(pixels).permute(2, 0, 1)[None].float()
