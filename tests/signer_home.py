"""The signer as a process: of another user than the agent's where the tests run as root."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from eth_keyfile.keyfile import create_keyfile_json

from moray.agents.signer.client import SignerClient
from moray.node_key import NodeKey
from signer_kit import POLICY, PRIVATE_KEY

IS_ROOT = os.geteuid() == 0
SIGNER, AGENT, THIRD = (64_001, 64_002, 64_003) if IS_ROOT else (os.geteuid(),) * 3
PASSWORD = "correct horse battery staple"
ROOT = Path(__file__).parents[1]
PATIENCE_S = 280.0


def interpreter() -> str:
    """One of this version that other users can run: this one may lie in somebody's home."""
    own = Path(sys.executable).resolve()
    is_open = all(parent.stat().st_mode & 0o001 for parent in own.parents)
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    found = sys.executable if is_open else shutil.which(name, path="/usr/local/bin:/usr/bin")
    assert found is not None, f"no {name} that other users can run"
    return found


class Home:
    """The folder of a signer's user, and its process. ``agent``: whose processes may ask it."""

    def __init__(
        self,
        folder: Path,
        policy: str = POLICY,
        private_key: bytes = PRIVATE_KEY,
        user: int = SIGNER,
        agent: int = AGENT,
    ) -> None:
        self.folder, self.user, self.agent = folder, user, agent
        self.address = NodeKey.from_bytes(private_key).address
        self.process: subprocess.Popen[str] | None = None
        self.log = ""
        keystore = create_keyfile_json(private_key, PASSWORD.encode(), kdf="pbkdf2", iterations=600_000)
        self.write("keystore", json.dumps(keystore))
        self.write("password", PASSWORD)
        self.write("policy", policy)
        for path in (folder, *folder.iterdir()):
            os.chown(path, user, user)
        folder.chmod(0o711)  # the agent may go through to the socket, and list nothing

    def write(self, name: str, content: str) -> None:
        (self.folder / name).write_text(content)
        (self.folder / name).chmod(0o600)

    def path(self, name: str) -> Path:
        return self.folder / name

    def command(self, *arguments: str, user: int, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        with self.begin(*arguments, user=user) as process:
            out, errors = process.communicate(stdin, timeout=PATIENCE_S)
        return subprocess.CompletedProcess(arguments, process.returncode, out, errors)

    def begin(self, *arguments: str, user: int, cwd: Path = Path("/")) -> subprocess.Popen[bytes]:
        """A process of ``user``'s, with pipes to it."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [interpreter(), *arguments],
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            env=self.environment(),
            cwd=cwd,
            **_as_user(user),
        )

    def environment(self) -> dict[str, str]:
        places = f"{ROOT / 'src'}:{sysconfig.get_path('purelib')}"
        return {"PATH": "/usr/bin:/bin", "PYTHONPATH": places, "PYTHONDONTWRITEBYTECODE": "1"}

    def start(self, *options: str) -> None:
        """Returns when it listens. In its own folder, where a core file could be written."""
        files = [f"--{name}={self.path(name)}" for name in ("keystore", "policy", "socket", "journal", "ledger")]
        users = [f"--allow-uid={self.agent}", f"--allow-uid={os.geteuid()}"]
        command = [interpreter(), "-m", "moray.cli", "agent", "signer", "run", *files, *users, *options]
        self.process = subprocess.Popen(
            [*command, f"--password-file={self.path('password')}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environment(),
            cwd=self.folder,
            **_as_user(self.user),
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.log += line
        assert line == f"signing as {self.address}\n", line + self.process.stdout.read()

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None and self.process.stdout is not None
        self.process.send_signal(number)
        self.log += self.process.stdout.read()
        self.process.stdout.close()
        code = self.process.wait(60)
        self.process = None
        return code

    @property
    def client(self) -> SignerClient:
        return SignerClient(self.path("socket"))


def _as_user(user: int) -> dict[str, Any]:
    """For subprocess."""
    return {"user": user, "group": user, "extra_groups": []} if IS_ROOT else {}


@contextmanager
def signer_home(policy: str = POLICY, private_key: bytes = PRIVATE_KEY, **users: int) -> Iterator[Home]:
    """``users``: ``user`` and ``agent``, as of Home."""
    folder = Path(mkdtemp(prefix="signer-"))  # pytest's own folders let no other user through
    made = Home(folder, policy, private_key, **users)
    try:
        yield made
    finally:
        if made.process is not None:
            made.end(signal.SIGKILL)
        shutil.rmtree(folder)
