package workdir

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"unicode"
)

const (
	progressName = "progress"
	// progressTail is how much of the end of the file is looked at.
	progressTail = 8 << 10
	// progressLine is the longest line that counts, in bytes.
	progressLine = 1 << 10
	// progressWords is how many characters of a line are kept.
	progressWords = 200
)

// Progress is what a command says of itself.
type Progress struct {
	// Percent is the share of the work done, 0 to 100; -1 when the line gave only words.
	Percent int
	// Message is the rest of the line, without control characters and at most 200 characters long.
	Message string
}

// ReadProgress reads the last complete line that says something from the file
// that the command appends to. The second result is false when there is none.
func (a Attempt) ReadProgress() (Progress, bool, error) {
	f, err := openPlain(a.place(progressName))
	if errors.Is(err, fs.ErrNotExist) {
		return Progress{}, false, nil
	}
	if err != nil {
		return Progress{}, false, fmt.Errorf("read progress of attempt %s: %w", a.Name(), err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Progress{}, false, fmt.Errorf("read progress of attempt %s: %w", a.Name(), err)
	}
	from := max(0, info.Size()-progressTail)
	tail, err := io.ReadAll(io.NewSectionReader(f, from, progressTail))
	if err != nil {
		return Progress{}, false, fmt.Errorf("read progress of attempt %s: %w", a.Name(), err)
	}
	if from > 0 { // the first line of the tail may have begun before it
		_, tail, _ = bytes.Cut(tail, []byte{'\n'})
	}
	p, ok := parseProgress(tail)
	return p, ok, nil
}

// parseProgress finds the last line that ends and says something.
func parseProgress(tail []byte) (Progress, bool) {
	end := bytes.LastIndexByte(tail, '\n')
	for end >= 0 {
		begin := bytes.LastIndexByte(tail[:end], '\n') + 1
		if p, ok := parseProgressLine(tail[begin:end]); ok {
			return p, true
		}
		end = begin - 1
	}
	return Progress{}, false
}

// parseProgressLine reads "40 assembling contigs", "40% assembling", "47.5%", "40" or
// just words. A number over 100 is a word. Empty and overlong lines say nothing.
func parseProgressLine(line []byte) (Progress, bool) {
	if len(line) > progressLine {
		return Progress{}, false
	}
	words := clean(string(line))
	if words == "" {
		return Progress{}, false
	}
	p := Progress{Percent: -1, Message: words}
	if first, rest, _ := strings.Cut(words, " "); first != "" {
		if n, ok := percent(strings.TrimSuffix(first, "%")); ok {
			p = Progress{Percent: n, Message: rest}
		}
	}
	p.Message = shorten(p.Message)
	return p, true
}

// ToldProgress is what a command says of itself by other ways than the file:
// percent from 0 to 100, or -1, and words, which are kept as those in the file are. The second
// result is false when that says nothing, or more than a line of the file may.
func ToldProgress(percent int, words string) (Progress, bool) {
	if percent < -1 || percent > 100 || len(words) > progressLine {
		return Progress{}, false
	}
	p := Progress{Percent: percent, Message: shorten(clean(words))}
	return p, p.Percent >= 0 || p.Message != ""
}

// clean is a line without control characters and with single spaces.
func clean(line string) string {
	return strings.Join(strings.FieldsFunc(strings.ToValidUTF8(line, "\uFFFD"), func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
}

// shorten cuts what is too long to be kept.
func shorten(words string) string {
	if r := []rune(words); len(r) > progressWords {
		return string(r[:progressWords-1]) + "…"
	}
	return words
}

// percent reads 0 to 100 in one to three digits, and what may follow a decimal point, which does not count.
func percent(s string) (int, bool) {
	s, fraction, pointed := strings.Cut(s, ".")
	if pointed && (fraction == "" || strings.Trim(fraction, "0123456789") != "") {
		return 0, false
	}
	if s == "" || len(s) > 3 {
		return 0, false
	}
	n := 0
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return n, n <= 100
}
