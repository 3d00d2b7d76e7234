package page_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/stint-jobs/stint/internal/api/page"
)

func sealerOf(t rapid.TB, incarnation string) page.Sealer {
	t.Helper()
	s, err := page.NewSealer(make([]byte, 32), incarnation)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestACursorIsItsRevisionInItsIncarnationAlone(t *testing.T) {
	mine, other := sealerOf(t, "mine"), sealerOf(t, "other")
	rapid.Check(t, func(t *rapid.T) {
		revision := rapid.Uint64().Draw(t, "revision")
		text := mine.Cursor(revision)
		if got, ours, err := mine.OpenCursor(text); got != revision || !ours || err != nil {
			t.Fatalf("%q: %d, %v, %v", text, got, ours, err)
		}
		if _, ours, err := other.OpenCursor(text); ours || err != nil {
			t.Fatalf("%q of another incarnation: ours %v, %v", text, ours, err)
		}
		if len(text) > page.MaxCursor || strings.ContainsAny(text, " \r\n\t+/=") {
			t.Fatalf("%q cannot be in a header and a URL as it is", text)
		}
	})
}

func TestWhatIsNoCursorIsRefused(t *testing.T) {
	s := sealerOf(t, "mine")
	good := s.Cursor(math.MaxUint64)
	for _, text := range []string{
		"", "0", "17", "x", good[1:], good + "A", good[:len(good)-1] + "!", "B" + good[1:], strings.Repeat("A", len(good)), s.SealNumber(7),
	} {
		if _, _, err := s.OpenCursor(text); !errors.Is(err, page.ErrCursor) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzOpenCursor(f *testing.F) {
	s := sealerOf(f, "mine")
	f.Add(s.Cursor(1))
	f.Add("17")
	f.Fuzz(func(t *testing.T, text string) {
		revision, ours, err := s.OpenCursor(text)
		if err == nil && ours && s.Cursor(revision) != text {
			t.Errorf("two texts, %q and %q, are one cursor", text, s.Cursor(revision))
		}
	})
}
