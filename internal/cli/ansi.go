package cli

import (
	"io"
	"strings"
	"unicode/utf8"
)

// logFilter passes what a job printed on to a terminal: text, tabs, new lines,
// carriage returns and colours (SGR sequences). Every other control character
// and escape sequence is left out: it could retitle or reprogram the terminal,
// move over what was printed before, or type answers back. Sequences and
// characters may be cut anywhere between two writes.
type logFilter struct {
	out     io.Writer
	pending []byte // the beginning of a character or sequence
	skip    skipping
	skipped int
	colored bool
	buf     []byte
}

// skipping says which kind of control string is being left out.
type skipping int

const (
	notSkipping skipping = iota
	// stringControl: OSC, DCS, SOS, PM or APC, up to BEL or ST.
	stringControl
)

const (
	esc = 0x1b
	bel = 0x07
	// longestCSI is the longest CSI sequence looked at; longer ones are no colours.
	longestCSI = 64
	// longestString is where a control string that never ends is given up.
	longestString = 4096
)

// Write filters p. It reports p as written whole unless the terminal fails.
func (f *logFilter) Write(p []byte) (int, error) {
	data := append(f.pending, p...)
	f.pending, f.buf = nil, f.buf[:0]
	for len(data) > 0 {
		n := f.step(data)
		if n == 0 { // more bytes are needed to tell
			f.pending = append([]byte(nil), data...)
			break
		}
		data = data[n:]
	}
	if _, err := f.out.Write(f.buf); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close ends what was left open: a colour must not tint the user's next prompt.
func (f *logFilter) Close() error {
	if !f.colored {
		return nil
	}
	_, err := io.WriteString(f.out, "\x1b[0m")
	return err
}

// step takes the character or sequence that data begins with and answers its
// length, or 0 when it is not complete.
func (f *logFilter) step(data []byte) int {
	if f.skip == stringControl {
		return f.skipString(data)
	}
	c := data[0]
	switch {
	case c == esc:
		return f.escape(data)
	case c == '\n' || c == '\t' || c == '\r' || c >= 0x20 && c < 0x7f:
		f.buf = append(f.buf, c)
		return 1
	case c < 0x20 || c == 0x7f:
		return 1
	}
	if !utf8.FullRune(data) {
		return 0
	}
	r, size := utf8.DecodeRune(data)
	switch {
	case r == utf8.RuneError && size == 1:
		f.buf = append(f.buf, "\uFFFD"...) // a lone 0x9b begins a sequence on 8-bit terminals
	case !unsafe(r):
		f.buf = append(f.buf, data[:size]...)
	}
	return size
}

// escape takes an escape sequence.
func (f *logFilter) escape(data []byte) int {
	if len(data) < 2 {
		return 0
	}
	switch c := data[1]; {
	case c == '[':
		return f.csi(data)
	case strings.IndexByte("]PX^_", c) >= 0:
		f.skip, f.skipped = stringControl, 0
		return 2
	case c >= 0x20 && c < 0x30: // intermediate bytes, then a final one
		for i := 2; i < len(data); i++ {
			if data[i] < 0x20 || data[i] >= 0x30 {
				return i + final(data[i])
			}
			if i > longestCSI {
				return i
			}
		}
		return 0
	default:
		return 1 + final(c)
	}
}

// final answers 1 when c can end a sequence; what cannot is looked at anew.
func final(c byte) int {
	if c >= 0x30 && c < 0x7f {
		return 1
	}
	return 0
}

// csi takes ESC [ parameters final, and passes it on when it is a colour.
func (f *logFilter) csi(data []byte) int {
	plain := true
	for i := 2; i < len(data); i++ {
		c := data[i]
		switch {
		case c >= 0x40 && c < 0x7f:
			if c == 'm' && plain {
				f.buf = append(f.buf, data[:i+1]...)
				f.colored = i > 2 && string(data[2:i]) != "0"
			}
			return i + 1
		case c < 0x20 || c >= 0x7f || i > longestCSI:
			return i
		case (c < '0' || c > '9') && c != ';' && c != ':':
			plain = false
		}
	}
	return 0
}

// skipString leaves out a control string. A line feed ends it as well, so that
// one that is never closed costs a line and not the rest of the log.
func (f *logFilter) skipString(data []byte) int {
	f.skipped++
	switch c := data[0]; {
	case c == bel || c == 0x9c, f.skipped > longestString:
		f.skip = notSkipping
		return 1
	case c == '\n':
		f.skip = notSkipping
		return f.step(data)
	case c == esc:
		if len(data) < 2 {
			f.skipped--
			return 0
		}
		f.skip = notSkipping
		if data[1] == '\\' {
			return 2
		}
		return f.step(data)
	}
	return 1
}
