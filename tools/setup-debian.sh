#!/usr/bin/env bash
# Installs the Debian packages that the demo and the tests use and that are missing.
#
#   tools/setup-debian.sh [--require] GROUP...     groups: race, programs, proxies, fuse, slurm, chromium, peers
#
# As root on Debian it installs them; otherwise it prints the command that
# would. A group that cannot be had is an error with --require, or when
# STINT_TEST_REQUIRE lists it, as in CI. Otherwise it is a warning, and the
# tests that need it say what they skip.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin # daemons are there, and not everybody looks there

# One line a thing that must be there: group, what to look for (a program, or a
# file by its path), the package that brings it.
needs() {
  cat <<'TABLE'
race     gcc                                  gcc
race     /usr/include/stdlib.h                libc6-dev
programs prodigal                             prodigal
programs megahit                              megahit
programs blastn                               ncbi-blast+
programs mafft                                mafft
programs fasttree                             fasttree
programs /usr/share/doc/bowtie2/examples/reads/reads_1.fq.gz bowtie2-examples
programs curl                                 curl
programs bwrap                                bubblewrap
programs strace                               strace
programs mkfs.ext4                            e2fsprogs
programs mkfs.xfs                             xfsprogs
programs losetup                              mount
programs prlimit                              util-linux
proxies  nginx                                nginx
proxies  caddy                                caddy
proxies  haproxy                              haproxy
fuse     /dev/fuse                            fuse3
slurm    sbatch                               slurm-client
slurm    slurmctld                            slurmctld
slurm    slurmd                               slurmd
slurm    /usr/share/doc/slurm-wlm-basic-plugins slurm-wlm-basic-plugins
slurm    munged                               munge
slurm    slurmdbd                             slurmdbd
slurm    /usr/share/doc/slurm-wlm-mysql-plugin slurm-wlm-mysql-plugin
slurm    mariadbd                             mariadb-server
slurm    ip                                   iproute2
chromium chromium                             chromium
peers    /usr/lib/postgresql                  postgresql
peers    redis-server                         redis-server
TABLE
}

# missing GROUP prints the packages of a group that are not there.
missing() {
  needs | while read -r group thing package; do
    [ "$group" = "$1" ] || continue
    case $thing in
      /*) [ -e "$thing" ] || echo "$package" ;;
      *) command -v "$thing" >/dev/null || echo "$package" ;;
    esac
  done
}

# install PACKAGE... as root. Services that come with a package must not start
# on a developer's machine, and minimal images leave out /usr/share/doc, where
# bowtie2-examples keeps its files.
install() {
  local policy=/usr/sbin/policy-rc.d made=
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    made=yes
  fi
  local status=0
  { apt-get update -qq || true
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends --reinstall \
      -o Dpkg::Options::=--path-include='/usr/share/doc/bowtie2/examples/*' "$@"; } >&2 || status=$?
  [ -z "$made" ] || rm -f "$policy"
  return "$status"
}

# required GROUP says whether its absence is an error.
required() {
  [ -z "$require" ] || return 0
  case ",${STINT_TEST_REQUIRE:-}," in
    *",$1,"*) return 0 ;;
    *) return 1 ;;
  esac
}

require=
if [ "${1:-}" = --require ]; then
  require=yes
  shift
fi

packages=()
for group in "$@"; do
  case $group in
    race | programs | proxies | fuse | slurm | chromium | peers) ;;
    *) echo "set-up: unknown group $group (have: race, programs, proxies, fuse, slurm, chromium, peers)" >&2; exit 2 ;;
  esac
  mapfile -t -O "${#packages[@]}" packages < <(missing "$group")
done
[ "${#packages[@]}" -gt 0 ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "set-up: installing ${packages[*]}"
  install "${packages[@]}" || echo 'set-up: apt-get failed' >&2
fi

status=0
for group in "$@"; do
  left=$(missing "$group" | tr '\n' ' ')
  [ -n "$left" ] || continue
  {
    echo
    echo "set-up: missing for \"$group\": $left"
    echo "        on Debian or Ubuntu: sudo apt-get install --no-install-recommends $left"
    if [ "$group" = race ]; then
      echo '        Without a C compiler Go has no race detector, and the tests run under it.'
    elif ! required "$group"; then
      echo '        Going on without: what needs them is unavailable, and its tests are skipped.'
    fi
    echo
  } >&2
  if required "$group"; then status=1; fi
done
exit "$status"
