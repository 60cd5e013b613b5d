"""The files of a model folder that turn text into token ids and back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from moray.errors import BadCheckpoint

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "generation_config.json", "chat_template.jinja")


@dataclass(frozen=True, slots=True)
class TokenizerFiles:
    """Paths; the optional ones are None where the folder has none."""

    tokenizer: Path
    tokenizer_config: Path | None
    generation_config: Path | None
    chat_template: Path | None


def read_tokenizer_files(folder: Path) -> TokenizerFiles:
    """The tokenizer files of a model folder. Raises BadCheckpoint when there is no tokenizer.json."""
    paths = {name: folder / name if (folder / name).is_file() else None for name in TOKENIZER_FILES}
    tokenizer = paths["tokenizer.json"]
    if tokenizer is None:
        raise BadCheckpoint(
            f"{folder / 'tokenizer.json'} is missing; copy it from the model's page "
            "(if it has only a slow tokenizer, save that as a fast one)"
        )
    return TokenizerFiles(
        tokenizer,
        paths["tokenizer_config.json"],
        paths["generation_config.json"],
        paths["chat_template.jinja"],
    )
