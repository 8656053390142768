#!/usr/bin/env bash
# benchmarks/front_door.sh [RUNS]: the local engine from a fresh clone, with empty caches (cold) and again (warm).
set -euo pipefail
top=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
export ENGINE=local TIMEFORMAT='%R s'
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT

timed() { printf '%-34s ' "$1"; time "${@:2}" >/dev/null 2>&1; }

for run in $(seq "${1:-1}"); do
  git clone -q "$top" "$work/$run"; cd "$work/$run"
  export UV_CACHE_DIR=$work/cache-$run PIP_NO_CACHE_DIR=1
  timed 'make run-example, cold' make run-example
  timed 'make run-example, warm' make run-example
  rm -rf .tools "$UV_CACHE_DIR"
  timed 'make test, cold' make test
done
