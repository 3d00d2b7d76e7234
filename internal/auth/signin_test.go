package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// sessionStore keeps sessions in memory.
type sessionStore struct {
	mu      sync.Mutex
	all     map[[sha256.Size]byte]*storev1.Session
	touches int
	fail    error
}

func newSessionStore() *sessionStore {
	return &sessionStore{all: map[[sha256.Size]byte]*storev1.Session{}}
}

func (s *sessionStore) Session(hash [sha256.Size]byte) (*storev1.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one, ok := s.all[hash]; ok && s.fail == nil {
		return proto.CloneOf(one), nil
	}
	return nil, errors.Join(s.fail, map[bool]error{true: job.ErrNotFound}[s.fail == nil])
}

func (s *sessionStore) PutSession(_ context.Context, hash [sha256.Size]byte, one *storev1.Session, most int) (gone []string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.all) >= most {
		for k, old := range s.all {
			delete(s.all, k)
			gone = append(gone, old.GetId())
			break
		}
	}
	s.all[hash] = one
	return gone, s.fail
}

func (s *sessionStore) TouchSession(_ context.Context, hash [sha256.Size]byte, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.touches++
	if one, ok := s.all[hash]; ok {
		one.LastUseTime = timestamppb.New(at)
	}
	return s.fail
}

func (s *sessionStore) DeleteSession(_ context.Context, hash [sha256.Size]byte) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one, ok := s.all[hash]
	if !ok {
		return "", job.ErrNotFound
	}
	delete(s.all, hash)
	return one.GetId(), s.fail
}

func (s *sessionStore) Sessions(user string) ([]*storev1.Session, error) {
	return s.SessionsWhere(func(one *storev1.Session) bool { return one.GetUser() == user })
}

func (s *sessionStore) SessionsWhere(wanted func(*storev1.Session) bool) (all []*storev1.Session, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.all {
		if wanted(one) {
			all = append(all, proto.CloneOf(one))
		}
	}
	return all, s.fail
}

func (s *sessionStore) DeleteSessionByID(_ context.Context, id, user string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, one := range s.all {
		if one.GetId() == id && (user == "" || one.GetUser() == user) {
			delete(s.all, k)
			return s.fail
		}
	}
	return errors.Join(s.fail, job.ErrNotFound)
}

func (s *sessionStore) PurgeSessions(_ context.Context, ended func(*storev1.Session) bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, one := range s.all {
		if ended(one) {
			delete(s.all, k)
		}
	}
	return s.fail
}

// site is a server that browsers sign in to.
type site struct {
	*httptest.Server
	issuer   *issuer
	store    *sessionStore
	sessions *Sessions
	signIn   *SignIn
}

func newSite(t *testing.T, change func(*OIDCConfig)) *site {
	t.Helper()
	s := &site{issuer: newIssuer(t), store: newSessionStore()}
	var handler http.Handler
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(s.Close)
	o := newOIDC(t, s.issuer, func(c *OIDCConfig) {
		c.PublicURL = s.URL
		if change != nil {
			change(c)
		}
	})
	var err error
	if s.sessions, err = NewSessions(SessionsConfig{Store: s.store}); err != nil {
		t.Fatal(err)
	}
	s.signIn, err = NewSignIn(SignInConfig{OIDC: o, Sessions: s.sessions, Key: []byte(strings.Repeat("k", 32))})
	if err != nil {
		t.Fatal(err)
	}
	handler = s.signIn
	return s
}

// browser follows no redirects, so that a test sees each, and keeps cookies.
type browser struct {
	*http.Client
	t    *testing.T
	site *site
}

func (s *site) browser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{Client: &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, t: t, site: s}
	b.Transport = &http.Transport{DisableKeepAlives: true}
	return b
}

// page is an answer, read whole.
type seenPage struct {
	*http.Response
	text string
}

func (b *browser) send(method, at string, header ...string) seenPage {
	b.t.Helper()
	r, err := http.NewRequest(method, at, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := b.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return seenPage{resp, string(text)}
}

// begin goes to the issuer and answers what it is asked.
func (b *browser) begin(back string) url.Values {
	b.t.Helper()
	p := b.send(http.MethodGet, b.site.URL+LoginPath+"?"+url.Values{"return": {back}}.Encode())
	to, err := p.Location()
	if err != nil || !strings.HasPrefix(to.String(), b.site.issuer.URL+"/authorize?") {
		b.t.Fatalf("login leads to %v, %v: %d", to, err, p.StatusCode)
	}
	return to.Query()
}

// finish comes back from the issuer.
func (b *browser) finish(query url.Values) seenPage {
	b.t.Helper()
	return b.send(http.MethodGet, b.site.URL+CallbackPath+"?"+query.Encode())
}

// signIn does all of it.
func (b *browser) signIn(back string, claims map[string]any) seenPage {
	b.t.Helper()
	asked := b.begin(back)
	given := b.site.issuer.claims(map[string]any{"nonce": asked.Get("nonce")})
	maps.Copy(given, claims)
	return b.finish(url.Values{"state": {asked.Get("state")}, "code": {b.site.issuer.allow(asked, given)}})
}

// secret is what the session's cookie holds.
func (b *browser) secret() string {
	b.t.Helper()
	u, err := url.Parse(b.site.URL)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range b.Jar.Cookies(u) {
		if c.Name == SessionCookie {
			return c.Value
		}
	}
	return ""
}

func (b *browser) user() string {
	b.t.Helper()
	p, err := b.site.sessions.Principal(b.t.Context(), b.secret())
	if err != nil {
		return ""
	}
	return p.User
}

func TestABrowserSignsInAndOut(t *testing.T) {
	s := newSite(t, nil)
	b := s.browser(t)
	asked := b.begin("/jobs/42?x=1")
	for name, want := range map[string]string{"response_type": "code", "client_id": pagesClient, "code_challenge_method": "S256", "redirect_uri": s.URL + CallbackPath, "scope": "openid profile email"} {
		if asked.Get(name) != want {
			t.Errorf("the issuer is asked with %s=%q, want %q", name, asked.Get(name), want)
		}
	}
	if b.secret() != "" {
		t.Error("there is a session before anybody signed in")
	}
	code := s.issuer.allow(asked, s.issuer.claims(map[string]any{"nonce": asked.Get("nonce"), "realm_access": map[string]any{"roles": []string{"ops"}}}))
	answer := url.Values{"state": {asked.Get("state")}, "code": {code}, "iss": {s.issuer.URL}}
	p := b.finish(answer)
	if p.StatusCode != http.StatusSeeOther || p.Header.Get("Location") != "/jobs/42?x=1" {
		t.Fatalf("after it: %d to %q: %s", p.StatusCode, p.Header.Get("Location"), p.text)
	}
	for _, c := range p.Cookies() {
		if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
			t.Errorf("the cookie %s: %+v", c.Name, c)
		}
	}
	got, err := s.sessions.Principal(t.Context(), b.secret())
	if err != nil || got.User != "ada" || !got.Has(RoleOperator) || got.How != HowSession || got.TokenID == "" {
		t.Fatalf("%+v, %v", got, err)
	}
	if p := b.finish(answer); p.StatusCode != http.StatusBadRequest || !strings.Contains(p.text, "was not begun here") {
		t.Errorf("the same answer again: %d", p.StatusCode)
	}
	secret := b.secret()
	if p := b.send(http.MethodPost, s.URL+LogoutPath, "Sec-Fetch-Site", "same-origin", "Accept", "application/json"); p.StatusCode != http.StatusNoContent {
		t.Errorf("sign-out: %d", p.StatusCode)
	}
	if b.secret() != "" {
		t.Error("the cookie is still there")
	}
	_, err = s.sessions.Principal(t.Context(), secret)
	wantStatus(t, err, 16, "SESSION_ENDED")
}

func TestCookiesUnderHTTPSAreForThisHostAlone(t *testing.T) {
	s := newSite(t, func(c *OIDCConfig) { c.PublicURL = "https://gateway.example.org/stint" })
	b := s.browser(t)
	p := b.send(http.MethodGet, s.URL+LoginPath)
	c := p.Cookies()[0]
	if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || c.Path != "/" || c.Domain != "" || !c.HttpOnly {
		t.Errorf("%+v", c)
	}
	if s.signIn.SessionCookie() != SecureSessionCookie {
		t.Error(s.signIn.SessionCookie())
	}
}

func TestSignInsThatAttackersMake(t *testing.T) {
	s := newSite(t, nil)
	evil := newIssuer(t)
	for what, try := range map[string]func(b *browser) seenPage{
		"another state": func(b *browser) seenPage {
			asked := b.begin("/")
			code := s.issuer.allow(asked, s.issuer.claims(map[string]any{"nonce": asked.Get("nonce")}))
			return b.finish(url.Values{"state": {"x"}, "code": {code}})
		},
		"no state": func(b *browser) seenPage {
			asked := b.begin("/")
			return b.finish(url.Values{"code": {s.issuer.allow(asked, s.issuer.claims(map[string]any{"nonce": asked.Get("nonce")}))}})
		},
		"an answer for another browser": func(b *browser) seenPage {
			mallory := s.browser(t)
			asked := mallory.begin("/")
			return b.finish(url.Values{"state": {asked.Get("state")}, "code": {s.issuer.allow(asked, s.issuer.claims(map[string]any{"nonce": asked.Get("nonce")}))}})
		},
		"an answer for another browser, into a sign-in of one's own": func(b *browser) seenPage {
			mallory := s.browser(t)
			theirs, mine := mallory.begin("/"), b.begin("/")
			code := s.issuer.allow(theirs, s.issuer.claims(map[string]any{"nonce": theirs.Get("nonce"), "sub": "mallory"}))
			return b.finish(url.Values{"state": {mine.Get("state")}, "code": {code}}) // PKCE: the verifier is another
		},
		"another nonce":             func(b *browser) seenPage { return b.signIn("/", map[string]any{"nonce": "x"}) },
		"no nonce":                  func(b *browser) seenPage { return b.signIn("/", map[string]any{"nonce": ""}) },
		"a token of another client": func(b *browser) seenPage { return b.signIn("/", map[string]any{"aud": deviceClient}) },
		"a token given to another":  func(b *browser) seenPage { return b.signIn("/", map[string]any{"azp": "another"}) },
		"an expired token": func(b *browser) seenPage {
			return b.signIn("/", map[string]any{"exp": time.Now().Add(-time.Minute).Unix()})
		},
		"a token of another issuer": func(b *browser) seenPage { return b.signIn("/", map[string]any{"iss": evil.URL}) },
		"an answer of another issuer": func(b *browser) seenPage {
			asked := b.begin("/")
			code := s.issuer.allow(asked, s.issuer.claims(map[string]any{"nonce": asked.Get("nonce")}))
			return b.finish(url.Values{"state": {asked.Get("state")}, "code": {code}, "iss": {evil.URL}})
		},
		"a code that there is not": func(b *browser) seenPage {
			return b.finish(url.Values{"state": {b.begin("/").Get("state")}, "code": {"x"}})
		},
		"a refusal": func(b *browser) seenPage {
			return b.finish(url.Values{"state": {b.begin("/").Get("state")}, "error": {"access_denied"}, "error_description": {"<script>"}})
		},
		"a forged attempt": func(b *browser) seenPage {
			return b.send(http.MethodGet, s.URL+CallbackPath+"?state=x&code=y", "Cookie", s.signIn.attemptCookie()+"=eyJzdGF0ZSI6IngifQ")
		},
		"a name that nobody can have": func(b *browser) seenPage { return b.signIn("/", map[string]any{"sub": "a b"}) },
	} {
		b := s.browser(t)
		p := try(b)
		if p.StatusCode < 400 || b.secret() != "" || strings.Contains(p.text, "<script") {
			t.Errorf("%s: %d, session %q: %s", what, p.StatusCode, b.secret(), p.text)
		}
		if !strings.Contains(p.text, `href="/auth/login?return=%2F"`) {
			t.Errorf("%s: no way back in %s", what, p.text)
		}
	}
	if len(s.store.all) != 0 {
		t.Errorf("%d sessions began", len(s.store.all))
	}
}

// A session id that somebody planted before the sign-in is worth nothing after it.
func TestEverySignInHasANewSession(t *testing.T) {
	s := newSite(t, nil)
	b := s.browser(t)
	b.signIn("/", map[string]any{"sub": "mallory"})
	planted := b.secret()
	if p := b.signIn("/", nil); p.StatusCode != http.StatusSeeOther || b.user() != "ada" {
		t.Fatalf("%d, signed in as %q", p.StatusCode, b.user())
	}
	if b.secret() == planted {
		t.Error("the session id was kept")
	}
	if _, err := s.sessions.Principal(t.Context(), planted); err == nil {
		t.Error("the session before goes on")
	}
}

func TestTheWayBackIsOnThisServer(t *testing.T) {
	s := newSite(t, nil)
	under := newSite(t, func(c *OIDCConfig) { c.PublicURL = "https://gateway.example.org/stint/" })
	for asked, want := range map[string]string{
		"":                              "/",
		"/jobs/42?state=failed&q=a%20b": "/jobs/42?state=failed&q=a%20b",
		"/workspace/ä":                  "/workspace/%C3%A4",
		"/jobs#x":                       "/jobs",
		"jobs":                          "/",
		"https://evil.example/":         "/",
		"//evil.example/":               "/",
		"///evil.example/":              "/",
		"/\\evil.example/":              "/",
		"\\\\evil.example/":             "/",
		"/\t/evil.example/":             "/",
		"/\n/evil.example":              "/",
		" //evil.example":               "/",
		"/..//evil.example":             "/",
		"/../evil":                      "/",
		"/%2e%2e//evil.example":         "/",
		"javascript:alert(1)":           "/",
		"data:text/html,x":              "/",
		"http:/evil.example":            "/",
		"/auth/login?return=/":          "/",
		"/" + strings.Repeat("a", 3000): "/",
		"/%zz":                          "/",
	} {
		if got := s.signIn.localPath(asked); got != want {
			t.Errorf("%q leads to %q, want %q", asked, got, want)
		}
	}
	for asked, want := range map[string]string{"/stint/jobs/1": "/stint/jobs/1", "/jobs/1": "/stint/", "/stint//evil": "/stint/", "/stint": "/stint/"} {
		if got := under.signIn.localPath(asked); got != want {
			t.Errorf("below a path: %q leads to %q, want %q", asked, got, want)
		}
	}
	b := s.browser(t)
	if p := b.signIn("https://evil.example/", nil); p.Header.Get("Location") != "/" {
		t.Errorf("a browser was sent to %q", p.Header.Get("Location"))
	}
}

func TestOtherSitesCannotSignAUserOut(t *testing.T) {
	s := newSite(t, nil)
	b := s.browser(t)
	b.signIn("/", nil)
	for what, header := range map[string][]string{
		"a form of another site":        {"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"},
		"a form of a neighbour":         {"Sec-Fetch-Site", "same-site", "Origin", "https://other.example.org"},
		"an old browser's form":         {"Origin", "https://evil.example"},
		"an origin that is hidden":      {"Origin", "null"},
		"a cookie without an origin":    {},
		"a link in a program":           {"Sec-Fetch-Site", "none"},
		"the host with another port":    {"Origin", "http://127.0.0.1:1"},
		"what only looks like this one": {"Origin", s.URL + ".evil.example"},
	} {
		p := b.send(http.MethodPost, s.URL+LogoutPath, header...)
		if p.StatusCode != http.StatusForbidden || !strings.Contains(p.text, "still signed in") || b.user() != "ada" {
			t.Errorf("%s: %d, now %q", what, p.StatusCode, b.user())
		}
	}
	if p := b.send(http.MethodGet, s.URL+LogoutPath, "Sec-Fetch-Site", "same-origin"); p.StatusCode < 400 || b.user() != "ada" {
		t.Errorf("GET signs out: %d", p.StatusCode)
	}
	if p := b.send(http.MethodPost, s.URL+LogoutPath, "Origin", s.URL); p.StatusCode != http.StatusSeeOther || p.Header.Get("Location") != "/" || b.user() != "" {
		t.Errorf("an old browser's own form: %d to %q, now %q", p.StatusCode, p.Header.Get("Location"), b.user())
	}
}

func TestClaimsThatTheTokenDoesNotHaveAreAskedFor(t *testing.T) {
	for what, c := range map[string]struct {
		more map[string]any
		user string
	}{
		"the name is there":            {map[string]any{"sub": "1234", "nick": "ada"}, "ada"},
		"they are about somebody else": {map[string]any{"sub": "9999", "nick": "eve"}, ""},
		"it is not there either":       {map[string]any{"sub": "1234"}, ""},
	} {
		s := newSite(t, func(o *OIDCConfig) { o.UsernameClaim = "nick" })
		s.issuer.more = c.more
		if err := s.signIn.oidc.discover(t.Context()); err != nil { // now it says that there is more
			t.Fatal(err)
		}
		b := s.browser(t)
		b.signIn("/", map[string]any{"sub": "1234"})
		if b.user() != c.user {
			t.Errorf("%s: signed in as %q, want %q", what, b.user(), c.user)
		}
	}
}

// The groups of a browser's user are those of their sign-in, whichever way the issuer tells them.
func TestASessionHasTheGroupsOfItsUser(t *testing.T) {
	for what, c := range map[string]struct{ token, more map[string]any }{
		"in the token":    {map[string]any{"groups": []string{"genomics", "staff"}}, nil},
		"asked for":       {nil, map[string]any{"sub": "ada", "groups": []string{"staff", "genomics"}}},
		"as a single one": {map[string]any{"groups": "genomics"}, map[string]any{"sub": "ada", "groups": "others"}},
	} {
		s := newSite(t, func(o *OIDCConfig) { o.GroupsClaim, o.Groups = "groups", []string{"genomics", "others"} })
		s.issuer.more = c.more
		if err := s.signIn.oidc.discover(t.Context()); err != nil {
			t.Fatal(err)
		}
		b := s.browser(t)
		b.signIn("/", c.token)
		p, err := s.sessions.Principal(t.Context(), b.secret())
		if err != nil || !slices.Equal(p.Groups, []string{"genomics"}) {
			t.Errorf("%s: %+v, %v", what, p, err)
		}
		if err := p.actFor([]string{"bob"}); err == nil || len(p.Groups) == 0 {
			t.Errorf("%s: somebody without the role acts for others", what)
		}
		p.Roles = []Role{RoleUser, RoleService}
		if err := p.actFor([]string{"bob"}); err != nil || len(p.Groups) != 0 {
			t.Errorf("%s: for bob with the groups %q, %v", what, p.Groups, err)
		}
	}
}

func TestWithoutAnIssuerThePageSaysSo(t *testing.T) {
	s := newSite(t, nil)
	s.signIn.oidc.provider, s.signIn.oidc.verifier = nil, nil
	b := s.browser(t)
	p := b.send(http.MethodGet, s.URL+LoginPath+"?return=/jobs")
	if p.StatusCode != http.StatusServiceUnavailable || p.Header.Get("Retry-After") == "" || !strings.Contains(p.text, "Try again in a moment") {
		t.Errorf("%d: %s", p.StatusCode, p.text)
	}
	if got := p.Header.Get("Content-Security-Policy"); got != pagePolicy || strings.Contains(p.text, "<style") || strings.Contains(p.text, "style=") {
		t.Errorf("policy %q of %s", got, p.text)
	}
	p = b.send(http.MethodGet, s.URL+LoginPath, "Accept", "application/json")
	if p.Header.Get("Content-Type") != "application/json" || !strings.Contains(p.text, `"reason":"ISSUER_UNAVAILABLE"`) {
		t.Errorf("%s", p.text)
	}
	if p := b.send(http.MethodGet, s.URL+"/auth/page.css"); p.StatusCode != http.StatusOK || !strings.HasPrefix(p.Header.Get("Content-Type"), "text/css") {
		t.Errorf("the style: %d", p.StatusCode)
	}
}
