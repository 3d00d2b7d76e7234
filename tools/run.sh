#!/usr/bin/env bash
# Runs a tool that a module file below tools/ pins. The tool itself sees the workspace; it is built without it, for its
# versions are not to meet the product's.
#
#   tools/run.sh tools/go.mod buf lint proto      works from any folder; the module file is named from the top
set -euo pipefail
modules=${1:?a module file} tool=${2:?a tool}
shift 2
program=$(cd "$(dirname "$0")/.." && GOWORK=off go tool -n -modfile="$modules" "$tool")
exec "$program" "$@"
