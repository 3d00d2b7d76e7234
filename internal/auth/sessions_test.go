package auth

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/stint-jobs/stint/internal/job"
)

func newSessions(t *testing.T) (*Sessions, *sessionStore) {
	t.Helper()
	store := newSessionStore()
	s, err := NewSessions(SessionsConfig{Store: store, Idle: time.Hour, Life: 3 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return s, store
}

func begin(t *testing.T, s *Sessions, user string) string {
	t.Helper()
	secret, err := s.Begin(t.Context(), Beginning{User: user, Roles: []Role{RoleUser}})
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

//nolint:forbidigo // fake time: a synctest bubble
func TestASessionEndsWhenItIsNotUsedAndInAnyCase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newSessions(t)
		idle, used := begin(t, s, "ada"), begin(t, s, "bob")
		start := time.Now()
		for range 9 { // every 20 minutes, for three hours
			p, err := s.Principal(t.Context(), used)
			if err != nil {
				t.Fatalf("after %s: %v", time.Since(start), err)
			}
			if want := min(time.Since(start)+time.Hour, 3*time.Hour); p.Expires.Sub(start) != want {
				t.Errorf("after %s it would end after %s, want %s", time.Since(start), p.Expires.Sub(start), want)
			}
			time.Sleep(20 * time.Minute)
		}
		_, err := s.Principal(t.Context(), used)
		wantStatus(t, err, codes.Unauthenticated, "SESSION_ENDED")
		_, err = s.Principal(t.Context(), idle)
		wantStatus(t, err, codes.Unauthenticated, "SESSION_ENDED")
		if store.touches != 8 {
			t.Errorf("%d uses were written, want 8", store.touches)
		}
	})
}

//nolint:forbidigo // fake time: a synctest bubble
func TestUsesAreWrittenOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newSessions(t)
		secret := begin(t, s, "ada")
		for range 120 {
			time.Sleep(time.Second)
			var wg sync.WaitGroup
			for range 5 {
				wg.Go(func() {
					if _, err := s.Principal(t.Context(), secret); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		}
		if store.touches < 2 || store.touches > 10 { // those of one moment may not have seen each other's
			t.Errorf("600 uses in two minutes were %d writes", store.touches)
		}
	})
}

func TestSecretsThatAreNone(t *testing.T) {
	s, store := newSessions(t)
	secret := begin(t, s, "ada")
	_, text := NewSecret()
	for what, given := range map[string]string{
		"empty": "", "cut off": secret[:len(secret)-1], "of nobody": strings.TrimPrefix(text, tokenPrefix), "an API token": text,
		"with the prefix": tokenPrefix + secret, "longer": secret + "x", "another form": "../../x",
	} {
		_, err := s.Principal(t.Context(), given)
		t.Run(what, func(t *testing.T) { wantStatus(t, err, codes.Unauthenticated, "SESSION_ENDED") })
	}
	store.fail = errors.New("the disk is gone")
	_, err := s.Principal(t.Context(), secret)
	wantStatus(t, err, codes.Unavailable, "UNAVAILABLE")
}

func TestSignOutEndsStreamsAndSoDoesTheLimit(t *testing.T) {
	f := newFixture(t, ModeToken)
	s, _ := newSessions(t)
	s.EndStreams(f.auth)
	secret := begin(t, s, "ada")
	p, err := s.Principal(t.Context(), secret)
	if err != nil {
		t.Fatal(err)
	}
	stream := guarded(t, f.auth, p)
	if err := s.End(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, stream.end(), codes.Unauthenticated, "SESSION_ENDED")
	if err := s.End(t.Context(), secret); err != nil {
		t.Errorf("signing out twice: %v", err)
	}

	first := begin(t, s, "bob")
	if p, err = s.Principal(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	stream = guarded(t, f.auth, p)
	for range 5 * (job.Limits{}).Of(job.QuotaSessions) { // which one goes is the store's business
		begin(t, s, "bob")
	}
	wantStatus(t, stream.end(), codes.Unauthenticated, "SESSION_ENDED")
	if _, err := s.Principal(t.Context(), first); err == nil {
		t.Error("it goes on")
	}
}

//nolint:forbidigo // fake time: a synctest bubble
func TestEndedSessionsLeaveTheFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newSessions(t)
		begin(t, s, "ada")
		done := make(chan error)
		ctx, stop := context.WithCancel(t.Context())
		go func() { done <- s.Run(ctx) }()
		time.Sleep(50 * time.Minute)
		begin(t, s, "bob")
		time.Sleep(21 * time.Minute)
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if len(store.all) != 1 {
			t.Errorf("%d sessions are kept, want bob's", len(store.all))
		}
	})
}
