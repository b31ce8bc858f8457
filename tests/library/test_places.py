from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from studio.graph.errors import WriteFailed
from studio.library.places import places, set_model_folders


def test_everything_lies_below_the_home_that_the_environment_names(home: Path) -> None:
    here = places()
    for folder in (here.config, here.cache, here.data, here.outputs, here.plugins, *here.models):
        assert folder.is_relative_to(home)
    assert not home.exists()


def test_without_it_the_systems_own_folders_are_taken(tmp_path: Path) -> None:
    code = "from studio.library.places import places; here = places(); print(here.config, here.outputs, sep='\\n')"
    environment = {name: value for name, value in os.environ.items() if name != "WIRELIGHT_HOME"}
    environment |= {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "settings"), "USERPROFILE": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    config, outputs = done.stdout.splitlines()
    assert config.endswith("wirelight")
    assert Path(outputs).name == "Wirelight"
    assert Path(outputs).is_relative_to(tmp_path)


def test_model_folders_are_kept_without_repetition(tmp_path: Path) -> None:
    own = places().models
    further = tmp_path / "größe and space"
    set_model_folders((further, own[0], further))
    assert places().models == (*own, further)
    set_model_folders(())
    assert places().models == own


def test_a_list_written_by_hand_is_read(home: Path) -> None:
    (home / "config").mkdir(parents=True)
    (home / "config" / "model-folders.txt").write_bytes(b"\xef\xbb\xbf# mine\r\n\r\n  /models/one \r\n~/two\r\n")
    assert places().models[1:] == (Path("/models/one"), Path("~/two").expanduser())


def test_a_list_that_cannot_be_kept_is_told(home: Path) -> None:
    home.write_text("a file where the folder should be")
    with pytest.raises(WriteFailed, match="config"):
        set_model_folders((home,))
