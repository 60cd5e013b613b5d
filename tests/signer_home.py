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

from eth_keyfile.keyfile import create_keyfile_json

from moray.agents.signer.client import SignerClient
from signer_kit import KEY, POLICY, PRIVATE_KEY

IS_ROOT = os.geteuid() == 0
SIGNER, AGENT, THIRD = (64_001, 64_002, 64_003) if IS_ROOT else (os.geteuid(),) * 3
PASSWORD = "correct horse battery staple"
ROOT = Path(__file__).parents[1]


def interpreter() -> str:
    """One of this version that other users can run: this one may lie in somebody's home."""
    own = Path(sys.executable).resolve()
    is_open = all(parent.stat().st_mode & 0o001 for parent in own.parents)
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    found = sys.executable if is_open else shutil.which(name, path="/usr/local/bin:/usr/bin")
    assert found is not None, f"no {name} that other users can run"
    return found


class Home:
    """The folder of a signer's user, and its process."""

    def __init__(self, folder: Path, policy: str = POLICY) -> None:
        self.folder = folder
        self.process: subprocess.Popen[str] | None = None
        self.log = ""
        keystore = create_keyfile_json(PRIVATE_KEY, PASSWORD.encode(), kdf="pbkdf2", iterations=600_000)
        self.write("keystore", json.dumps(keystore))
        self.write("password", PASSWORD)
        self.write("policy", policy)
        for path in (folder, *folder.iterdir()):
            os.chown(path, SIGNER, SIGNER)
        folder.chmod(0o711)  # the agent may go through to the socket, and list nothing

    def write(self, name: str, content: str) -> None:
        (self.folder / name).write_text(content)
        (self.folder / name).chmod(0o600)

    def path(self, name: str) -> Path:
        return self.folder / name

    def command(self, *arguments: str, user: int, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        done: subprocess.CompletedProcess[bytes] = subprocess.run(
            [interpreter(), *arguments],
            input=stdin,
            capture_output=True,
            timeout=120,
            env=self.environment(),
            cwd="/",
            **({"user": user, "group": user, "extra_groups": []} if IS_ROOT else {}),  # type: ignore[call-overload]
        )
        return done

    def environment(self) -> dict[str, str]:
        places = f"{ROOT / 'src'}:{sysconfig.get_path('purelib')}"
        return {"PATH": "/usr/bin:/bin", "PYTHONPATH": places, "PYTHONDONTWRITEBYTECODE": "1"}

    def start(self, *options: str) -> None:
        """Returns when it listens."""
        files = [f"--{name}={self.path(name)}" for name in ("keystore", "policy", "socket", "journal", "ledger")]
        users = [f"--allow-uid={AGENT}", f"--allow-uid={os.geteuid()}"]
        command = [interpreter(), "-m", "moray.cli", "agent", "signer", "run", *files, *users, *options]
        self.process = subprocess.Popen(
            [*command, f"--password-file={self.path('password')}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environment(),
            cwd="/",
            **({"user": SIGNER, "group": SIGNER, "extra_groups": []} if IS_ROOT else {}),  # type: ignore[call-overload]
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.log += line
        assert line == f"signing as {KEY.address}\n", line + self.process.stdout.read()

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


@contextmanager
def signer_home(policy: str = POLICY) -> Iterator[Home]:
    folder = Path(mkdtemp(prefix="signer-"))  # pytest's own folders let no other user through
    made = Home(folder, policy)
    try:
        yield made
    finally:
        if made.process is not None:
            made.end(signal.SIGKILL)
        shutil.rmtree(folder)
