#!/usr/bin/env bash
# Checks that every go.mod and go.sum is what `go mod tidy` would write; --write writes them.
#
# The server's module needs the stubs in gen/, which no go.mod names before their first tag: go.work finds them. Tidy
# knows no workspace, so it is shown a copy of go.mod that does name them.
set -euo pipefail
cd "$(dirname "$0")/.."
export GOWORK=off

gen=github.com/stint-jobs/stint/gen
work=$(mktemp -d "$PWD/.deps/tidy.XXXXXX")
trap 'rm -rf "$work"' EXIT

cp go.mod go.sum "$work"
go mod edit -require "$gen@v0.0.0" -replace "$gen=./gen" "$work/go.mod"
go mod tidy -modfile="$work/go.mod"
go mod edit -droprequire "$gen" -dropreplace "$gen" "$work/go.mod"

others=(gen tools bench/plot bench/peers)
if [ "${1:-}" = --write ]; then
  cp "$work/go.mod" "$work/go.sum" .
  for module in "${others[@]}"; do go -C "$module" mod tidy; done
else
  diff -u go.mod "$work/go.mod"
  diff -u go.sum "$work/go.sum"
  for module in "${others[@]}"; do go -C "$module" mod tidy -diff; done
fi
