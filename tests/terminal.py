"""A command at a terminal of its own, for what is asked for and not shown."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import termios
from collections.abc import Mapping, Sequence


def at_terminal(command: Sequence[str], answers: Sequence[tuple[str, str]], env: Mapping[str, str]) -> tuple[int, str]:
    """Run ``command``; after each prompt type the answer. Returns the exit code and all that the terminal showed."""
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=env,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # so that /dev/tty is this terminal
    )
    os.close(theirs)
    shown, waiting = b"", list(answers)
    start = 0  # of what the next prompt may be in
    try:
        while True:
            if waiting and waiting[0][0].encode() in shown[start:]:
                start = len(shown)
                os.write(ours, waiting.pop(0)[1].encode() + b"\n")
            try:
                data = os.read(ours, 4096)
            except OSError as error:
                if error.errno != errno.EIO:  # what a terminal says when nobody holds its other end
                    raise
                break
            if not data:
                break
            shown += data
        code = process.wait(60)
    finally:
        process.kill()
        os.close(ours)
    assert not waiting, f"never asked for {waiting[0][0]!r}: {shown.decode()}"
    return code, shown.decode()
