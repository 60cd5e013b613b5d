# What the head and the expert nodes have in common; sourced by router.sh and expert.sh.
# shellcheck shell=bash disable=SC2034

export RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0
# Replicas are the only workers: spare ones cost 60 MB each.
export RAY_enable_worker_prestart=0 RAY_prestart_worker_first_driver=0
# A dead node is noticed after 3 s, not 15 s.
export RAY_health_check_period_ms=1000 RAY_health_check_failure_threshold=3
# A replica that hangs cannot end gracefully.
export RAY_SERVE_FORCE_STOP_UNHEALTHY_REPLICAS=1
# Spinning OpenMP threads stall each other on few cores.
export OMP_WAIT_POLICY=PASSIVE
export OMP_NUM_THREADS=1

# 80 MB is about Ray's least; activations never go through its object store.
common_options=(
  --temp-dir="$MORAY_TEMP_DIR"
  --num-gpus=0
  --object-store-memory=80000000
  --include-log-monitor=false
  --disable-usage-stats
)
