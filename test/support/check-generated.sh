#!/bin/sh
# Fails when src/wire/gen or docs/http-api.md is not what `make generate` makes of the proto.
set -eu
cd "$(dirname "$0")/../.."
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
make --no-print-directory generate GENERATED="$fresh"
for made in src/wire/gen docs/http-api.md; do
  if ! diff --recursive --brief "$made" "$fresh/$made"; then
    echo "$made differs from the proto: run \`make generate\` and commit the result" >&2
    exit 1
  fi
done
