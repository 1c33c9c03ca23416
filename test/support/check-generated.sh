#!/bin/sh
# Fails when src/wire/gen is not what `make generate` makes of the proto.
set -eu
cd "$(dirname "$0")/../.."
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
make --no-print-directory generate GENERATED="$fresh"
if ! diff --recursive --brief src/wire/gen "$fresh/src/wire/gen"; then
  echo 'src/wire/gen differs from the proto: run `make generate` and commit the result' >&2
  exit 1
fi
