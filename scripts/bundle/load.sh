#!/bin/sh
# Checks every file beside this one, and loads the image into Docker or Podman, without a network: sh load.sh [docker|podman]
set -eu
cd "$(dirname "$0")"
sha256sum --quiet -c SHA256SUMS
if [ $# = 0 ]; then set -- "$(command -v docker || command -v podman || true)"; fi
if ! command -v "$1" >/dev/null; then echo "error: there is no ${1:-docker and no podman} here to load the image with." >&2; exit 2; fi
"$1" load -i image.tar.gz
echo "Try it: ${1##*/} run --rm --network none @IMAGE@ python -m tensorflow_with_keras run metrics/cohens_kappa"
