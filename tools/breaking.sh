#!/usr/bin/env bash
# Checks that proto/ breaks nothing of the contract recorded in tools/breaking-base.
#
# The recorded version is unpacked beside today's third-party files, because
# those are not committed and so not in any commit's archive.
set -euo pipefail
cd "$(dirname "$0")/.."

base=$(grep -v '^#' tools/breaking-base)
if [ "$base" = none ]; then
  echo 'breaking: tools/breaking-base says "none": no contract is recorded yet, so there is nothing to break.'
  exit 0
fi
if ! git rev-parse --quiet --verify "$base^{commit}" >/dev/null; then
  echo "breaking: commit $base (tools/breaking-base) is not in this clone; a shallow clone needs: git fetch --unshallow --tags" >&2
  exit 1
fi

work=$(mktemp -d "$PWD/.deps/base.XXXXXX")
trap 'rm -rf "$work"' EXIT
git archive "$base" buf.yaml proto | tar -x -C "$work"
mkdir "$work/.deps"
cp -r .deps/proto "$work/.deps/proto"
tools/run.sh tools/go.mod buf breaking proto --against "$work/proto"
