package terms

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const hexDigits = "0123456789ABCDEF"

// EscapeName returns a name of a file in which each byte that is no UTF-8 is written as % and its two hexadecimal
// digits, such as `lat%E9.fa`. A name that is UTF-8 stays as it is. Slashes stay, so that it takes paths too.
func EscapeName(name string) string {
	return escape(name, func(rune) bool { return false })
}

// EscapeControls is EscapeName that writes control characters in this way, too.
func EscapeControls(name string) string { return escape(name, unicode.IsControl) }

func escape(name string, also func(rune) bool) string {
	if utf8.ValidString(name) && !strings.ContainsFunc(name, also) {
		return name
	}
	var b strings.Builder
	for i := 0; i < len(name); {
		r, n := utf8.DecodeRuneInString(name[i:])
		if r == utf8.RuneError && n == 1 || also(r) {
			for _, c := range []byte(name[i : i+n]) {
				b.WriteByte('%')
				b.WriteByte(hexDigits[c>>4])
				b.WriteByte(hexDigits[c&15])
			}
		} else {
			b.WriteString(name[i : i+n])
		}
		i += n
	}
	return b.String()
}

// UnescapeName returns the name that EscapeName made an escaped one of, and reports whether there is one.
func UnescapeName(escaped string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(escaped); i++ {
		if escaped[i] == '%' && i+2 < len(escaped) {
			high, low := strings.IndexByte(hexDigits, escaped[i+1]), strings.IndexByte(hexDigits, escaped[i+2])
			if high >= 8 && low >= 0 { // what is no UTF-8 is beyond ASCII
				b.WriteByte(byte(high<<4 | low)) //nolint:gosec // two digits
				i += 2
				continue
			}
		}
		b.WriteByte(escaped[i])
	}
	name := b.String()
	return name, name != escaped && EscapeName(name) == escaped
}
