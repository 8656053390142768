#!/bin/sh
# The Python of this folder, wherever it lies, with its packages and recipes: ./python3.6 -m tensorflow_with_keras
here=$(dirname -- "$(readlink -f -- "$0")")
has=$(getconf GNU_LIBC_VERSION 2>/dev/null | sed 's/^glibc //')
if [ "$(printf '%s\n' @GLIBC@ "${has:-0}" | sort -V | head -n 1)" != @GLIBC@ ]; then
  echo "error: this needs glibc @GLIBC@ or newer, and here is ${has:-another C library}: use the image in a container." >&2
  exit 2
fi
PATH=$here/python/bin:$PATH
unset PYTHONHOME               # a cluster's modules set it for another Python
export PYTHONNOUSERSITE=1      # nor are packages under ~/.local for this one
export MPLBACKEND="${MPLBACKEND:-Agg}" KERAS_BACKEND="${KERAS_BACKEND:-tensorflow}" TF_CPP_MIN_LOG_LEVEL="${TF_CPP_MIN_LOG_LEVEL:-1}"
if [ "${ALLOCATOR:-}" != stock ]; then
  while IFS= read -r line; do
    case $line in '#'*) continue ;; esac
    if ! printenv "${line%%=*}" >/dev/null; then export "${line?}"; fi
  done < "$here/docker/allocator.env"
fi
exec "$here/python/bin/python3.6" "$@"
