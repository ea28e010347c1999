"""What the tests share: pictures made here, the shipped model, a tiny model, and the folder of measured pictures."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from ncodec.nets.architecture import Architecture
from ncodec.nets.model import Model, model_from_tensors
from ncodec.weights import Models
from pictures import scene

TINY = Architecture(
    width8=16, width16=16, latent=16, hyper=8, entropy=16,
    analysis8=1, analysis16=1, synthesis16=1, synthesis8=1, denoising8=1,
)  # fmt: skip


@pytest.fixture(scope="session")
def models() -> Models:
    """The shipped models on the CPU, transforms in float32."""
    return Models(torch.device("cpu"), torch.float32)


@pytest.fixture(scope="session")
def model(models: Models) -> Model:
    """The current base model."""
    return models.by_name("base")


@pytest.fixture(scope="session")
def tiny() -> Model:
    """A small random network with all layers not the identity: quick, and nothing in it is 0 by chance."""
    from ncodec.train.export import quantised
    from ncodec.train.network import trainable_network

    torch.manual_seed(1)
    network = trainable_network(TINY).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    metadata, tensors = quantised(network, [scene(64, 64)])
    return model_from_tensors(b"tinytiny", "tiny", metadata, tensors, torch.device("cpu"), torch.float32)


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights file of the user's own: another small random network."""
    from ncodec.train.export import write_release
    from ncodec.train.network import trainable_network

    torch.manual_seed(2)
    network = trainable_network(TINY).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return write_release(network, "tiny", [scene(64, 64)], tmp_path_factory.mktemp("weights"), {})


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to train on."""
    from train_tools import training_pictures

    return training_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of measured pictures (kodak/, real/); tests that want it skip without it."""
    folder = os.environ.get("NCODEC_DATA")
    if not folder or not (Path(folder) / "kodak").is_dir():
        pytest.skip("NCODEC_DATA does not name a folder with kodak/ in it")
    return Path(folder)


@pytest.fixture
def rng() -> np.random.Generator:
    """Seeded."""
    return np.random.default_rng(7)
