"""What a node author imports, and what it costs who does not."""

from __future__ import annotations

import subprocess
import sys

import pytest

import studio.sdk
from studio.sdk import authoring


def test_every_name_can_be_imported_from_the_package() -> None:
    for name in authoring.__all__:
        assert getattr(studio.sdk, name) is getattr(authoring, name)
    with pytest.raises(AttributeError, match="no attribute 'Sculpture'"):
        _ = studio.sdk.Sculpture  # type: ignore[attr-defined]


def test_declaring_and_running_nodes_needs_no_torch_and_no_qt() -> None:
    code = (
        "import sys\n"
        "from studio.sdk import Image, node\n"
        "from studio.sdk.testing import run_node\n"
        "@node('a/B')\n"
        "def b(image: Image) -> Image:\n"
        "    return 1 - image\n"
        "assert run_node(b, image=Image.of([[0.0]])).mean() == 1\n"
        "print({'torch', 'PySide6', 'cv2', 'PIL'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "set()\n", done.stderr
