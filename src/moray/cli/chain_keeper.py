"""The process that keeps the development chain: anvil as its child, until it is told to end. `moray chain up` starts it
as ``python -m moray.cli.chain_keeper STATE_DIR PORT BLOCK_TIME_S``.

anvil ends with its parent and then writes its state, so a chain that was interrupted goes on where it was.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from moray.contracts.anvil import Anvil
from moray.files import write_private

URL_FILE = "anvil.url"  # written once it listens
STATE_FILE = "anvil-state.json"


def main() -> None:
    directory, port, block_time_s = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    signals = {signal.SIGTERM, signal.SIGINT}
    with Anvil(block_time_s, directory / STATE_FILE, port=port) as anvil:
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # after its start: a child inherits the mask
        write_private(directory / URL_FILE, anvil.url.encode())
        signal.sigwait(signals)


if __name__ == "__main__":
    main()
