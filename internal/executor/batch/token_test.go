package batch

import (
	"math"
	"testing"
)

func TestTokens(t *testing.T) {
	for _, tok := range []token{{"a", 1, 1}, {"0123456789abcdefghijklmn", math.MaxUint64, 20}} {
		s := tok.String()
		if got, err := parseToken(tok.install, s); err != nil || got != tok || len(s) > 63 {
			t.Errorf("parseToken(%q) = %+v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "stint-a-", "stint-a-1", "stint-a-1-", "stint-a-1-0", "stint-a-01-1", "stint-a-1-01", "stint-b-1-1", "stint-a-1-1 ", "stint-a-1-1-1", "xstint-a-1-1"} {
		if got, err := parseToken("a", s); err == nil {
			t.Errorf("parseToken(%q) = %+v", s, got)
		}
	}
}

func FuzzParseToken(f *testing.F) {
	f.Add("stint-a-17-1")
	f.Fuzz(func(t *testing.T, s string) {
		if tok, err := parseToken("a", s); err == nil && tok.String() != s {
			t.Errorf("%q was read as %+v, which is written %q", s, tok, tok)
		}
	})
}
