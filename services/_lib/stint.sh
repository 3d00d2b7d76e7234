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
parameter=
trap 'rm -rf -- "$work" ${plain:+"$plain"}' EXIT

tab=$(printf '\t')
mark=$(printf '\357\273\277') # what some systems begin a text in UTF-8 with

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

# packing FILE prints the program that unpacks a file, by its first bytes, or nothing.
packing() {
	case $(od -An -v -tx1 -N6 <"$1" | tr -d ' \n') in
	1f8b*) echo gzip ;;
	425a68*) echo bzip2 ;;
	fd377a585a00) echo xz ;;
	28b52ffd*) echo zstd ;;
	esac
}

# unpack FILE writes a file to standard output, uncompressed and without the mark that some
# systems begin a text with. What goes wrong is noted for unpacked, because a pipe only tells
# about its last command.
unpack() {
	unpacker=$(packing "$1")
	if [ -z "$unpacker" ]; then
		cat <"$1"
	else
		# With 2 gzip warns: the content is whole, and something else follows it.
		"$unpacker" -dc <"$1" || { [ $? = 2 ] && [ "$unpacker" = gzip ]; } || : >"$work/damaged"
	fi | sed "1s/^$mark//"
}

# unpacked FILE ends the job if unpack could not read all of the file.
unpacked() {
	[ ! -e "$work/damaged" ] || die 16 "${1##*/}: the file is damaged: it cannot be unpacked to its end. Copy or download it again."
}

# input PARAMETER puts the path of an input file into $input, its name into $parameter, and sees to it that
# there is something to read.
input() {
	case $1 in
	*[!A-Za-z0-9_]*) die 70 "$1 is no parameter" ;;
	esac
	parameter=$1
	eval "input=\${STINT_PARAM_$1:-}"
	[ -n "$input" ] || die 10 "no file is given for $1"
	[ -f "$input" ] && [ -r "$input" ] || die 10 "$1: ${input##*/} is not there or cannot be read"
	[ -s "$input" ] || die 11 "$1: ${input##*/} is empty"
	packing=$(packing "$input")
	[ -z "$packing" ] || command -v "$packing" >/dev/null ||
		die 69 "$1: ${input##*/} is compressed by $packing, which is not installed here. Unpack it, or compress it by gzip."
}

# format FILE sets $format to fasta or fastq by the first character that is no space, and to
# unknown for anything else; then $found says what it is and what to do. A file that cannot be
# unpacked ends the job.
format() {
	case $(unpack "$1" 2>/dev/null | awk '
		NF && c == "" { c = substr($1, 1, 1); if (c == "@" && $0 ~ /^@(HD|SQ|RG|PG|CO)\t/) c = "SAM"; if (c == ">" || c == "@" || c == "SAM") exit }
		END { print c }') in
	'>') format=fasta ;;
	@) format=fastq ;;
	*)
		unpacked "$1"
		format=unknown
		found=$(describe "$1")
		;;
	esac
	rm -f -- "$work/damaged" # the reader stopped early; the whole file is judged later
}

# describe FILE prints what a file is, by its first bytes and by what is in it, and the way out.
describe() {
	head=$(unpack "$1" 2>/dev/null | od -An -v -tx1 -N512 | tr -d ' \n')
	case $head in
	504b0304*) echo "is a zip archive (or a document made of one, such as .docx or .xlsx). Unpack it and give the file in it." ;;
	377abcaf271c*) echo "is a 7z archive. Unpack it and give the file in it." ;;
	52617221*) echo "is a rar archive. Unpack it and give the file in it." ;;
	1f8b* | 425a68* | fd377a585a00* | 28b52ffd*) echo "is compressed twice. Unpack it once." ;;
	25504446*) echo "is a PDF. Save the sequences as plain text." ;;
	d0cf11e0*) echo "is a Microsoft Office document. Save it as plain text." ;;
	42414d01*) echo "is a BAM file of alignments. Get the reads out of it, for example with samtools fastq." ;;
	4352414d*) echo "is a CRAM file of alignments. Get the reads out of it, for example with samtools fastq." ;;
	4e4342492e737261*) echo "is a file of the SRA. Get the reads out of it with fasterq-dump." ;;
	894844460d0a*) echo "is an HDF5 file, such as FAST5 of a sequencer. Call the bases first." ;;
	2e736666*) echo "is an SFF file of a sequencer. Turn it into FASTQ first." ;;
	fffe* | feff*) echo "is text in UTF-16. Save it as plain text or UTF-8." ;;
	3c21* | 3c68746d6c* | 3c48544d4c* | 3c3f786d6c*) echo "is a web page or XML, such as an error page that was saved in place of a download. Download the file again." ;;
	4c4f435553*) echo "is a GenBank file. Export its sequences as FASTA." ;;
	4944202020*) echo "is an EMBL file. Export its sequences as FASTA." ;;
	2323676666*) echo "is a GFF file of features. Give the FASTA file of the sequences." ;;
	4048440* | 4053510* | 4052470* | 4050470*) echo "is a SAM file of alignments. Get the reads out of it, for example with samtools fastq." ;;
	434c555354414c*) echo "is a Clustal alignment. Save it as FASTA." ;;
	234e45585553* | 236e65787573*) echo "is a NEXUS file. Save the sequences as FASTA." ;;
	23205354*) echo "is a Stockholm alignment. Save it as FASTA." ;;
	7b* | 5b*) echo "seems to be JSON." ;;
	*)
		if [ "$(printf '%s' "$head" | cut -c 515-524)" = 7573746172 ]; then
			echo "is a tar archive. Unpack it and give the file in it."
		elif printf '%s' "$head" | grep -Eq '^(..)*(0[0-8bcef]|1[0-9a-f])'; then
			echo "is no text."
		elif unpack "$1" 2>/dev/null | awk 'NF { n++; if ($0 !~ /^[ \t]*[A-Za-z*-]+[ \t\r]*$/) { bad = 1; exit } } n == 50 { exit } END { exit bad || !n || n == 1 && length($0) < 10 }'; then
			echo "seems to be a sequence without a name. Put a line with > and a name above it."
		else
			echo "begins like neither."
		fi
		;;
	esac
}

# wants NAME FORMAT ends the job if the file that format looked at has another format.
wants() {
	[ "$format" != "$2" ] || return 0
	case $format-$2 in
	fastq-fasta) die 12 "$1 is not a FASTA file: it has reads in FASTQ. Give contigs or other sequences in FASTA." ;;
	fasta-fastq) die 12 "$1 is not a FASTQ file: it does not begin with @, and has sequences in FASTA. Give the reads as the sequencer wrote them." ;;
	*-fasta) die 12 "$1 is not a FASTA file (first character >): it $found" ;;
	*) die 12 "$1 is not a FASTQ file: it does not begin with @. It $found" ;;
	esac
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
# It sets $sequences, $letters, $gc (a count), $kind (nucleotide or protein, a guess for who did
# not say) and $maybe (what it can be: nucleotide, protein or either), and leaves "length count" lines in $work/lengths.
read_fasta() {
	format "$1"
	wants "${parameter:+$parameter: }${1##*/}" fasta
	unpack "$1" |
		awk '/^>/ { print substr($0, 1, 4000); next } { print }' |
		fold -b -w 8192 |
		awk -v copy="$2" -v lengths="$work/lengths" -v totals="$work/totals" "$count_fasta" || refused $? "${1##*/} is not a FASTA file"
	unpacked "$1"
	read -r sequences letters gc nucleotides amino <"$work/totals"
	[ "$sequences" -gt 0 ] || die 11 "${1##*/} has no sequences"
	[ "$letters" != 0 ] || die 11 "${1##*/} has names but no sequences"
	# R, Y, S, W, K, M, B, D, H and V are both: ambiguous bases and amino acids.
	kind=$(awk -v n="$nucleotides" -v amino="$amino" -v all="$letters" 'BEGIN {
		print (n >= 0.9 * all || amino == 0 && n >= 0.5 * all) ? "nucleotide" : "protein" }')
	maybe=$(awk -v n="$nucleotides" -v amino="$amino" -v all="$letters" 'BEGIN {
		if (amino >= 0.1 * all && n < 0.9 * all) print "protein"
		else if (n == all && all >= 50) print "nucleotide"
		else print "either" }')
}

# is WORDS KIND ends the job if sequences that the user said are of a kind cannot be; WORDS begin
# the message. A guess does not overrule the user, but is told.
is() {
	case $maybe in
	"$2" | either) ;;
	*) return 1 ;;
	esac
	[ "$kind" = "$2" ] || printf '%s looks like %s sequences, and is taken for %ss as asked\n' "$1" "$kind" "$2" >&2
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
	amino += gsub(/[EFILPQZJOefilpqzjo*]/, "") # these are no nucleotides, not even ambiguous ones
}
END {
	if (failed) exit 1
	flush_length()
	for (l in count) printf "%.0f %.0f\n", l, count[l] > lengths
	printf "%.0f %.0f %.0f %.0f %.0f\n", n, all, gc, nucleotides + gc, amino > totals
}'

# read_fastq FILE checks a FASTQ file, whose bases and qualities may be in several lines each. It sets
# the same as read_fasta, leaves the names of the first 1000 reads in $work/names, and writes no copy.
read_fastq() {
	format "$1"
	wants "${parameter:+$parameter: }${1##*/}" fastq
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
state == 0 { # before a read
	if ($0 == "") { blank = 1; next }
	if (blank && n) fail("there is an empty line between reads")
	if ($0 !~ /^@[^ \t]/) fail("a read begins with a line that begins with @ and its name")
	n++
	if (n <= 1000) print substr($1, 2) > names
	state = 1
	len = lines = 0
	next
}
state == 1 && lines && /^\+/ {
	state = 2
	qualities = quality_lines = 0
	next
}
state == 1 {
	if ($0 !~ /^[A-Za-z.*-]*$/) fail(lines ? "after the bases of a read comes a line that begins with +, and here is another one" : "there are characters that belong to no read")
	lines++
	len += length($0)
	all += length($0)
	gc += gsub(/[GCgc]/, "")
	next
}
{
	qualities += length($0)
	quality_lines++
	# Bases in one line have their qualities in one line.
	if (qualities > len || lines == 1 && qualities < len) fail("a read has " len " bases and " qualities " qualities")
	if (qualities < len) next
	count[len]++
	state = 0
}
END {
	if (failed) exit 1
	if (state) {
		print "line " NR ": the file ends in the middle of a read" (state == 1 ? ": a line that begins with + and one with its qualities are missing" : "") | "cat 1>&2"
		exit 1
	}
	for (l in count) printf "%.0f %.0f\n", l, count[l] > lengths
	printf "%.0f %.0f %.0f %.0f 0\n", n, all, gc, all > totals
}'

# mates NAMES1 NAMES2 prints the first names of reads at the same place in two files that are
# no mates: neither equal nor the same but for a number or word for the mate at the end, behind one of / . _ : # - |.
mates() {
	paste -d "$tab" -- "$1" "$2" | awk -F '\t' '
	BEGIN {
		split("1 2,2 1,F R,R F,f r,r f,fwd rev,rev fwd,FWD REV,REV FWD,forward reverse,reverse forward,left right,right left,L R,R L,A B,B A,a b,b a,F3 R3,R3 F3,F3 F5,F5 F3", all, ",")
		for (i in all) mate[all[i]] = 1
	}
	$1 == $2 { next }
	{
		a = $1
		b = $2
		match(a, /[\/._:#|-][^\/._:#|-]*$/)
		head = substr(a, 1, RSTART)
		a = substr(a, RSTART + 1)
		if (RSTART < 2 || substr(b, 1, RSTART) != head) a = ""
		b = substr(b, RSTART + 1)
		if (a b ~ /^[Rr](ead)?[12][Rr](ead)?[12]$/) {
			a = substr(a, length(a))
			b = substr(b, length(b))
		}
		if (!((a " " b) in mate)) { print $1 " and " $2; exit }
	}'
}

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
