# The rest is the same for every attempt. Set above: dir, engine_id and node.
# It runs on a node and needs a POSIX shell and utilities, nothing else.
{ # a shell reads up to the closing brace before it begins, so that a script that was cut short does nothing

PATH=/usr/local/bin:/usr/bin:/bin
LC_ALL=C
IFS=' 	
'
export PATH LC_ALL
terminated=false
trap 'terminated=true' TERM

# What is said here goes to batch.log; the server shows the last line when nothing else explains the end.
say() { printf 'stint: %s\n' "$*" >&2; }

case $engine_id in '' | *[!A-Za-z0-9._-]*) engine_id=0 ;; esac
case $node in *[!A-Za-z0-9._-]*) node= ;; esac

# tell EVENT asks the server to look now. It may well not hear: then it looks when it would have looked anyway.
# The token is never an argument, which others on the node could see.
tell() {
  [ -n "$report" ] && [ -n "$secret" ] || return 0
  body="{\"event\":\"JOB_EVENT_$1\"}"
  if command -v curl; then
    curl -sS --connect-timeout 2 -m 5 -o /dev/null -H 'Content-Type: application/json' -d "$body" -K - "$report" <<EOF
header = "Authorization: Bearer $secret"
EOF
  elif command -v wget; then
    (umask 077 && echo "header = Authorization: Bearer $secret" >".batch.wgetrc.$1")
    WGETRC=.batch.wgetrc.$1 wget -q -T 2 -t 1 -O /dev/null --header='Content-Type: application/json' --post-data="$body" "$report"
    rm -f ".batch.wgetrc.$1"
  fi
} >/dev/null 2>&1

# linger lets the last thing that is told get through, for the cluster ends it with this script: some hundredths of a second
# where the server answers, and half a second, after all is recorded, where it does not
linger() {
  [ -n "$report" ] && [ -n "$secret" ] || return 0
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    kill -0 "$teller" && sleep 0.05 || return 0 # some only know whole seconds
  done
} 2>/dev/null

# milliseconds VALUE: of a time as `times` writes it, for example 1m2.345s
milliseconds() {
  minutes=${1%%m*} rest=${1#*m}
  rest=${rest%s}
  seconds=${rest%%.*} fraction=${rest#"$seconds"}
  fraction=${fraction#.}000
  fraction=${fraction%"${fraction#???}"}
  case $minutes$seconds$fraction in '' | *[!0-9]*) ms=0; return ;; esac
  case $seconds in 0?) seconds=${seconds#0} ;; esac
  ms=$((minutes * 60000 + seconds * 1000 + 1$fraction - 1000))
}

# clock sets now to some clock in hundredths of a second
clock() {
  now=
  [ ! -r /proc/uptime ] || read -r now _ </proc/uptime
  case $now in *.[0-9][0-9]) now=${now%.*}${now#*.} ;; *) now=$(date +%s)00 ;; esac
  case $now in *[!0-9]*) now=0 ;; esac
  while :; do case $now in 0?*) now=${now#0} ;; *) break ;; esac; done # not to be read as octal
}

# record CODE SIGNAL REASON: writes exit.json, whole or not at all, into room that was set apart
record() {
  end=$(date -u +%Y-%m-%dT%H:%M:%SZ)
  clock
  elapsed=$((now - began))
  times >.batch.times
  tell ENDED &
  teller=$!
  { read -r _; read -r user system; } <.batch.times
  milliseconds "$user"; cpu=$ms
  milliseconds "$system"; cpu=$((cpu + ms))
  rss=0 # of this shell: a floor, for the cluster takes no sample of what is over in a moment
  if [ -r "/proc/$$/status" ]; then
    while read -r key value _; do
      [ "$key" != VmHWM: ] || rss=$((value * 1024))
    done <"/proc/$$/status"
  fi
  fraction=$((cpu % 1000 + 1000)) hundredths=$((elapsed % 100 + 100))
  json="{\"code\":$1,\"signal\":$2,\"reason\":\"$3\",\"node\":\"$node\",\"engine_id\":\"$engine_id\",\"start\":\"$start\",\"end\":\"$end\",\"terminated\":$terminated,\"usage\":{\"max_rss_bytes\":$rss,\"cpu_seconds\":$((cpu / 1000)).${fraction#1},\"elapsed_seconds\":$((elapsed / 100)).${hundredths#1}}}"
  for _ in 1 2 3; do # SIGTERM goes to everything that belongs to the job, these two included
    printf '%s\n' "$json" | dd of="$room" conv=notrunc 2>/dev/null && mv -f "$room" exit.json && break
  done
  rm -f .batch.times
}

cd "$dir" || { say "the node ${node:-?} cannot enter the folder $dir"; exit 1; }
[ -r batch.command ] || { say "the node ${node:-?} cannot read the command in $dir"; exit 1; }
room=.exit.json.$engine_id
{ printf '%1024s' '' >"$room"; } 2>/dev/null || { rm -f "$room"; say "the node ${node:-?} cannot write into the folder $dir"; exit 1; }

# Whoever makes this folder runs the command; nobody else ever does.
if ! mkdir batch.lock 2>/dev/null; then
  rm -f "$room"
  [ -e batch.lock ] || { say "the node ${node:-?} cannot make a folder in $dir"; exit 1; }
  read -r first _ 2>/dev/null <batch.owner || first=
  [ "$first" != "$engine_id" ] || : >batch.again
  exit 0
fi
start=$(date -u +%Y-%m-%dT%H:%M:%SZ)
clock
began=$now
printf '%s %s\n' "$engine_id" "$node" >.batch.owner && mv -f .batch.owner batch.owner

. ./batch.command # sets program, report and the arguments
secret=
[ ! -r batch.token ] || read -r secret <batch.token
tell STARTED &
if [ "$terminated" = true ]; then
  status=143
elif [ -f "$program" ] && [ -x "$program" ]; then
  (cd output && exec "$@") >stdout 2>stderr </dev/null
  status=$?
else
  record -1 0 LAUNCH_FAILED
  linger
  exit 127
fi
if [ "$status" -gt 128 ] && [ "$status" -le 192 ]; then # a shell's way to tell of a signal
  record -1 $((status - 128)) ''
else
  record "$status" 0 ''
fi
linger
exit "$status"
}
