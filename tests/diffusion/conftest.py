"""Tiny checkpoints on disk, made once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from studio.diffusion.device import Dtypes
from studio.diffusion.model import Checkpoint
from studio.diffusion.weights.checkpoint import load_checkpoint
from studio.resources import resource
from tests.diffusion import tiny

FLOAT32 = Dtypes.all(torch.float32)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny tensors: a second thread only waits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def sd1_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(tiny.sd_pipeline(), tmp_path_factory.mktemp("models") / "sd1")


@pytest.fixture(scope="session")
def sd2_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(tiny.sd_pipeline(width=1024, prediction="v_prediction"), tmp_path_factory.mktemp("models") / "sd2")


@pytest.fixture(scope="session")
def sd1(sd1_folder: Path) -> Checkpoint:
    return load_checkpoint(sd1_folder, FLOAT32)


@pytest.fixture(scope="session")
def sd2(sd2_folder: Path) -> Checkpoint:
    return load_checkpoint(sd2_folder, FLOAT32)


@pytest.fixture(scope="session")
def sdxl_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(tiny.sdxl_pipeline(), tmp_path_factory.mktemp("models") / "sdxl")


@pytest.fixture(scope="session")
def sdxl(sdxl_folder: Path) -> Checkpoint:
    return load_checkpoint(sdxl_folder, FLOAT32)


@pytest.fixture(scope="session")
def starter() -> Checkpoint:
    """The picture starter that ships with the program: small, but trained."""
    return load_checkpoint(resource("starters", "picture"), FLOAT32)
