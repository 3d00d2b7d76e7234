package auth

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
)

// userStore keeps users in memory, and deletes what it is told to.
type userStore struct {
	users            map[string]*storev1.User
	sessions, tokens []string
	fail             error
}

func (s *userStore) EndCredentials(ctx context.Context, user string, tokens bool, change func(*storev1.User)) (ofSessions, ofTokens []string, _ error) {
	if tokens {
		ofTokens = s.tokens
	}
	return s.sessions, ofTokens, s.ChangeUser(ctx, user, change)
}

func (s *userStore) ChangeUser(_ context.Context, user string, change func(*storev1.User)) error {
	if s.users[user] == nil {
		s.users[user] = &storev1.User{}
	}
	change(s.users[user])
	return s.fail
}

func (s *userStore) standing(user string) (disabled bool, signedOut time.Time) {
	u := s.users[user]
	return u.GetDisableTime() != nil, u.GetSignOutTime().AsTime()
}

func newUsers(t *testing.T) (*Users, *userStore, *fixture) {
	t.Helper()
	f := newFixture(t, ModeToken)
	s := &userStore{users: make(map[string]*storev1.User)}
	f.auth.cfg.Users = s.standing
	return NewUsers(s, f.auth), s, f
}

func TestADisabledUserIsNotLetInWhateverTheySignInWith(t *testing.T) {
	u, s, f := newUsers(t)
	id, text := f.token(t, Grant{User: "ann"})
	_, gateway := f.token(t, Grant{User: "gateway", Roles: []string{"service"}})
	if _, err := f.header([]string{"Bearer " + text}); err != nil {
		t.Fatal(err)
	}
	byToken := guarded(t, f.auth, Principal{User: "ann", TokenID: id, How: HowToken})
	byIssuer := guarded(t, f.auth, Principal{User: "ann", TokenID: "j", How: HowOIDC, Expires: time.Now().Add(time.Hour)})
	byGateway := guarded(t, f.auth, Principal{User: "ann", Actor: "gateway", TokenID: "g", How: HowToken})
	command := guarded(t, f.auth, Principal{User: "ann", TokenID: "c", How: HowJob})
	bob := guarded(t, f.auth, Principal{User: "bob", TokenID: "b", How: HowToken})
	s.tokens = []string{id}
	if ended, err := u.Disable(t.Context(), "ann", "root", "left"); err != nil || len(ended.Tokens) != 1 {
		t.Fatalf("%v %v", ended, err)
	}
	wantStatus(t, byToken.end(), codes.Unauthenticated, "TOKEN_REVOKED")
	wantStatus(t, byIssuer.end(), codes.PermissionDenied, "USER_DISABLED")
	wantStatus(t, byGateway.end(), codes.PermissionDenied, "USER_DISABLED")
	if !bob.goesOn() || !command.goesOn() {
		t.Error("a stream of somebody else's, or of a job's command, was ended")
	}
	_, err := f.auth.Identify(t.Context(), Credentials{Authorization: []string{"Bearer " + gateway}, ActFor: []string{"ann"}})
	wantStatus(t, err, codes.PermissionDenied, "USER_DISABLED")
	if _, err := f.auth.guard(&Principal{User: "ann", TokenID: "k", How: HowCertificate}, make(cutStream, 1)); err == nil {
		t.Error("a stream of a disabled user begins")
	}
	if err := u.Enable(t.Context(), "ann"); err != nil {
		t.Fatal(err)
	}
	if err := f.auth.standing(&Principal{User: "ann", How: HowToken}); err != nil {
		t.Errorf("enabled again: %v", err)
	}
	s.fail = errors.New("no")
	if _, err := u.Disable(t.Context(), "ann", "root", "left"); !errors.Is(err, s.fail) {
		t.Errorf("a store that fails: %v", err)
	}
}

func TestADisabledServiceAccountActsForNobody(t *testing.T) {
	u, _, f := newUsers(t)
	_, gateway := f.token(t, Grant{User: "gateway", Roles: []string{"service"}})
	if _, err := u.Disable(t.Context(), "gateway", "root", "left"); err != nil {
		t.Fatal(err)
	}
	_, err := f.auth.Identify(t.Context(), Credentials{Authorization: []string{"Bearer " + gateway}, ActFor: []string{"ann"}})
	wantStatus(t, err, codes.PermissionDenied, "USER_DISABLED")
}

// The operator's socket is the way back in.
func TestTheSocketIsOpenToADisabledUser(t *testing.T) {
	u, _, f := newUsers(t)
	if _, err := u.Disable(t.Context(), LocalAdmin().User, "root", "left"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.auth.Identify(t.Context(), Credentials{Socket: true}); err != nil {
		t.Error(err)
	}
}

//nolint:forbidigo // fake time: a synctest bubble
func TestWhatTheIssuerSignedBeforeASignOutIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, s, f := newUsers(t)
		before := Principal{User: "ann", TokenID: "1", How: HowOIDC, Issued: time.Now()}
		stream := guarded(t, f.auth, before)
		time.Sleep(time.Minute)
		s.sessions = []string{"s"}
		if ended, err := u.SignOut(t.Context(), "ann", false); err != nil || len(ended.Sessions) != 1 || ended.Tokens != nil {
			t.Fatalf("%v %v", ended, err)
		}
		wantStatus(t, stream.end(), codes.Unauthenticated, "SIGNED_OUT")
		time.Sleep(time.Minute)
		if err := f.auth.standing(&Principal{User: "ann", How: HowOIDC, Issued: time.Now()}); err != nil {
			t.Errorf("signed since: %v", err)
		}
		for _, p := range []Principal{{User: "bob", How: HowOIDC, Issued: before.Issued}, {User: "ann", How: HowToken}} {
			if err := f.auth.standing(&p); err != nil {
				t.Errorf("%+v: %v", p, err)
			}
		}
	})
}

//nolint:forbidigo // fake time: a synctest bubble
func TestARevokedIDIsKnownForLongEnoughAndNotForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r revokedIDs
		if r.has("a") {
			t.Error("it knows what it was not told")
		}
		for n := range 5 {
			id := strconv.Itoa(n)
			r.add(id)
			time.Sleep(revokedFor - time.Second)
			r.add("other")
			if !r.has(id) {
				t.Errorf("%d was forgotten too soon", n)
			}
		}
		time.Sleep(3 * revokedFor)
		r.add("z")
		if r.has("4") || r.has("other") || len(r.now)+len(r.before) != 1 {
			t.Errorf("%d ids are still known", len(r.now)+len(r.before))
		}
	})
}

// A call looks for its id as quickly after many revocations as after few. What differs by a machine's
// speed is the same in both.
func TestRevocationsCostCallsNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures")
	}
	cost := func(revoked int) float64 {
		f := newFixture(t, ModeToken)
		for n := range revoked {
			f.auth.Revoked(fmt.Sprint("gone", n))
		}
		b := testing.Benchmark(func(b *testing.B) {
			b.Helper()
			for b.Loop() {
				f.auth.isRevoked("somebody")
				f.auth.Revoked("again")
			}
		})
		return float64(b.NsPerOp())
	}
	few, many := cost(10), cost(300_000)
	t.Logf("after 10: %.0f ns, after 300,000: %.0f ns", few, many)
	if many > 20*few+10_000 { // it was 37 ms
		t.Errorf("after 300,000 revocations a call takes %.0f ns, after 10 it took %.0f", many, few)
	}
}
