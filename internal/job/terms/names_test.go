package terms

import (
	"testing"
	"unicode/utf8"
)

func TestNamesAreEscapedAsLittleAsCanBe(t *testing.T) {
	for name, want := range map[string][2]string{
		"a.fa":          {"a.fa", "a.fa"},
		"caf\u00e9":     {"caf\u00e9", "caf\u00e9"},
		"100%E9":        {"100%E9", "100%E9"},
		"lat\xe9.fa":    {"lat%E9.fa", "lat%E9.fa"},
		"\xff\xfe/\x80": {"%FF%FE/%80", "%FF%FE/%80"},
		"\xc3(":         {"%C3(", "%C3("},
		"a\nb\u0085":    {"a\nb\u0085", "a%0Ab%C2%85"},
		"\ufffd":        {"\ufffd", "\ufffd"},
	} {
		if got := EscapeName(name); got != want[0] {
			t.Errorf("%q is written %q, want %q", name, got, want[0])
		}
		if got := EscapeControls(name); got != want[1] {
			t.Errorf("%q is written %q, want %q", name, got, want[1])
		}
	}
	for _, literal := range []string{"a.fa", "100%E9%", "%C3%A9", "%0A", "%e9", "%", "%8"} {
		if name, ok := UnescapeName(literal); ok != (literal == "100%E9%") {
			t.Errorf("%q stands for %q", literal, name)
		}
	}
}

func FuzzEscapedNamesLeadBack(f *testing.F) {
	for _, name := range []string{"a", "lat\xe9.fa", "%E9\xe9", "\xe9%", "\xf0\x9f", "é\xe9"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		escaped := EscapeName(name)
		back, ok := UnescapeName(escaped)
		switch {
		case !utf8.ValidString(escaped) || !utf8.ValidString(EscapeControls(name)):
			t.Errorf("%q became %q", name, escaped)
		case ok && EscapeName(back) != escaped:
			t.Errorf("%q leads to %q", escaped, back)
		}
	})
}
