package auth

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"

	"github.com/stint-jobs/stint/internal/job"
)

func TestAGrantIsNeverWiderThanTheCredentialThatMakesIt(t *testing.T) {
	end := time.Now().Add(time.Hour)
	user := Principal{User: "ann", Roles: []Role{RoleUser}, How: HowToken}
	narrow := Principal{User: "ann", Roles: []Role{RoleUser}, How: HowToken, Scopes: []Scope{ScopeTokens, ScopeJobsRead}}
	brief := Principal{User: "ann", Roles: []Role{RoleUser}, How: HowToken, Expires: end}
	browser := Principal{User: "ann", Roles: []Role{RoleUser}, How: HowSession, Expires: end}
	operator := Principal{User: "op", Roles: []Role{RoleUser, RoleOperator}, How: HowToken}
	narrowOperator := Principal{User: "op", Roles: []Role{RoleUser, RoleOperator}, How: HowToken, Scopes: []Scope{ScopeTokens}}
	for _, c := range []struct {
		name  string
		by    Principal
		asked Grant
		want  Grant
		field string // of what is refused
	}{
		{"nothing asked", user, Grant{User: "ann"}, Grant{User: "ann"}, ""},
		{"narrower", user, Grant{Scopes: []string{"jobs:read"}, Expires: end}, Grant{Scopes: []string{"jobs:read"}, Expires: end}, ""},
		{"the same scopes", narrow, Grant{}, Grant{Scopes: []string{"tokens", "jobs:read"}}, ""},
		{"fewer scopes", narrow, Grant{Scopes: []string{"jobs:read"}}, Grant{Scopes: []string{"jobs:read"}}, ""},
		{"more scopes", narrow, Grant{Scopes: []string{"jobs:read", "jobs:write"}}, Grant{}, "scopes[1]"},
		{"the same end", brief, Grant{}, Grant{Expires: end}, ""},
		{"a later end", brief, Grant{Expires: end.Add(time.Second)}, Grant{}, "expireTime"},
		{"longer than a browser's session", browser, Grant{}, Grant{}, ""},
		{"longer than a certificate", Principal{User: "ann", Roles: []Role{RoleUser}, How: HowCertificate, Expires: end}, Grant{}, Grant{Expires: end}, ""},
		{"a role by a user", user, Grant{Roles: []string{"operator"}}, Grant{}, "denied"},
		{"a role by a user who words it well", user, Grant{Roles: []string{"user", "service"}}, Grant{}, "denied"},
		{"the role that all have", user, Grant{Roles: []string{"user"}}, Grant{Roles: []string{"user"}}, ""},
		{"a role by an operator", operator, Grant{Roles: []string{"service"}}, Grant{Roles: []string{"service"}}, ""},
		{"their role by a narrowed operator", narrowOperator, Grant{Roles: []string{"operator"}}, Grant{Roles: []string{"operator"}, Scopes: []string{"tokens"}}, ""},
		{"another role by a narrowed operator", narrowOperator, Grant{Roles: []string{"auditor"}}, Grant{}, "roles[0]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.asked.Within(c.by, 0)
			var invalid *job.InvalidError
			switch {
			case c.field == "denied":
				if !errors.Is(err, job.ErrDenied) {
					t.Fatalf("got %+v, %v", got, err)
				}
			case c.field != "":
				if !errors.As(err, &invalid) || len(invalid.Violations) != 1 || invalid.Violations[0].Field != c.field {
					t.Fatalf("got %+v, %v", got, err)
				}
			default:
				if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
					t.Fatal(err, diff)
				}
			}
		})
	}
}

func TestServiceAccountsActForUsers(t *testing.T) {
	f := newFixture(t, ModeToken)
	end := time.Now().Add(time.Hour)
	id, service := f.token(t, Grant{User: "gateway", Roles: []string{"service", "operator", "auditor"}, Scopes: []string{"jobs:read"}, Expires: end})
	_, operator := f.token(t, Grant{User: "op", Roles: []string{"operator"}})
	as := func(token string, users ...string) (Principal, error) {
		return f.auth.Identify(t.Context(), Credentials{Authorization: []string{"Bearer " + token}, ActFor: users})
	}
	p, err := as(service, "ann")
	want := Principal{User: "ann", Roles: []Role{RoleUser}, Scopes: []Scope{ScopeJobsRead}, How: HowToken, Actor: "gateway", TokenID: id, Expires: end.UTC()}
	if diff := cmp.Diff(want, p); err != nil || diff != "" {
		t.Fatal(err, diff)
	}
	_, err = as(operator, "ann")
	wantStatus(t, err, codes.PermissionDenied, "ACT_FOR_NOT_ALLOWED")
	for _, users := range [][]string{{""}, {"local admin"}, {"a b"}, {"ann", "bob"}} {
		_, err := as(service, users...)
		var invalid *job.InvalidError
		if !errors.As(err, &invalid) || invalid.Violations[0].Field != actForHeader {
			t.Errorf("for %q: %v", users, err)
		}
	}
	_, err = f.auth.Identify(t.Context(), Credentials{ActFor: []string{"ann"}})
	wantStatus(t, err, codes.Unauthenticated, "CREDENTIALS_MISSING")
	stream := guarded(t, f.auth, p) // what it does for the user ends with its own credential
	if f.tokens.Revoke(t.Context(), id, "") != nil {
		t.Fatal("not revoked")
	}
	wantStatus(t, stream.end(), codes.Unauthenticated, "TOKEN_REVOKED")
}

func TestUsesAreNotedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, ModeToken)
		_, text := f.token(t, Grant{User: "ann"})
		use := func() {
			for range 100 {
				if _, err := f.header([]string{"Bearer " + text}); err != nil {
					t.Fatal(err)
				}
			}
		}
		last := func(writes int, at time.Time) {
			t.Helper()
			if err := f.auth.writeUses(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := f.store.tokens[Hash(text)].GetLastUseTime().AsTime()
			if f.store.writes != writes || !got.Equal(at.Truncate(time.Minute)) {
				t.Fatalf("%d writes, used at %v; want %d, %v", f.store.writes, got, writes, at)
			}
		}
		first := time.Now()
		use()
		last(1, first)
		<-time.After(59 * time.Second) // the bubble begins at midnight
		use()
		last(1, first)
		<-time.After(time.Second)
		use()
		last(2, time.Now())
		<-time.After(2 * verifiedFor) // not remembered any more
		use()
		last(3, time.Now())
		_, _ = f.header([]string{"Bearer " + text + "x"})
		last(3, time.Now())
	})
}

func TestUsesAreWrittenWhileTheServerRunsAndAtItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, ModeToken)
		_, text := f.token(t, Grant{User: "ann"})
		ctx, cancel := context.WithCancel(t.Context())
		stop := make(chan error)
		go func() { stop <- f.auth.Run(ctx, slog.New(slog.DiscardHandler)) }()
		for n := range 3 {
			if _, err := f.header([]string{"Bearer " + text}); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Minute)
			synctest.Wait()
			if f.store.writes != n+1 {
				t.Fatalf("%d writes after %d minutes", f.store.writes, n+1)
			}
		}
		if _, err := f.header([]string{"Bearer " + text}); err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := <-stop; err != nil || f.store.writes != 4 {
			t.Fatalf("%d writes at the end, %v", f.store.writes, err)
		}
	})
}

func TestTokensEndWithWhatMadeThemAndWithTheServersBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		operator := []Role{RoleUser, RoleOperator}
		session := Principal{User: "op", Roles: operator, How: HowSession, Expires: now.Add(time.Hour)}
		roles := []string{"operator"}
		for _, c := range []struct {
			name    string
			by      Principal
			maxLife time.Duration
			asked   Grant
			want    time.Duration // 0 is for ever
			refused bool
		}{
			{"no bound", Principal{User: "a", How: HowToken}, 0, Grant{}, 0, false},
			{"the bound", Principal{User: "a", How: HowToken}, time.Hour, Grant{}, time.Hour, false},
			{"below the bound", Principal{User: "a", How: HowToken}, time.Hour, Grant{Expires: now.Add(time.Minute)}, time.Minute, false},
			{"above the bound", Principal{User: "a", How: HowDev}, time.Hour, Grant{Expires: now.Add(2 * time.Hour)}, 0, true},
			{"the socket", Principal{User: "a", Roles: operator, How: HowSocket}, time.Hour, Grant{Roles: roles}, 0, false},
			{"the earlier of two", Principal{User: "a", How: HowToken, Expires: now.Add(time.Minute)}, time.Hour, Grant{}, time.Minute, false},
			{"roles of the issuer", session, 0, Grant{Roles: roles}, MaxRoleLife, false},
			{"roles of the issuer for longer", session, 0, Grant{Roles: roles, Expires: now.Add(MaxRoleLife + time.Hour)}, 0, true},
			{"no roles by who has some", session, 0, Grant{}, 0, false},
			{"roles by an operator's token", Principal{User: "op", Roles: operator, How: HowToken}, 0, Grant{Roles: roles}, 0, false},
		} {
			got, err := c.asked.Within(c.by, c.maxLife)
			want := time.Time{}
			if c.want > 0 {
				want = now.Add(c.want)
			}
			if (err != nil) != c.refused || err == nil && !got.Expires.Equal(want) {
				t.Errorf("%s: until %v, want %v; %v", c.name, got.Expires, want, err)
			}
		}
	})
}
