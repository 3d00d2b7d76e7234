#!/usr/bin/env bash
# Runs every fuzz target for a while, one after the other, for `go test -fuzz` takes one at a time.
#
#   tools/fuzz.sh 10s
set -euo pipefail
cd "$(dirname "$0")/.."

duration=${1:?how long each target runs, for example 10s}
ran=0
while read -r package; do
  while read -r target; do
    echo "--- $package $target"
    go test "$package" -run '^$' -fuzz "^$target\$" -fuzztime "$duration"
    ran=$((ran + 1))
  done < <(go test "$package" -list '^Fuzz' | grep '^Fuzz' || true)
done < <(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./... | grep .)
echo "fuzz: $ran targets, $duration each"
