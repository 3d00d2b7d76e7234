#!/usr/bin/env bash
# Runs a step of the pages in web/, where Node is there.
#
#   tools/web.sh build|check|fmt|test     installs what package-lock.json pins, then runs that script of web/package.json
#   tools/web.sh install                  installs alone
#   tools/web.sh stress                   runs tests of the pages again and again beside two busy loops: N times (10), those
#                                         whose file, or else whose name, has the pattern ONLY (all)
#
# Without Node 20.19 or later the step is left out with a warning: the server then
# serves a page that says so. It is an error when STINT_TEST_REQUIRE lists
# `chromium`, as in CI, or with --require.
set -euo pipefail
cd "$(dirname "$0")/../web"

require=
if [ "${1:-}" = --require ]; then
  require=yes
  shift
fi
step=${1:?build, check, fmt, test, stress or install}

required() {
  [ -z "$require" ] || return 0
  case ",${STINT_TEST_REQUIRE:-}," in
    *,chromium,*) return 0 ;;
    *) return 1 ;;
  esac
}

usable() {
  command -v npm >/dev/null &&
    node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' 2>/dev/null
}

if ! usable; then
  echo "web: Node 20.19 or later with npm is needed for the pages; \"$step\" is left out." >&2
  if required; then exit 1; else exit 0; fi
fi

# npm's own record of what it installed is newer than the lock file when nothing is to be done.
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  npm ci --no-audit --no-fund --loglevel=error >&2
  touch node_modules/.package-lock.json
fi

# A test that fails once beside other work has found a race in the page.
stress() {
  local n=${N:-10} only=${ONLY:-} loops=() files=() by=() failed=0 i
  while read -r file; do files+=("$file"); done < <(find test -maxdepth 1 -name "*$only*.test.mjs" | sort)
  if [ "${#files[@]}" -eq 0 ]; then
    while read -r file; do files+=("$file"); done < <(grep -lFr --include='*.mjs' -- "$only" test --exclude-dir=lib | sort)
    [ "${#files[@]}" -gt 0 ] || files=(test/*.test.mjs)
    by=(--test-name-pattern "$only")
  fi
  for i in 1 2; do
    while :; do :; done &
    loops+=($!)
  done
  # shellcheck disable=SC2064 # The loops of now are meant.
  trap "kill ${loops[*]}" EXIT
  trap "exit 130" INT TERM
  for ((i = 1; i <= n; i++)); do
    if node --test --test-concurrency=1 --test-timeout=240000 --test-reporter=tap "${by[@]}" "${files[@]}" >test/out/stress.log 2>&1; then
      echo "$i of $n: passed, $(sed -n 's/^# pass //p' test/out/stress.log) tests"
    else
      failed=$((failed + 1))
      echo "$i of $n: FAILED"
      grep -E '^ *not ok' test/out/stress.log || true
      cp test/out/stress.log "test/out/stress-failed-$i.log"
    fi
  done
  echo "$failed of $n runs failed."
  [ "$failed" -eq 0 ]
}

case "$step" in
  install) ;;
  stress)
    mkdir -p test/out
    stress
    ;;
  *) npm run --silent "$step" ;;
esac
