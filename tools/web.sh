#!/usr/bin/env bash
# Runs a step of the pages in web/, where Node is there.
#
#   tools/web.sh build|check|fmt|test     installs what package-lock.json pins, then runs that script of web/package.json
#   tools/web.sh install                  installs alone
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
step=${1:?build, check, fmt, test or install}

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
[ "$step" = install ] || npm run --silent "$step"
