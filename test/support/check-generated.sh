#!/bin/sh
# Fails when src/gen is not what `make generate` makes of the proto.
set -eu
cd "$(dirname "$0")/../.."
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
make --no-print-directory generate GENERATED="$fresh"
if ! diff --recursive --brief src/gen "$fresh/src/gen"; then
  echo 'src/gen differs from the proto: run `make generate` and commit the result' >&2
  exit 1
fi
