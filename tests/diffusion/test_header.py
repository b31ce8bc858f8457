"""Headers of safetensors files: what is there, and nothing that crashes on what is not."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from studio.diffusion.weights.header import TensorInfo, read_header
from studio.graph.errors import ModelUnreadable


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "a.safetensors"
    tensors = {
        "one": torch.zeros(2, 3),
        "two": torch.zeros(4, dtype=torch.bfloat16),
        "none": torch.zeros(0, 5),
        "dot": torch.tensor(1.0),
    }
    save_file(tensors, path, metadata={"modelspec.title": "test"})
    return path


def test_a_header_names_shapes_formats_and_metadata(file: Path) -> None:
    header = read_header(file)
    assert header.tensors == {
        "one": TensorInfo("F32", (2, 3)),
        "two": TensorInfo("BF16", (4,)),
        "none": TensorInfo("F32", (0, 5)),
        "dot": TensorInfo("F32", ()),
    }
    assert header.metadata == {"modelspec.title": "test"}


def test_the_reader_needs_no_torch() -> None:
    import subprocess

    code = "import sys, studio.diffusion.weights.header as h; assert 'torch' not in sys.modules, 'torch'"
    subprocess.run([sys.executable, "-c", code], check=True)


@given(cut=st.integers(0, 10_000))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_a_file_cut_anywhere_is_refused(file: Path, tmp_path: Path, cut: int) -> None:
    whole = file.read_bytes()
    short = tmp_path / "short.safetensors"
    short.write_bytes(whole[: cut % len(whole)])
    with pytest.raises(ModelUnreadable) as caught:
        read_header(short)
    assert caught.value.path == short


@given(place=st.integers(0, 10_000), value=st.integers(0, 255))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
def test_a_changed_byte_is_read_or_refused_but_never_crashes(
    file: Path, tmp_path: Path, place: int, value: int
) -> None:
    content = bytearray(file.read_bytes())
    content[place % len(content)] = value
    other = tmp_path / "other.safetensors"
    other.write_bytes(content)
    with suppress(ModelUnreadable):
        assert read_header(other).path == other


@pytest.mark.parametrize(
    "header",
    [
        b"[]",
        b"{",
        b'{"a": 5}',
        b'{"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}',
        b'{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}',
        b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}',
        b'{"a": {"dtype": "F32", "shape": "no", "data_offsets": [0, 4]}}',
        b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4, 8]}}',
        b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [100, 104]}}',
        b"[" * 50_000,
    ],
)
def test_a_strange_header_is_refused(tmp_path: Path, header: bytes) -> None:
    path = tmp_path / "strange.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    with pytest.raises(ModelUnreadable):
        read_header(path)


def test_a_header_that_claims_to_be_huge_is_refused_without_reading_it(tmp_path: Path) -> None:
    path = tmp_path / "huge.safetensors"
    path.write_bytes((2**63).to_bytes(8, "little") + json.dumps({}).encode())
    with pytest.raises(ModelUnreadable, match="beginning"):
        read_header(path)


def test_a_folder_or_a_missing_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere.safetensors"):
        with pytest.raises(ModelUnreadable):
            read_header(path)
