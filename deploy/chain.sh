#!/usr/bin/env bash
# The chain service: anvil, whose state lies in its volume. The contracts come from `moray chain up --url`.
set -euo pipefail
exec anvil --host 0.0.0.0 --port 8545 --chain-id 31337 --block-time "$MORAY_BLOCK_TIME_S" \
  --state /var/lib/chain/state.json --state-interval 10
