package auth

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	pagesClient  = "stint-pages"
	deviceClient = "stint-cli"
)

// testKey is made once: RSA keys take their time.
var testKey = sync.OnceValue(func() *rsa.PrivateKey { return newKey() })

func newKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
}

// issuer is a small issuer of OpenID Connect that also makes tokens that no issuer should.
type issuer struct {
	*httptest.Server

	mu      sync.Mutex
	keys    map[string]*rsa.PrivateKey // by kid
	fetches int                        // of the keys
	down    bool
	codes   map[string]grant
	// more is what userinfo adds; nil has no such endpoint.
	more map[string]any
}

// grant is what a code stands for.
type grant struct {
	challenge string
	claims    map[string]any
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{keys: map[string]*rsa.PrivateKey{"k1": testKey()}, codes: map[string]grant{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", i.discovery)
	mux.HandleFunc("GET /keys", i.jwks)
	mux.HandleFunc("POST /token", i.token)
	mux.HandleFunc("GET /userinfo", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, i.more) })
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	return i
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}

func (i *issuer) discovery(w http.ResponseWriter, _ *http.Request) {
	i.mu.Lock()
	down, more := i.down, i.more
	i.mu.Unlock()
	if down {
		http.Error(w, "down", http.StatusBadGateway)
		return
	}
	said := map[string]any{
		"issuer": i.URL, "authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token", "jwks_uri": i.URL + "/keys",
		// An issuer that offers them, or somebody in between, changes nothing of what is believed.
		"id_token_signing_alg_values_supported": []string{"none", "HS256", "RS256"},
	}
	if more != nil {
		said["userinfo_endpoint"] = i.URL + "/userinfo"
	}
	answer(w, http.StatusOK, said)
}

func (i *issuer) jwks(w http.ResponseWriter, _ *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.fetches++
	if i.down {
		http.Error(w, "down", http.StatusBadGateway)
		return
	}
	var set jose.JSONWebKeySet
	for kid, key := range i.keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: key.Public(), KeyID: kid, Algorithm: "RS256", Use: "sig"})
	}
	answer(w, http.StatusOK, set)
}

// token takes each code once, with the right verifier.
func (i *issuer) token(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	g, ok := i.codes[r.FormValue("code")]
	delete(i.codes, r.FormValue("code"))
	sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	if !ok || base64.RawURLEncoding.EncodeToString(sum[:]) != g.challenge {
		answer(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant"})
		return
	}
	answer(w, http.StatusOK, map[string]any{"access_token": "opaque", "token_type": "Bearer", "id_token": i.sign(g.claims)})
}

// allow lets a browser through that came with the query of the authorization endpoint, and answers the code for it.
func (i *issuer) allow(query url.Values, claims map[string]any) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	code := randomText()
	i.codes[code] = grant{challenge: query.Get("code_challenge"), claims: claims}
	return code
}

// claims are those of a good token for the pages' client, changed as asked.
func (i *issuer) claims(change map[string]any) map[string]any {
	now := time.Now()
	c := map[string]any{
		"iss": i.URL, "sub": "ada", "aud": pagesClient, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	for name, value := range change {
		if value == nil {
			delete(c, name)
			continue
		}
		c[name] = value
	}
	return c
}

// sign makes a token with the issuer's own key.
func (i *issuer) sign(claims map[string]any) string {
	return signWith(jose.RS256, testKey(), "k1", claims)
}

func signWith(alg jose.SignatureAlgorithm, key any, kid string, claims map[string]any) string {
	options := (&jose.SignerOptions{}).WithType("JWT")
	if kid != "" {
		options = options.WithHeader("kid", kid)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, options)
	if err != nil {
		panic(err)
	}
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		panic(err)
	}
	return text
}

// newOIDC believes the issuer, which it has found.
func newOIDC(t *testing.T, i *issuer, change func(*OIDCConfig)) *OIDC {
	t.Helper()
	cfg := OIDCConfig{
		Issuer: i.URL, ClientID: pagesClient, DeviceClientID: deviceClient, Audiences: []string{"https://stint.example.org"},
		PublicURL: "http://127.0.0.1:8421", RolesClaim: "realm_access.roles", Roles: map[string]Role{"ops": RoleOperator, "eyes": RoleAuditor},
	}
	if change != nil {
		change(&cfg)
	}
	o, err := NewOIDC(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.client.CloseIdleConnections)
	if err := o.discover(t.Context()); err != nil {
		t.Fatal(err)
	}
	return o
}

// lines are those of a log, as they come.
type lines chan string

// Write takes one line.
func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

// A server starts without its issuer, says so, and finds it when it is there.
func TestTheIssuerMayComeLater(t *testing.T) {
	i := newIssuer(t)
	i.down = true
	told := make(lines, 20)
	o, err := NewOIDC(OIDCConfig{Issuer: i.URL, DeviceClientID: deviceClient, Logger: slog.New(slog.NewTextHandler(told, nil))})
	if err != nil {
		t.Fatal(err)
	}
	var waits []time.Duration
	o.wait = func(ctx context.Context, d time.Duration) error {
		if d == keysFor {
			return waitFor(ctx, d)
		}
		waits = append(waits, d)
		if _, err := o.Principal(t.Context(), i.sign(i.claims(map[string]any{"aud": deviceClient}))); err == nil {
			t.Error("a token was taken before the issuer was found")
		} else {
			wantStatus(t, err, 14, "ISSUER_UNAVAILABLE")
		}
		if len(waits) == 9 {
			i.mu.Lock()
			i.down = false
			i.mu.Unlock()
		}
		return nil
	}
	ctx, stop := context.WithCancel(t.Context())
	found := make(chan error, 1)
	go func() { found <- o.Run(ctx) }()
	for range 9 {
		if line := <-told; !strings.Contains(line, "cannot be reached") || !strings.Contains(line, i.URL) {
			t.Errorf("the log says %s", line)
		}
	}
	if line := <-told; !strings.Contains(line, "users can sign in") {
		t.Errorf("the log says %s", line)
	}
	if _, err := o.Principal(t.Context(), i.sign(i.claims(map[string]any{"aud": deviceClient}))); err != nil {
		t.Errorf("after it was found: %v", err)
	}
	stop()
	if err := <-found; err != nil {
		t.Error(err)
	}
	if len(waits) != 9 || waits[0] != time.Second || waits[8] != time.Minute {
		t.Errorf("waits %v, want to grow from 1 s to 1 min", waits)
	}
}

func TestConfigurationsThatLetTheWrongPeopleInAreRefused(t *testing.T) {
	good := OIDCConfig{Issuer: "https://id.example.org", ClientID: "a", PublicURL: "https://stint.example.org/x"}
	if _, err := NewOIDC(good); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(*OIDCConfig){
		"no issuer":            func(c *OIDCConfig) { c.Issuer = "" },
		"plain issuer":         func(c *OIDCConfig) { c.Issuer = "http://id.example.org" },
		"issuer with query":    func(c *OIDCConfig) { c.Issuer = "https://id.example.org/?a=b" },
		"no client":            func(c *OIDCConfig) { c.ClientID = "" },
		"no public URL":        func(c *OIDCConfig) { c.PublicURL = "" },
		"plain public URL":     func(c *OIDCConfig) { c.PublicURL = "http://stint.example.org" },
		"scopes without one":   func(c *OIDCConfig) { c.Scopes = []string{"profile"} },
		"unknown role":         func(c *OIDCConfig) { c.RolesClaim, c.Roles = "groups", map[string]Role{"x": "root"} },
		"groups of no claim":   func(c *OIDCConfig) { c.Groups = []string{"genomics"} },
		"a job's role":         func(c *OIDCConfig) { c.RolesClaim, c.Roles = "groups", map[string]Role{"x": RoleJob} },
		"roles without claim":  func(c *OIDCConfig) { c.Roles = map[string]Role{"x": RoleOperator} },
		"authorities are gone": func(c *OIDCConfig) { c.CAFile = "/nonexistent" },
	} {
		c := good
		change(&c)
		if _, err := NewOIDC(c); err == nil {
			t.Errorf("%s: taken", what)
		}
	}
}

// The words of go-oidc decide whether a token or the way to the issuer is bad.
func TestABadSignatureIsNotAnIssuerThatIsAway(t *testing.T) {
	i := newIssuer(t)
	o := newOIDC(t, i, nil)
	forged := signWith(jose.RS256, newKey(), "k1", i.claims(nil))
	_, err := o.Principal(t.Context(), forged)
	wantStatus(t, err, 16, "TOKEN_NOT_GENUINE")
	if !errors.Is(err, errForged) {
		t.Error(err)
	}
	i.mu.Lock()
	i.down = true
	i.mu.Unlock()
	o = newOIDCDown(t, o)
	_, err = o.Principal(t.Context(), i.sign(i.claims(nil)))
	wantStatus(t, err, 14, "ISSUER_UNAVAILABLE")
}

// newOIDCDown has found the issuer, and none of its keys yet.
func newOIDCDown(t *testing.T, o *OIDC) *OIDC {
	t.Helper()
	fresh, err := NewOIDC(o.cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fresh.client.CloseIdleConnections)
	p, _ := o.issuer()
	fresh.provider = p
	fresh.verifier = verifierOf(t, fresh, o.cfg.Issuer+"/keys")
	return fresh
}
