#!/usr/bin/env bash
# Checks the syntax of every committed shell script with the shell that its first line names.
set -euo pipefail
cd "$(dirname "$0")/.."

status=0
while read -r file; do
  [ -f "$file" ] || continue
  read -r line <"$file" || continue
  case $line in
    '#!'*bash*) bash -n "$file" || status=1 ;;
    '#!'*/sh*) sh -n "$file" || status=1 ;;
  esac
done < <(git ls-files --cached --others --exclude-standard -- '*.sh' .ci services)
exit "$status"
