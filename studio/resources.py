"""Where the files that ship with the program lie: `resources/` in a checkout, `studio/_resources/` in a wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parent / "resources"
ROOT = _CHECKOUT if _CHECKOUT.is_dir() and (_PACKAGE.parent / "pyproject.toml").is_file() else _PACKAGE / "_resources"


def resource(*parts: str) -> Path:
    """The path of a shipped file or folder, for example `resource("templates", "text-to-image.json")`."""
    return ROOT.joinpath(*parts)
