package page

import (
	"errors"
	"testing"

	"github.com/stint-jobs/stint/internal/job"
)

func sealer(tb testing.TB) Sealer {
	tb.Helper()
	p, err := NewSealer(make([]byte, 32), "first")
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func TestPageTokenIsBoundToItsQuery(t *testing.T) {
	p := sealer(t)
	token := p.SealBytes([]byte("cursor"), "jobs", "ann", "filter")
	if plain, err := p.OpenBytes(token, "jobs", "ann", "filter"); err != nil || string(plain) != "cursor" {
		t.Fatalf("OpenBytes() = %q, %v", plain, err)
	}
	for _, bound := range [][]string{{"jobs", "bob", "filter"}, {"jobs", "ann", "other"}, {"jobs", "ann"}, {"jobsann", "filter"}, nil, {"jobs", "annf", "ilter"}} {
		if _, err := p.OpenBytes(token, bound...); !errors.Is(err, ErrToken) {
			t.Errorf("opened for %q: %v", bound, err)
		}
	}
	once, again := p.SealBytes([]byte("cursor"), "jobs"), p.SealBytes([]byte("cursor"), "jobs")
	if once == again {
		t.Error("two tokens are the same: the nonce is not random")
	}
}

func TestPageTokenOfAnotherIncarnationIsRefusedWithItsReason(t *testing.T) {
	before := sealer(t)
	after, err := NewSealer(make([]byte, 32), "second")
	if err != nil {
		t.Fatal(err)
	}
	token := before.SealBytes([]byte("cursor"), "jobs")
	if _, err := after.OpenBytes(token, "jobs"); !errors.Is(err, ErrTokenRestored) {
		t.Errorf("%v, want %v", err, ErrTokenRestored)
	}
	// Whoever may not use the token does not learn where it is from.
	if _, err := after.OpenBytes(token, "others"); !errors.Is(err, ErrToken) {
		t.Errorf("%v, want %v", err, ErrToken)
	}
}

func TestNoLetterOfATokenCanBeChanged(t *testing.T) {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	p := sealer(t)
	for _, plain := range []string{"c", "cu", "cur"} { // one of each length in base64
		token := p.SealBytes([]byte(plain), "q")
		for at := range token {
			for _, other := range letters {
				if byte(other) == token[at] {
					continue
				}
				if _, err := p.OpenBytes(token[:at]+string(other)+token[at+1:], "q"); !errors.Is(err, ErrToken) {
					t.Fatalf("letter %d of %q changed to %q: %v", at, token, other, err)
				}
			}
		}
	}
}

func TestNumbersAsTokens(t *testing.T) {
	p := sealer(t)
	if n, err := p.OpenNumber(p.SealNumber(7, "q"), "q"); err != nil || n != 7 {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := p.OpenNumber("", "q"); err != nil || n != 0 {
		t.Errorf("the first page: %d, %v", n, err)
	}
	if _, err := p.OpenNumber(p.SealBytes([]byte("short"), "q"), "q"); !errors.Is(err, ErrToken) {
		t.Errorf("not a number: %v", err)
	}
}

func FuzzPageToken(f *testing.F) {
	p := sealer(f)
	good := p.SealBytes([]byte("x"), "q")
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		c, err := p.Open(token, "q")
		var invalid *job.InvalidError
		if err != nil && !errors.As(err, &invalid) {
			t.Fatalf("%v is not for the caller", err)
		}
		if err == nil && token != "" && c == nil {
			t.Fatal("a token without a cursor")
		}
	})
}

func TestPageSize(t *testing.T) {
	for n, want := range map[int32]int{0: 50, 1: 1, 1000: 1000, 1001: 1000, 1 << 30: 1000} {
		if got, err := Size(n, Default, Max); err != nil || got != want {
			t.Errorf("Size(%d) = %d, %v", n, got, err)
		}
	}
	if _, err := Size(-1, Default, Max); err == nil {
		t.Error("a negative page size is accepted")
	}
}
