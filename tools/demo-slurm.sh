#!/usr/bin/env bash
# The tour of `make demo` on a Slurm cluster: a throw-away one of two nodes with
# accounting, in a folder of its own, that ends with the tour. Needs root on Debian.
set -euo pipefail
cd "$(dirname "$0")/.."

# Slurm's sockets lie below this folder, and their paths must be short.
cluster=$(mktemp -d "${TMPDIR:-/tmp}/stint-slurm.XXXXXX")
finish() { tools/slurm/down.sh -d "$cluster" || true; }
trap finish EXIT
trap 'exit 130' INT TERM

printf '\n\033[1mStarting a Slurm cluster\033[0m\n'
flags=(-n 2 -c 2 -m 4000 -a)
# Real OUT_OF_MEMORY where the machine has the cgroups for it.
if [ "$(id -u)" = 0 ] && [ -w /sys/fs/cgroup/memory ]; then flags+=(-g); fi
tools/slurm/up.sh "${flags[@]}" "$cluster"
# shellcheck disable=SC1091 # written by up.sh
. "$cluster/env"
sinfo

STINT_DEMO_FLAGS='--executor slurm' STINT_DEMO_DATA=${STINT_DEMO_DATA:-.demo-slurm} tools/demo.sh
printf '\n\033[1mWhat Slurm says of these jobs\033[0m\n'
sacct -X -o JobID,JobName%-24,State,ExitCode,Elapsed,NodeList
