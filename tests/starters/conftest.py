"""Makes the training package importable: it ships with the models, outside the program's own packages."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "resources" / "starters"))
