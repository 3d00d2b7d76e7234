# The rest is the same for every attempt. Set above: dir, engine_id and node.
# It runs on a node and needs a POSIX shell and utilities. It uses perl or python3 where there is one.
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

# A shell cannot tell exit code 143 from signal 15. So, where the node has a language that can, a program in it is between
# this shell and the command: it runs what it reads, words that end with NUL, and writes the wait status to the file that it
# is called with. Signals for the whole job reach it too, and it goes on waiting. Handlers end with exec, so the command has none.
perl='my $file = shift; my @words = do { local $/; split /\0/, <STDIN>, -1 }; pop @words; open STDIN, "<", "/dev/null";
for (qw(HUP INT QUIT TERM USR1 USR2 ALRM PIPE XCPU XFSZ VTALRM PROF TSTP TTIN TTOU IO PWR)) { $SIG{$_} = sub {} unless ($SIG{$_} // "") eq "IGNORE" }
my $pid = fork; if (!$pid) { exec { $words[0] } @words; exit 127 }
$0 = "stint"; my $got; do { $got = waitpid $pid, 0 } while $got < 0 && $! == 4;
my $status = $?; if (open my $out, ">", $file) { print $out "$status\n"; close $out }
exit($status & 127 ? 128 + ($status & 127) : $status >> 8)'
python='import os, signal, sys
words = sys.stdin.buffer.read().split(b"\0")[:-1]
os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
for name in "HUP INT QUIT TERM USR1 USR2 ALRM PIPE XCPU XFSZ VTALRM PROF TSTP TTIN TTOU IO PWR".split():
    one = getattr(signal, "SIG" + name)
    if name in ("PIPE", "XFSZ") or signal.getsignal(one) != signal.SIG_IGN: # python ignores these two by itself
        signal.signal(one, lambda *_: None)
pid = os.fork()
if pid == 0:
    try: os.execvp(words[0], words)
    finally: os._exit(127)
status = os.waitpid(pid, 0)[1]
try:
    with open(sys.argv[1], "w") as out: out.write("%d\n" % status)
finally:
    os._exit(128 + (status & 127) if status & 127 else status >> 8)'

# run WORD...: runs a command to its end. It sets status, as a shell tells it, and code and signal, of which one is of no account.
run() {
  ended=$dir/.ended.$engine_id
  rm -f "$ended"
  if perl -e 1 2>/dev/null; then
    printf '%s\0' "$@" | (unset PERL5OPT PERL5LIB PERL_UNICODE && cd output && exec perl -e "$perl" "$ended") >stdout 2>stderr
  elif python3 -I -S -c '' 2>/dev/null; then
    printf '%s\0' "$@" | (cd output && exec python3 -I -S -c "$python" "$ended") >stdout 2>stderr
  else
    (cd output && exec "$@") >stdout 2>stderr </dev/null
  fi
  status=$? how=
  [ ! -r "$ended" ] || read -r how <"$ended"
  rm -f "$ended"
  code=$status signal=0
  case $how in
    '' | *[!0-9]*) # what a shell tells of a signal is taken for one
      [ "$status" -le 128 ] || [ "$status" -gt 192 ] || signal=$((status - 128))
      ;;
    *) code=$((how >> 8 & 255)) signal=$((how & 127)) ;;
  esac
  [ "$signal" = 0 ] || code=-1
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
  status=143 code=-1 signal=15
elif [ -f "$program" ] && [ -x "$program" ]; then
  run "$@"
else
  record -1 0 LAUNCH_FAILED
  linger
  exit 127
fi
record "$code" "$signal" ''
linger
exit "$status"
}
