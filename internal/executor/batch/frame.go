package batch

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrBroken means that an answer did not arrive whole, so that nothing may be concluded from it.
var ErrBroken = errors.New("the answer did not arrive whole")

// Mark is a word that is made for one answer and occurs in no other: nothing that a
// login shell, a connection or a name of somebody's job puts into an answer can pass for it.
type Mark string

// NewMark returns a new one.
func NewMark() Mark {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return Mark("stint-" + hex.EncodeToString(b[:]))
}

// frameScript runs a command and writes its answer so that every loss and every addition is
// found. Its standard output comes between two marks, and the second has the exit code, and the checksum
// and the length of both.
// Each line of its standard error comes at once, behind a mark and its number; at the end come how
// many there were, and the checksum and the length of them all. $1 is the mark without its first part, so that a
// shell which repeats what it runs never writes a mark. It is one line without single quotes, for shells of all kinds.
const frameScript = `m="stint-$1"; shift; LC_ALL=C; export LC_ALL; exec 3>&1 4>&2; ` +
	`if command -v "$1" >/dev/null 2>&1; then { o=$(%s "$@" 3>&- 4>&-; printf ".%%s" "$?"); c=${o##*.}; o=${o%%.*}; ` +
	`printf "\n%%s begin\n%%s\n%%s end %%s %%s\n" "$m" "$o" "$m" "$c" "$(printf %%s "$o.$c" | cksum)" >&3; } 2>&1 | ` +
	`{ n=0; e=; while IFS= read -r l || [ -n "$l" ]; do n=$((n+1)); e="$e$l/"; printf "%%s %%s %%s\n" "$m" "$n" "$l" >&4; done; ` +
	`printf "\n%%s end %%s %%s\n" "$m" "$n" "$(printf %%s "$e" | cksum)" >&4; }; ` +
	`else printf "\n%%s missing\n" "$m"; fi`

// argv is what /bin/sh is called with to run a command in a frame. Clean is a command that clears the environment.
func (m Mark) argv(clean string, command []string) []string {
	return append([]string{"/bin/sh", "-c", fmt.Sprintf(frameScript, clean), "stint", strings.TrimPrefix(string(m), "stint-")}, command...)
}

// Read returns the answer that stands in a frame. What surrounds the frame is
// of no account. It returns ErrBroken unless everything is there, once, and as it was sent;
// Stderr then has what arrived of the command's complaints. It returns ErrNoProcess where the command does not exist.
func (m Mark) Read(stdout, stderr string) (Answer, error) {
	complaints, errsErr := m.readErrors(stderr)
	a := Answer{Stderr: complaints, Code: -1}
	if strings.Contains(stdout, "\n"+string(m)+" missing\n") {
		return a, fmt.Errorf("%w: there is no such program", ErrNoProcess)
	}
	out, code, err := m.readOutput(stdout)
	if err = errors.Join(err, errsErr); err != nil {
		return a, ErrBroken
	}
	a.Stdout, a.Code = out, code
	return a, nil
}

func (m Mark) readOutput(stdout string) (out string, code int, err error) {
	begin, end := "\n"+string(m)+" begin\n", "\n"+string(m)+" end "
	_, rest, ok := strings.Cut(stdout, begin)
	if !ok || strings.Contains(rest, begin) {
		return "", 0, ErrBroken
	}
	out, rest, ok = strings.Cut(rest, end)
	line, _, whole := strings.Cut(rest, "\n")
	word, sum, _ := strings.Cut(line, " ")
	code, err = strconv.Atoi(word)
	if !ok || !whole || err != nil || code < 0 || code > 255 || sum != checksum(out+"."+word) || strings.Contains(rest, end) {
		return "", 0, ErrBroken
	}
	return out, code, nil
}

// readErrors returns the lines of standard error that carry the mark.
func (m Mark) readErrors(stderr string) (string, error) {
	var lines strings.Builder
	var sent strings.Builder
	n, ended, broken := 0, false, false
	for line := range strings.Lines(stderr) {
		_, marked, ok := strings.Cut(line, string(m)+" ")
		if !ok {
			continue
		}
		text, whole := strings.CutSuffix(marked, "\n")
		number, text, _ := strings.Cut(text, " ")
		switch {
		case number == "end":
			if ended || !whole || text != strconv.Itoa(n)+" "+checksum(sent.String()) {
				broken = true
			}
			ended = true
		case number != strconv.Itoa(n+1) || ended || !whole:
			broken = true
			fallthrough
		default:
			n++
			lines.WriteString(text + "\n")
			sent.WriteString(text + "/")
		}
	}
	if broken || !ended {
		return lines.String(), ErrBroken
	}
	return lines.String(), nil
}

// Write returns what a whole answer looks like. Tests damage it.
func (m Mark) Write(a Answer) (stdout, stderr string) {
	stdout = fmt.Sprintf("\n%s begin\n%s\n%s end %d %s\n", m, a.Stdout, m, a.Code, checksum(fmt.Sprintf("%s.%d", a.Stdout, a.Code)))
	var lines, sent strings.Builder
	n := 0
	for line := range strings.Lines(a.Stderr) {
		n++
		line = strings.TrimSuffix(line, "\n")
		fmt.Fprintf(&lines, "%s %d %s\n", m, n, line)
		sent.WriteString(line + "/")
	}
	fmt.Fprintf(&lines, "\n%s end %d %s\n", m, n, checksum(sent.String()))
	return stdout, lines.String()
}

// outside returns what of standard error does not carry the mark: the words of the connection and its shells.
func (m Mark) outside(stderr string) string {
	var b strings.Builder
	for line := range strings.Lines(stderr) {
		if before, _, _ := strings.Cut(line, string(m)); strings.TrimSpace(before) != "" {
			b.WriteString(strings.TrimSpace(before) + "\n")
		}
	}
	return b.String()
}

// checksum returns what cksum(1) of POSIX writes about s: a CRC over its bytes and its length, and the length.
func checksum(s string) string {
	var crc uint32
	add := func(b byte) { crc = crc<<8 ^ crcTable[byte(crc>>24)^b] }
	for i := range len(s) {
		add(s[i])
	}
	for n := len(s); n > 0; n >>= 8 {
		add(byte(n))
	}
	return fmt.Sprintf("%d %d", ^crc, len(s))
}

var crcTable = func() (table [256]uint32) {
	const polynomial = 0x04c11db7
	for i := range table {
		crc := uint32(i) << 24
		for range 8 {
			if crc&(1<<31) != 0 {
				crc = crc<<1 ^ polynomial
			} else {
				crc <<= 1
			}
		}
		table[i] = crc
	}
	return table
}()
