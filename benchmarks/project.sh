#!/usr/bin/env bash
# benchmarks/project.sh [ENGINE]: `make project` on a project with three packages of its own, from a fresh clone with empty
# caches (cold) and again (warm), in turn with the Python of its environment alone. With docker or podman: the project's
# image, on a base image that is there.
set -euo pipefail
top=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
export ENGINE=${1:-local} TIMEFORMAT='%R s'
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT

timed() { printf '%-34s ' "$1"; time "${@:2}" >/dev/null 2>&1; }

mkdir "$work/project"
printf '%s\n' keras==2.2.4 pandas seaborn gensim > "$work/project/requirements.txt"
echo 'import keras, pandas, seaborn, gensim' > "$work/project/train.py"
touch -d 2019-03-01 "$work/project"/*
git clone -q "$top" "$work/clone"; cd "$work/clone"
export UV_CACHE_DIR=$work/cache PIP_NO_CACHE_DIR=1 DIR=$work/project
if [ "$ENGINE" = local ]; then
  timed 'first run, cold' make project RUN='python -c ""'
  for _ in 1 2 3; do
    timed 'run again, warm' make project RUN='python -c ""'
    timed "its Python's own start" "$work"/clone/.projects/*/venv/bin/python -c ''
  done
else
  make build-cpu > "$work/build.log" 2>&1 || { tail -n 5 "$work/build.log" >&2; exit 3; }
  timed 'first run, its image built' make project RUN='python -c ""'
  for _ in 1 2 3; do timed 'run again, warm' make project RUN='python -c ""'; done
fi
