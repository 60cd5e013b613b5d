#!/usr/bin/env bash
# The router service: a Ray head and, on it, the network's router. Ends when Ray ends or the network does not start.
set -euo pipefail
source "$(dirname "$0")/ray.sh"
export RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S=0 # at SIGTERM Ray would wait 30 s for work to move, and it cannot move

# On several networks a host has several addresses: this name says which one is the nodes'.
read -r ray_ip _ < <(getent ahostsv4 "$MORAY_RAY_HOST")

end_all() {
  trap - EXIT TERM INT
  kill "${pids[@]}" 2>/dev/null || true
  wait
}
pids=()
trap end_all EXIT
trap 'exit 143' TERM INT

ray start --head --block \
  --node-ip-address="$ray_ip" --port="$MORAY_RAY_PORT" \
  --include-dashboard=false --no-monitor --num-cpus=1 \
  --resources='{"moray_router":1}' --labels=moray-node=head \
  "${common_options[@]}" &
ray_pid=$!
pids+=("$ray_pid")

echo "router: waiting for Ray and $MORAY_NODES expert nodes"
moray up --detach --ray-address "$MORAY_RAY_HOST:$MORAY_RAY_PORT" \
  --model "$MORAY_MODEL" --nodes "$MORAY_NODES" \
  --replicas "$MORAY_REPLICAS" --experts-per-replica "$MORAY_EXPERTS_PER_REPLICA" \
  --http-host "$MORAY_HTTP_HOST" --http-port "$MORAY_HTTP_PORT" \
  --data-host "$ray_ip" --data-port "$MORAY_DATA_PORT" \
  --state-dir "$MORAY_STATE_DIR" &
up_pid=$!
pids+=("$up_pid")
wait -n "$up_pid" "$ray_pid" # if either failed its line is in the log, and this ends with its exit code
wait "$ray_pid"
