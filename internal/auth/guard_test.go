package auth

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// cutStream is a stream that only waits for its end.
type cutStream chan error

func (s cutStream) WriteStatus(with *status.Status) error {
	s <- with.Err()
	return nil
}

// end waits until the stream is ended and answers with what.
func (s cutStream) end() error { return <-s }

// goesOn reports whether nobody has ended the stream.
func (s cutStream) goesOn() bool { return len(s) == 0 }

// guarded begins a stream of p's, which is over when the test is.
func guarded(t *testing.T, a *Authenticator, p Principal) cutStream {
	t.Helper()
	s := make(cutStream, 2) // one more than it may be ended
	g, err := a.guard(&p, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.release(g) })
	return s
}

// A stream has one end, and who released it hears of that one.
func TestAStreamIsEndedOnce(t *testing.T) {
	f := newFixture(t, ModeToken)
	s := make(cutStream, 2)
	g, err := f.auth.guard(&Principal{User: "ann", TokenID: "t", How: HowToken}, s)
	if err != nil {
		t.Fatal(err)
	}
	f.auth.Revoked("t")
	f.auth.Revoked("t")
	wantStatus(t, s.end(), codes.Unauthenticated, "TOKEN_REVOKED")
	if !s.goesOn() {
		t.Error("it was ended twice")
	}
	wantStatus(t, f.auth.release(g), codes.Unauthenticated, "TOKEN_REVOKED")
	if len(f.auth.guards) != 0 {
		t.Errorf("%d credentials are still guarded", len(f.auth.guards))
	}
}
