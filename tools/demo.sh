#!/usr/bin/env bash
# The tour that `make demo` gives: a server on a new, empty store, and the work
# of a user on it. The genome of phage lambda is measured, its reads are
# assembled, and the assembly's result goes from the workspace into the annotation.
#
# With STINT_DEMO_EXIT=1 the server ends with the tour, otherwise with Ctrl-C.
# STINT_DEMO_LISTEN sets the address (127.0.0.1:8421, or any free port where
# that is taken), STINT_DEMO_DATA the folder (.demo, emptied first).
set -euo pipefail
cd "$(dirname "$0")/.."

examples=/usr/share/doc/bowtie2/examples
data=${STINT_DEMO_DATA:-.demo}
server=''

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
run() { # shows a command as one would type it, and runs it
  printf '\n$ %s\n' "$*"
  "$@"
}

finish() {
  [ -z "$server" ] || { kill "$server" 2>/dev/null && wait "$server" 2>/dev/null; } || true
}
trap finish EXIT
trap 'exit 130' INT TERM

# A folder that is not ours is left alone.
if [ -e "$data" ] && [ ! -e "$data/.stint-demo" ] && [ -n "$(ls -A "$data")" ]; then
  echo "demo: $data is there and was not made by the demo; set STINT_DEMO_DATA to another folder" >&2
  exit 1
fi
rm -rf "$data"
mkdir -p "$data/input"
: >"$data/.stint-demo"

listen=${STINT_DEMO_LISTEN:-127.0.0.1:8421}
if [ -z "${STINT_DEMO_LISTEN:-}" ] && (exec 3<>/dev/tcp/127.0.0.1/8421) 2>/dev/null; then
  listen=127.0.0.1:0
fi

say 'Starting the server'
printf '$ bin/stintd --data %s --listen %s --services services --sandbox auto %s\n' "$data/server" "$listen" "${STINT_DEMO_FLAGS:-}"
# shellcheck disable=SC2086 # flags are words
bin/stintd --data "$data/server" --listen "$listen" --services services --sandbox auto ${STINT_DEMO_FLAGS:-} >"$data/stintd.out" 2>"$data/stintd.log" &
server=$!
until address=$(sed -n 's|^stintd is serving on http://||p' "$data/stintd.out") && [ -n "$address" ]; do
  kill -0 "$server" 2>/dev/null || { cat "$data/stintd.log" >&2; exit 1; }
  read -rt 0.1 <> <(:) || true # a tenth of a second
done
export STINT_SERVER=$address PATH=$PWD/bin:$PATH
echo "It serves gRPC and REST on http://$address; its log is $data/stintd.log."

for f in reference/lambda_virus.fa reads/reads_1.fq reads/reads_2.fq; do
  if [ -e "$examples/$f.gz" ]; then zcat "$examples/$f.gz"; else cat "$examples/$f"; fi >"$data/input/${f##*/}"
done

say 'What can be run here'
run stint services

say 'The genome of phage lambda: how long is it, and what is it made of?'
run stint submit SequenceStats -p sequences=@"$data/input/lambda_virus.fa" --output-name lambda-stats --wait
run stint download /jobs/lambda-stats/stats.tsv -o -

say 'Its sequencing reads, assembled into a genome'
run stint submit GenomeAssembly -p read1=@"$data/input/reads_1.fq" -p read2=@"$data/input/reads_2.fq" \
  --output-name lambda-assembly --wait
run stint download /jobs/lambda-assembly/stats.tsv -o -

say 'The assembly, straight from the workspace, annotated'
run stint submit GenomeAnnotation -p contigs=/jobs/lambda-assembly/contigs.fasta --output-name lambda-annotation --wait
run stint download /jobs/lambda-annotation/summary.tsv -o -

say 'All jobs'
run stint list
run stint status

say 'The same over REST'
run curl -s "http://$address/v1/jobs:summarize"
echo

if [ -n "${STINT_DEMO_EXIT:-}" ] && [ "$STINT_DEMO_EXIT" != 0 ]; then
  exit 0
fi
say "The server stays up on http://$address - Ctrl-C ends it."
echo "In another terminal: export STINT_SERVER=$address PATH=$PWD/bin:\$PATH"
wait "$server"
