"""Settings survive broken files, later versions and two windows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from studio.app.settings import (
    FILE_NAME,
    MOST_RECENT,
    KeymapPreset,
    Settings,
    Theme,
    change_settings,
    load_settings,
    with_recent,
)
from studio.graph.errors import CodecError, Misuse


def test_a_change_is_there_at_the_next_start(tmp_path: Path) -> None:
    change_settings(tmp_path / "config", theme=Theme.LIGHT, gpu_memory=6.5, keys={"run.run": ("F5",)})
    loaded = load_settings(tmp_path / "config")
    assert loaded.message == ""
    assert loaded.settings == Settings(theme=Theme.LIGHT, gpu_memory=6.5, keys={"run.run": ("F5",)})


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    assert load_settings(tmp_path).settings == Settings()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"theme": "li'])
def test_a_broken_file_is_set_aside_whole(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    loaded = load_settings(tmp_path)
    assert loaded.settings == Settings()
    assert "settings.broken.json" in loaded.message
    assert (tmp_path / "settings.broken.json").read_bytes() == content
    assert load_settings(tmp_path).message == ""


def test_one_wrong_field_costs_only_itself(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text(json.dumps({"theme": "pink", "disk_cache": 3, "device": "cpu"}))
    loaded = load_settings(tmp_path)
    assert loaded.settings == Settings(disk_cache=3.0, device="cpu")
    assert "theme" in loaded.message


def test_what_a_later_version_wrote_is_kept(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text(json.dumps({"holograms": [1], "device": "cpu"}))
    change_settings(tmp_path, previews=False)
    assert json.loads((tmp_path / FILE_NAME).read_text()) == {"holograms": [1], "device": "cpu", "previews": False}


def test_a_setting_that_goes_back_to_its_default_does_so(tmp_path: Path) -> None:
    change_settings(tmp_path, previews=False)
    change_settings(tmp_path, previews=True)
    assert load_settings(tmp_path).settings == Settings()


def test_two_windows_change_different_things(tmp_path: Path) -> None:
    change_settings(tmp_path, window="first")
    change_settings(tmp_path, keymap=KeymapPreset.BLENDER)
    assert load_settings(tmp_path).settings == Settings(window="first", keymap=KeymapPreset.BLENDER)


def test_values_that_cannot_be_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(CodecError):
        change_settings(tmp_path, disk_cache="much")
    with pytest.raises(CodecError):
        change_settings(tmp_path, gpu_memory=float("nan"))
    with pytest.raises(Misuse, match="themes"):
        change_settings(tmp_path, themes="dark")
    assert not (tmp_path / FILE_NAME).exists()


def test_recent_files_stand_latest_first_each_once() -> None:
    recent: tuple[str, ...] = ()
    for number in [*range(30), 25]:
        recent = with_recent(recent, Path(f"/{number}.json"))
    assert recent[:3] == ("/25.json", "/29.json", "/28.json")
    assert len(recent) == len(set(recent)) == MOST_RECENT
