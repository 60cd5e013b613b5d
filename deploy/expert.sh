#!/usr/bin/env bash
# One expert node: a Ray node with expert slots under a name of its own. Serve fills the slots from the head.
set -euo pipefail
source "$(dirname "$0")/ray.sh"
export RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S=5 # at SIGTERM, for replicas to finish their rows and say goodbye

# Replicas read their node's name from the environment, placement from the label: the same name in both.
export MORAY_NODE_ID="${MORAY_NODE_ID:-$(hostname)}"

# Replicas find the wire token there and keep their counters beside it.
if [ ! -r "$MORAY_STATE_DIR/wire_token" ]; then
  echo "expert: no $MORAY_STATE_DIR/wire_token: copy the head's, mode 0600" >&2
  exit 2
fi

echo "expert $MORAY_NODE_ID: waiting for Ray at $MORAY_RAY_HOST:$MORAY_RAY_PORT"
for _ in {1..120}; do
  (exec 3<>"/dev/tcp/$MORAY_RAY_HOST/$MORAY_RAY_PORT") 2>/dev/null && break
  sleep 1
done

# Without CPUs nothing else than replicas can be placed here.
exec ray start --block --address="$MORAY_RAY_HOST:$MORAY_RAY_PORT" \
  --num-cpus=0 --resources="{\"moray_expert_slot\":$MORAY_SLOTS}" --labels="moray-node=$MORAY_NODE_ID" \
  "${common_options[@]}"
