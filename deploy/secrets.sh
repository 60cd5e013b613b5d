#!/usr/bin/env bash
# The one-shot secrets service: the Ray token and the wire token, made once, mode 0600.
set -euo pipefail
exec python -c '
import sys
from pathlib import Path
from moray.nodes.state import RAY_TOKEN, WIRE_TOKEN, ensure_token, open_state_dir

for name in (RAY_TOKEN, WIRE_TOKEN):
    ensure_token(open_state_dir(Path(sys.argv[1])), name)
' "$MORAY_STATE_DIR"
