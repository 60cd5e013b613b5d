"""Secrets that an operator types or keeps in a file. They come no other way: a command line shows in the list of
processes, and the environment is inherited by every process of Ray."""

from __future__ import annotations

import getpass
import warnings
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr

from moray.errors import BadKey, UnsafeFile
from moray.files import read_private

MIN_NEW_CHARACTERS = 8
MAX_PASSWORD_BYTES = 1024

PasswordFile = Annotated[
    Path | None,
    typer.Option("--password-file", metavar="FILE", help="Password of the keystore, mode 0600; asked for otherwise."),
]


def new_password(file: Path | None) -> SecretStr:
    """Raises BadKey for one that is too short to choose or typed differently the second time; see ``password``."""
    chosen = password(file, "New password: ")
    if len(chosen) < MIN_NEW_CHARACTERS:
        raise BadKey(f"the password is shorter than {MIN_NEW_CHARACTERS} characters; choose a longer one")
    if file is None and ask("Again: ", "--password-file") != chosen:
        raise BadKey("the two passwords differ; try again")
    return chosen


def password(file: Path | None, prompt: str, option: str = "--password-file") -> SecretStr:
    """The first line of ``file``, or typed where there is none; ``option`` is what names the file.

    Raises UnsafeFile for a file that others may read, BadKey for an empty password or one that is no text.
    """
    if file is None:
        return ask(prompt, option)
    content = read_private(file, MAX_PASSWORD_BYTES).removesuffix(b"\n").removesuffix(b"\r")
    try:
        return _secret(content.decode())
    except ValueError:
        raise BadKey(f"{file} must hold the password, one line of UTF-8 text, and nothing else") from None


def ask(prompt: str, option: str) -> SecretStr:
    """A secret typed at the terminal and not shown.

    Raises UnsafeFile where no terminal can hide it (``option`` is what to give instead), BadKey for an empty one.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)  # it would go on and show what is typed
        try:
            return _secret(getpass.getpass(prompt))
        except (getpass.GetPassWarning, EOFError):
            raise UnsafeFile(f"no terminal to ask for a secret without showing it; give {option}") from None
        except ValueError:
            raise BadKey("nothing was typed, or something that is no text; try again") from None


def _secret(text: str) -> SecretStr:
    """Raises ValueError for anything but one line of text."""
    if not text or any(character in text for character in "\r\n\0"):
        raise ValueError
    text.encode()  # a terminal's broken bytes become surrogates, which have no UTF-8
    return SecretStr(text)
