# What the shipped services share. A script reads it first:
#
#     #!/bin/sh
#     . "${0%/*}/../_lib/stint.sh"
#
# It stops the script at the first error, works in the job's output folder, keeps
# temporary files in $work, which goes away at the end, and gives every kind of bad
# input an exit code of its own (services/README.md lists them). It needs a POSIX
# shell and awk, and gzip only for files that are compressed.

set -eu
LC_ALL=C
export LC_ALL

cd "${STINT_OUTPUT_DIR:?the output folder is not given}"
work=${TMPDIR:-/tmp}/work.$$
(umask 077 && mkdir -- "$work")
plain=
trap 'rm -rf -- "$work" ${plain:+"$plain"}' EXIT

tab=$(printf '\t')

# die CODE WORDS... ends the job with a reason.
die() {
	code=$1
	shift
	printf '%s\n' "$*" >&2
	exit "$code"
}

# progress PERCENT WORDS... says how far the job is.
progress() {
	printf '%s\n' "$*" >>"${STINT_PROGRESS:-/dev/null}"
}

# gzipped FILE tells whether a file is compressed, by its first two bytes.
gzipped() {
	[ "$(od -An -tx1 -N2 <"$1" | tr -d ' \n')" = 1f8b ]
}

# unpack FILE writes a file to standard output, uncompressed. What goes wrong is
# noted for unpacked, because a pipe only tells about its last command.
unpack() {
	if ! gzipped "$1"; then
		cat <"$1"
	elif ! gzip -dc <"$1"; then
		: >"$work/damaged"
	fi
}

# unpacked FILE ends the job if unpack could not read all of the file.
unpacked() {
	[ ! -e "$work/damaged" ] || die 16 "${1##*/}: the file is damaged: it cannot be unpacked to its end"
}

# input PARAMETER puts the path of an input file into $input and sees to it that
# there is something to read.
input() {
	case $1 in
	*[!A-Za-z0-9_]*) die 70 "$1 is no parameter" ;;
	esac
	eval "input=\${STINT_PARAM_$1:-}"
	[ -n "$input" ] || die 10 "no file is given for $1"
	[ -f "$input" ] && [ -r "$input" ] || die 10 "$1: ${input##*/} is not there or cannot be read"
	[ -s "$input" ] || die 11 "$1: ${input##*/} is empty"
	if gzipped "$input"; then
		command -v gzip >/dev/null || die 69 "$1: ${input##*/} is compressed, and gzip is not installed"
	fi
}

# format FILE sets $format to fasta or fastq by the first character that is no space, and to
# unknown for anything else. A file that cannot be unpacked ends the job.
format() {
	case $(unpack "$1" 2>/dev/null | awk '
		NF && c == "" { c = substr($1, 1, 1); if (c == ">" || c == "@") exit }
		END { print c }') in
	'>') format=fasta ;;
	@) format=fastq ;;
	*)
		unpacked "$1"
		format=unknown
		;;
	esac
	rm -f -- "$work/damaged" # the reader stopped early; the whole file is judged later
}

# refused CODE WORDS... ends the job after a check: 1 is the check's own verdict, anything
# else means that the check itself could not be done, for example on a full disk.
refused() {
	[ "$1" = 1 ] || die 70 "the file could not be read or copied"
	shift
	die 12 "$@"
}

# read_fasta FILE COPY checks a FASTA file and writes it to COPY: uncompressed, lines of
# at most 8192 characters, headers cut at 4000, without carriage returns and empty lines.
# It sets $sequences, $letters, $gc (a count) and $kind (nucleotide or protein), and
# leaves "length count" lines in $work/lengths.
read_fasta() {
	unpack "$1" |
		awk '/^>/ { print substr($0, 1, 4000); next } { print }' |
		fold -b -w 8192 |
		awk -v copy="$2" -v lengths="$work/lengths" -v totals="$work/totals" "$count_fasta" || refused $? "${1##*/} is not a FASTA file"
	unpacked "$1"
	read -r sequences letters gc nucleotides <"$work/totals"
	[ "$sequences" -gt 0 ] || die 11 "${1##*/} has no sequences"
	[ "$letters" != 0 ] || die 11 "${1##*/} has names but no sequences"
	kind=$(awk -v n="$nucleotides" -v all="$letters" 'BEGIN { print (n >= 0.9 * all) ? "nucleotide" : "protein" }')
}

# Line numbers in what it says are those of the folded text: the file's own wherever its lines
# are shorter than 8192 characters.
count_fasta='
function fail(why) {
	print "line " NR ": " why | "cat 1>&2"
	failed = 1
	exit 1
}
function flush_length() {
	if (n > 0) count[len]++
	len = 0
}
{ sub(/\r$/, "") }
/^[ \t]*$/ { next }
/^>/ {
	if ($0 ~ /^>[ \t]*$/) fail("a sequence has no name")
	flush_length()
	n++
	print > copy
	next
}
n == 0 { fail("a FASTA file begins with a line that begins with >") }
{
	gsub(/[ \t]/, "")
	if ($0 ~ /[^A-Za-z*.-]/) fail("there are characters that belong to no sequence")
	print > copy
	gsub(/[.-]/, "")
	len += length($0)
	all += length($0)
	gc += gsub(/[GCgc]/, "")
	nucleotides += gsub(/[ATUNatun]/, "")
}
END {
	if (failed) exit 1
	flush_length()
	for (l in count) printf "%.0f %.0f\n", l, count[l] > lengths
	printf "%.0f %.0f %.0f %.0f\n", n, all, gc, nucleotides + gc > totals
}'

# read_fastq FILE checks a FASTQ file. It sets the same as read_fasta, leaves the names of the
# first 1000 reads in $work/names, and writes no copy.
read_fastq() {
	: >"$work/names"
	unpack "$1" |
		awk -v lengths="$work/lengths" -v totals="$work/totals" -v names="$work/names" "$count_fastq" || refused $? "${1##*/} is not a FASTQ file"
	unpacked "$1"
	read -r sequences letters gc nucleotides <"$work/totals"
	[ "$sequences" -gt 0 ] || die 11 "${1##*/} has no reads"
	[ "$letters" != 0 ] || die 11 "${1##*/} has reads without a single base"
	kind=nucleotide
}

count_fastq='
function fail(why) {
	print "line " NR ": " why | "cat 1>&2"
	failed = 1
	exit 1
}
{ sub(/\r$/, "") }
NR % 4 == 1 {
	if ($0 == "") { blank = 1; next }
	if (blank) fail("there is an empty line between reads")
	if ($0 !~ /^@[^ \t]/) fail("a read begins with a line that begins with @ and its name")
	n++
	if (n <= 1000) {
		name = $1
		sub(/\/[12]$/, "", name)
		print name > names
	}
	next
}
blank { if ($0 != "") fail("there is an empty line between reads"); next }
NR % 4 == 2 {
	if ($0 !~ /^[A-Za-z.-]*$/) fail("there are characters that belong to no read")
	len = length($0)
	count[len]++
	all += len
	gc += gsub(/[GCgc]/, "")
	next
}
NR % 4 == 3 {
	if ($0 !~ /^\+/) fail("the third line of a read begins with +")
	next
}
{ if (length($0) != len) fail("a read has " len " bases and " length($0) " qualities") }
END {
	if (failed) exit 1
	if (NR % 4 != 0 && !blank) {
		print "line " NR ": the file ends in the middle of a read" | "cat 1>&2"
		exit 1
	}
	for (l in count) printf "%.0f %.0f\n", l, count[l] > lengths
	printf "%.0f %.0f %.0f %.0f\n", n, all, gc, all > totals
}'

# length_statistics prints "statistic<tab>value" lines from $work/lengths. N50 is the length of
# the shortest sequence among the longest ones that together have half of all letters.
length_statistics() {
	sort -k1,1nr <"$work/lengths" | awk -v total="$letters" -v n="$sequences" '
	NR == 1 { max = $1 }
	{
		min = $1
		sum += $1 * $2
		if (n50 == "" && 2 * sum >= total) n50 = $1
	}
	END {
		printf "total_length\t%.0f\nmin_length\t%.0f\nmax_length\t%.0f\nmean_length\t%.2f\nN50\t%.0f\n", total, min, max, total / n, n50
	}'
}

# plain_work makes $work a path without spaces and such, for programs that hand their paths to
# a shell: where it has some, by a link below /tmp.
plain_work() {
	case $work in
	*[!A-Za-z0-9_./-]*)
		plain=/tmp/stint-work.$$
		ln -s -- "$work" "$plain"
		;;
	*) return 0 ;;
	esac
}

# percent PART WHOLE prints a share of 100 with two digits.
percent() {
	awk -v part="$1" -v whole="$2" 'BEGIN { printf "%.2f\n", (whole > 0 ? 100 * part / whole : 0) }'
}

# as_text prints a table of statistics for people: names and values in two columns.
as_text() {
	awk -F '\t' 'NR > 1 { name = $1; gsub(/_/, " ", name); printf "%-24s %s\n", name, $2 }'
}
