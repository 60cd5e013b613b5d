"""Where Elver, the house model, lies: in a checkout of the sources. An installed package does not bring it along."""

from __future__ import annotations

from pathlib import Path

import moray
from moray.errors import BadSetting

ELVER = Path("models", "elver")


def find_elver() -> Path:
    """Its folder, as `moray up --model` takes it. Raises BadSetting where there is none."""
    folder = Path(moray.__file__).resolve().parents[2] / ELVER
    if not (folder / "manifest.json").is_file():
        raise BadSetting(f"the house model is not at {folder}; name the folder of a model with --model")
    return folder
