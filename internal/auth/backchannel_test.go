package auth

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// logout is a logout token of the issuer about user ada, changed as is said. A nil leaves a claim out.
func (i *issuer) logout(change map[string]any) string {
	claims := map[string]any{
		"iss": i.URL, "aud": pagesClient, "sub": "u-1", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(), "jti": "j",
		"events": map[string]any{logoutEvent: map[string]any{}},
	}
	for k, v := range change {
		if claims[k] = v; v == nil {
			delete(claims, k)
		}
	}
	return i.sign(claims)
}

// tell sends a logout token as an issuer does.
func (s *site) tell(t *testing.T, token string) int {
	t.Helper()
	resp, err := http.PostForm(s.URL+BackchannelPath, url.Values{"logout_token": {token}})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// began makes sessions that are a while old, with the issuer's ids of user and session.
func (s *site) began(t *testing.T, subject, session string) {
	t.Helper()
	if _, err := s.sessions.Begin(t.Context(), Beginning{User: "ada", Subject: subject, IssuerSession: session}); err != nil {
		t.Fatal(err)
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	for _, one := range s.store.all {
		one.CreateTime.Seconds -= 60
	}
}

func (s *site) left() int {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	return len(s.store.all)
}

func TestTheIssuerEndsSessionsOfWhoSignedOutThere(t *testing.T) {
	s := newSite(t, nil)
	var ended []string
	s.sessions.revoked = func(id string) { ended = append(ended, id) }
	s.began(t, "u-1", "one")
	s.began(t, "u-1", "two")
	s.began(t, "u-2", "three")
	if code := s.tell(t, s.issuer.logout(map[string]any{"sid": "one"})); code != http.StatusOK || s.left() != 2 || len(ended) != 1 {
		t.Errorf("one session: %d, %d are left, %v", code, s.left(), ended)
	}
	if code := s.tell(t, s.issuer.logout(nil)); code != http.StatusOK || s.left() != 1 || len(ended) != 2 {
		t.Errorf("all of the user: %d, %d are left", code, s.left())
	}
	if code := s.tell(t, s.issuer.logout(map[string]any{"sub": nil, "sid": "three"})); code != http.StatusOK || s.left() != 0 {
		t.Errorf("by the session alone: %d, %d are left", code, s.left())
	}
	if code := s.tell(t, s.issuer.logout(nil)); code != http.StatusOK {
		t.Errorf("with nobody signed in: %d", code)
	}
}

func TestALogoutThatIsSentAgainEndsNothingNewer(t *testing.T) {
	s := newSite(t, nil)
	old := s.issuer.logout(map[string]any{"iat": time.Now().Add(-4 * time.Minute).Unix()})
	s.began(t, "u-1", "new") // a minute ago
	if code := s.tell(t, old); code != http.StatusOK || s.left() != 1 {
		t.Errorf("%d, %d are left", code, s.left())
	}
}

func TestOnlyTheIssuersLogoutsAreTaken(t *testing.T) {
	s := newSite(t, nil)
	s.began(t, "u-1", "one")
	genuine := s.issuer.logout(nil)
	for name, token := range map[string]string{
		"none":          "",
		"no token":      "x",
		"too long":      strings.Repeat("a", jwtMost+1),
		"changed":       genuine[:strings.LastIndexByte(genuine, '.')+1] + strings.Repeat("A", len(genuine)-strings.LastIndexByte(genuine, '.')-1),
		"another's key": signWith("RS256", newKey(), "k1", map[string]any{"iss": s.issuer.URL, "aud": pagesClient, "sub": "u-1", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(), "events": map[string]any{logoutEvent: map[string]any{}}}),
		"an id token":   s.issuer.sign(s.issuer.claims(map[string]any{"sub": "u-1"})),
		"with a nonce":  s.issuer.logout(map[string]any{"nonce": "n"}),
		"another event": s.issuer.logout(map[string]any{"events": map[string]any{"x": map[string]any{}}}),
		"of another":    s.issuer.logout(map[string]any{"iss": "https://other.example.org"}),
		"for another":   s.issuer.logout(map[string]any{"aud": "another"}),
		"expired":       s.issuer.logout(map[string]any{"exp": time.Now().Add(-time.Minute).Unix()}),
		"old":           s.issuer.logout(map[string]any{"iat": time.Now().Add(-time.Hour).Unix()}),
		"of tomorrow":   s.issuer.logout(map[string]any{"iat": time.Now().Add(24 * time.Hour).Unix()}),
		"about nobody":  s.issuer.logout(map[string]any{"sub": nil}),
	} {
		if code := s.tell(t, token); code != http.StatusBadRequest || s.left() != 1 {
			t.Errorf("%s: %d, %d sessions are left", name, code, s.left())
		}
	}
	resp, err := http.Post(s.URL+BackchannelPath, "application/x-www-form-urlencoded", strings.NewReader("logout_token="+strings.Repeat("a", maxLogoutBody)))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("a large body: %s", resp.Status)
	}
	s.store.fail = errors.New("no")
	if code := s.tell(t, s.issuer.logout(nil)); code != http.StatusServiceUnavailable {
		t.Errorf("a store that fails: %d", code)
	}
}

// A sign-in keeps what the issuer's logout will name.
func TestASignInKeepsTheIssuersIDs(t *testing.T) {
	s := newSite(t, nil)
	b := s.browser(t)
	b.signIn("/", map[string]any{"sub": "ada", "sid": "their-session"})
	all, err := s.sessions.List("ada")
	if err != nil || len(all) != 1 {
		t.Fatalf("%v %v", all, err)
	}
	if one := all[0]; one.GetIssuerSubject() != "ada" || one.GetIssuerSession() != "their-session" || one.GetAddress() == "" || one.GetUserAgent() == "" {
		t.Errorf("%v", one)
	}
	if code := s.tell(t, s.issuer.logout(map[string]any{"sub": "ada", "sid": "their-session"})); code != http.StatusOK || b.user() != "" {
		t.Errorf("%d, and the browser is %q", code, b.user())
	}
}
