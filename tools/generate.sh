#!/usr/bin/env bash
# Makes from proto/ the public stubs in gen/, and in internal/gen/ the gateway's code, the format on disk, and the
# OpenAPI document with a package that embeds it.
# Where Node is there, also web/src/gen: types for the pages.
#
#   tools/generate.sh           replaces them
#   tools/generate.sh --check   changes nothing; fails where they are not what proto/ gives
#
# Needs .deps/proto (make does that first). Works from the top of the repository.
set -euo pipefail
cd "$(dirname "$0")/.."

# In .deps and not in /tmp, so that the last step is a rename.
work=$(mktemp -d "$PWD/.deps/gen.XXXXXX")
trap 'rm -rf "$work"' EXIT

buf() { tools/run.sh tools/go.mod buf "$@"; }

buf generate --output "$work"
buf generate --template buf.gen.store.yaml --output "$work"

buf build proto --output "$work/descriptors.binpb"

mapfile -t documents < <(find "$work/openapi" -name '*.openapi.json' | LC_ALL=C sort)
GOWORK=off go -C tools run ./openapi \
  -base "$PWD/proto/stint/rest.openapi.json" \
  -descriptors "$work/descriptors.binpb" \
  -out "$work/internal/gen/openapi" \
  "${documents[@]}"

tools/web.sh install
made=(gen/stint internal/gen)
if [ -e web/node_modules/@bufbuild/protoc-gen-es ]; then
  buf generate --template web/buf.gen.yaml --output "$work"
  made+=(web/src/gen)
fi

if [ "${1:-}" = --check ]; then
  for folder in "${made[@]}"; do
    if ! diff -r --brief "$folder" "$work/$folder"; then
      echo "$folder is not what proto/ gives: run \"make generate\" and commit it." >&2
      exit 1
    fi
  done
  exit 0
fi

for folder in "${made[@]}"; do
  if [ -d "$folder" ]; then mv "$folder" "$work/old-${folder//\//-}"; fi
  mv "$work/$folder" "$folder"
done
