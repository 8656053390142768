#!/bin/sh
# Checks every file beside this one, and loads the image into Docker or Podman, without a network: sh load.sh [docker|podman]
set -eu
cd "$(dirname "$0")"
sha256sum --quiet -c SHA256SUMS
engine=${1:-}
for each in docker podman; do
  if [ -z "$engine" ] && "$each" info >/dev/null 2>&1; then engine=$each; fi
done
if ! "${engine:-docker}" info >/dev/null 2>&1; then echo "error: no ${engine:-docker and no podman} answers here to load the image with." >&2; exit 2; fi
"$engine" load -i image.tar.gz
echo "Try it: ${engine##*/} run --rm --network none @IMAGE@ @TRY@"
