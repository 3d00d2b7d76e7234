#!/usr/bin/env bash
# Makes gen/ from proto/: Go code, and the OpenAPI document with a package that embeds it.
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

go tool -modfile=tools/go.mod buf generate --output "$work"

go tool -modfile=tools/go.mod buf build proto --output "$work/descriptors.binpb"

mapfile -t documents < <(find "$work/openapi" -name '*.openapi.json' | LC_ALL=C sort)
go -C tools run ./openapi \
  -base "$PWD/proto/stint/v1/rest.openapi.json" \
  -descriptors "$work/descriptors.binpb" \
  -out "$work/gen/openapi" \
  "${documents[@]}"

tools/web.sh install
made=(gen)
if [ -e web/node_modules/@bufbuild/protoc-gen-es ]; then
  go tool -modfile=tools/go.mod buf generate --template web/buf.gen.yaml --output "$work"
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
