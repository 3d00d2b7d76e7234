package auth

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/stint-jobs/stint/internal/job"
)

func TestWhoIsLetIn(t *testing.T) {
	for _, mode := range []Mode{ModeToken, ModeDev} {
		f := newFixture(t, mode)
		id, good := f.token(t, Grant{User: "alice"})
		_, unknown := NewSecret()
		for _, c := range []struct {
			name   string
			header []string
			user   string
			reason string
		}{
			{"token", []string{"Bearer " + good}, "alice", ""},
			{"any case of the scheme", []string{"bEARER  " + good + " "}, "alice", ""},
			{"unknown", []string{"Bearer " + unknown}, "", "TOKEN_UNKNOWN"},
			{"cut off", []string{"Bearer " + good[:len(good)-1]}, "", "TOKEN_MALFORMED"},
			{"only the public id", []string{"Bearer " + id}, "", "TOKEN_MALFORMED"},
			{"empty", []string{""}, "", "CREDENTIALS_UNSUPPORTED"},
			{"no token", []string{"Bearer"}, "", "TOKEN_MALFORMED"},
			{"no scheme", []string{good}, "", "CREDENTIALS_UNSUPPORTED"},
			{"password", []string{"Basic YTpi"}, "", "CREDENTIALS_UNSUPPORTED"},
			{"twice", []string{"Bearer " + good, "Bearer " + good}, "", "CREDENTIALS_UNSUPPORTED"},
			{"huge", []string{"Bearer " + strings.Repeat("x", 1<<20)}, "", "TOKEN_MALFORMED"},
		} {
			t.Run(fmt.Sprint(mode, " ", c.name), func(t *testing.T) {
				p, err := f.header(c.header)
				if c.reason != "" {
					wantStatus(t, err, codes.Unauthenticated, c.reason)
					return
				}
				if diff := cmp.Diff(Principal{User: c.user, Roles: []Role{RoleUser}, How: HowToken, TokenID: id}, p); err != nil || diff != "" {
					t.Fatal(err, diff)
				}
			})
		}
	}
}

func TestWithoutCredentials(t *testing.T) {
	_, err := newFixture(t, ModeToken).header(nil)
	wantStatus(t, err, codes.Unauthenticated, "CREDENTIALS_MISSING")
	p, err := newFixture(t, ModeDev).header(nil)
	if diff := cmp.Diff(Principal{User: "me", Roles: []Role{RoleUser, RoleOperator}, How: HowDev}, p); err != nil || diff != "" {
		t.Fatal(err, diff)
	}
}

func TestNewNeedsAStoreAndAMode(t *testing.T) {
	if _, err := New(Config{}); err == nil {
		t.Error("no store was taken")
	}
	if _, err := New(Config{Tokens: newMemoryStore(), Mode: ModeAuto}); err == nil {
		t.Error("an undecided mode was taken")
	}
	a, err := New(Config{Tokens: newMemoryStore(), Mode: ModeDev})
	if err != nil || !job.ValidOwner(a.local.User) {
		t.Errorf("the local user is %+v, %v", a.local, err)
	}
}

func TestATokenStopsWhenItExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, ModeToken)
		_, text := f.token(t, Grant{User: "alice", Expires: time.Now().Add(time.Second)})
		header := []string{"Bearer " + text}
		if _, err := f.header(header); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Second) // well within the time that a verified token is remembered
		_, err := f.header(header)
		wantStatus(t, err, codes.Unauthenticated, "TOKEN_EXPIRED")
	})
}

func TestVerifiedTokensAreRememberedForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, ModeToken)
		_, text := f.token(t, Grant{User: "alice"})
		for _, step := range []struct {
			wait    time.Duration
			lookups int
		}{{0, 1}, {0, 1}, {verifiedFor, 1}, {1, 2}, {0, 2}} {
			<-time.After(step.wait)
			if _, err := f.header([]string{"Bearer " + text}); err != nil || f.store.lookups != step.lookups {
				t.Fatalf("the store was asked %d times, want %d; %v", f.store.lookups, step.lookups, err)
			}
		}
	})
}

func TestRememberedTokensAreBounded(t *testing.T) {
	f := newFixture(t, ModeToken)
	for range verifiedMost + 100 {
		_, text := f.token(t, Grant{User: "alice"})
		if _, err := f.header([]string{"Bearer " + text}); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(f.auth.verified); n != verifiedMost {
		t.Fatalf("%d tokens are remembered", n)
	}
	for range 100 { // what is unknown or malformed takes no room at all
		_, text := NewSecret()
		_, _ = f.header([]string{"Bearer " + text})
	}
	if n := len(f.auth.verified); n != verifiedMost {
		t.Fatalf("%d tokens are remembered", n)
	}
}

func TestARevokedTokenStopsAtOnce(t *testing.T) {
	f := newFixture(t, ModeToken)
	id, text := f.token(t, Grant{User: "alice"})
	_, other := f.token(t, Grant{User: "alice"})
	header := []string{"Bearer " + text}
	if _, err := f.header(header); err != nil {
		t.Fatal(err)
	}
	if err := f.tokens.Revoke(t.Context(), id, ""); err != nil {
		t.Fatal(err)
	}
	_, err := f.header(header)
	wantStatus(t, err, codes.Unauthenticated, "TOKEN_UNKNOWN")
	if _, err := f.header([]string{"Bearer " + other}); err != nil {
		t.Fatalf("the user's other token: %v", err)
	}
}

func TestATokenRevokedWhileItIsLookedUpStaysRevoked(t *testing.T) {
	f := newFixture(t, ModeToken)
	id, text := f.token(t, Grant{User: "alice"})
	f.store.found = sync.OnceFunc(func() {
		if err := f.tokens.Revoke(t.Context(), id, ""); err != nil {
			t.Error(err)
		}
	})
	_, err := f.header([]string{"Bearer " + text})
	wantStatus(t, err, codes.Unauthenticated, "TOKEN_REVOKED")
	_, err = f.header([]string{"Bearer " + text})
	wantStatus(t, err, codes.Unauthenticated, "TOKEN_UNKNOWN")
}

func TestAStoreThatCannotAnswerRefusesAndSaysNothing(t *testing.T) {
	f := newFixture(t, ModeDev)
	_, text := f.token(t, Grant{User: "alice"})
	f.store.fail = errors.New("/var/lib/stint/jobs.db: input/output error")
	_, err := f.header([]string{"Bearer " + text})
	wantStatus(t, err, codes.Unavailable, "UNAVAILABLE")
	if !errors.Is(err, f.store.fail) || strings.Contains(status.Convert(err).Message(), "jobs.db") {
		t.Fatalf("the log gets %q, the client %q", err, status.Convert(err).Message())
	}
}

func TestNoRefusalHoldsTheToken(t *testing.T) {
	f := newFixture(t, ModeToken)
	_, unknown := NewSecret()
	for _, text := range []string{unknown, unknown[:50]} {
		_, err := f.header([]string{"Bearer " + text})
		if said := fmt.Sprint(err, status.Convert(err).Proto()); strings.Contains(said, text[20:40]) {
			t.Fatalf("said %q", said)
		}
	}
}

func TestModes(t *testing.T) {
	for _, c := range []struct {
		mode   Mode
		listen []string
		want   Mode
	}{
		{ModeAuto, []string{"127.0.0.1:8080"}, ModeDev},
		{ModeAuto, []string{"localhost:8080"}, ModeDev},
		{ModeAuto, []string{"[::1]:8080", "127.3.2.1:0"}, ModeDev},
		{ModeAuto, []string{"127.0.0.1:8080", "10.0.0.1:9090"}, ModeToken},
		{ModeAuto, []string{":8080"}, ModeToken},
		{ModeAuto, []string{"0.0.0.0:8080"}, ModeToken},
		{ModeAuto, []string{"[::]:8080"}, ModeToken},
		{ModeAuto, []string{"localhost.example.org:80"}, ModeToken},
		{ModeAuto, []string{"127.0.0.1"}, ModeToken},
		{ModeToken, []string{"127.0.0.1:8080"}, ModeToken},
		{ModeDev, []string{"127.0.0.1:8080"}, ModeDev},
		{ModeDev, []string{"0.0.0.0:8080"}, ""},
		{ModeDev, []string{"127.0.0.1:8080", ":9090"}, ""},
		{"", []string{"127.0.0.1:8080"}, ""},
		{"off", []string{"127.0.0.1:8080"}, ""},
	} {
		got, err := c.mode.Resolve(c.listen...)
		if got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%s on %q is %q, %v; want %q", c.mode, c.listen, got, err, c.want)
		}
	}
}
