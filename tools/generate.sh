#!/usr/bin/env bash
# Makes gen/ from proto/: Go code, and the OpenAPI document with a package that embeds it.
#
#   tools/generate.sh           replaces gen/
#   tools/generate.sh --check   changes nothing; fails where gen/ is not what proto/ gives
#
# Needs .deps/proto (make does that first). Works from the top of the repository.
set -euo pipefail
cd "$(dirname "$0")/.."

# In .deps and not in /tmp, so that the last step is a rename.
work=$(mktemp -d "$PWD/.deps/gen.XXXXXX")
trap 'rm -rf "$work"' EXIT

go tool -modfile=tools/go.mod buf generate --output "$work"

go tool -modfile=tools/go.mod buf build proto --output "$work/descriptors.binpb"

mapfile -t documents < <(find "$work/openapi" -name '*.openapi.json' | LC_ALL=C sort)
go -C tools run ./openapi \
  -base "$PWD/proto/stint/v1/rest.openapi.json" \
  -descriptors "$work/descriptors.binpb" \
  -out "$work/gen/openapi" \
  "${documents[@]}"

if [ "${1:-}" = --check ]; then
  if ! diff -r --brief gen "$work/gen"; then
    echo 'gen/ is not what proto/ gives: run "make generate" and commit gen/.' >&2
    exit 1
  fi
  exit 0
fi

if [ -d gen ]; then mv gen "$work/old"; fi
mv "$work/gen" gen
