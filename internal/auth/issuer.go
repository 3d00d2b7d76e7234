package auth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/stint-jobs/stint/internal/job"
)

// OIDCConfig says which issuer of OpenID Connect is believed, and what its words mean here.
type OIDCConfig struct {
	// Issuer is its URL, exactly as its tokens name it. Required; https but for this machine.
	Issuer string
	// ClientID is the client that the pages sign in by. Empty means that browsers cannot sign in.
	ClientID string
	// ClientSecret is the client's secret. Empty for a public client.
	ClientSecret string
	// DeviceClientID is the public client of `stint login`. Empty means that there is none.
	DeviceClientID string
	// Audiences are further audiences whose tokens are taken, besides the two clients.
	Audiences []string
	// UsernameClaim is the claim that names the user. Empty means `sub`.
	UsernameClaim string
	// RolesClaim is the claim that says what the user is, with dots between its parts. Empty gives nobody a role.
	RolesClaim string
	// Roles are the roles that values of RolesClaim stand for.
	Roles map[string]Role
	// GroupsClaim is the claim that says which groups the user is in, with dots between its parts. Empty means that
	// no groups are known.
	GroupsClaim string
	// Groups are those that matter here; others are not kept, however many a user is in.
	Groups []string
	// Scopes are asked of the issuer. Empty means openid, profile and email.
	Scopes []string
	// PublicURL is the address of this server as browsers see it, with its path. Required with ClientID.
	PublicURL string
	// CAFile names a PEM file with the authorities that the issuer's certificate is checked against. Empty means the system's.
	CAFile string
	// Logger is told when the issuer cannot be reached. Nil discards it.
	Logger *slog.Logger
}

func (c OIDCConfig) withDefaults() OIDCConfig {
	if c.UsernameClaim == "" {
		c.UsernameClaim = "sub"
	}
	if len(c.Scopes) == 0 {
		c.Scopes = []string{oidc.ScopeOpenID, "profile", "email"}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// check finds what is wrong with the configuration. Mistakes name the key of the configuration file.
func (c OIDCConfig) check() error {
	var errs []error
	if err := checkURL(c.Issuer); err != nil {
		errs = append(errs, fmt.Errorf("issuer: %w", err))
	}
	if c.ClientID == "" && c.DeviceClientID == "" && len(c.Audiences) == 0 {
		errs = append(errs, errors.New("client-id, device-client-id or audiences must be given: otherwise no token is for this server"))
	}
	if c.ClientID != "" {
		if err := checkURL(c.PublicURL); err != nil {
			errs = append(errs, fmt.Errorf("public-url: %w", err))
		}
	}
	if len(c.Scopes) > 0 && !slices.Contains(c.Scopes, oidc.ScopeOpenID) {
		errs = append(errs, errors.New("scopes: openid must be among them"))
	}
	for value, role := range c.Roles {
		if role != RoleUser && !slices.Contains(grantable, role) {
			errs = append(errs, fmt.Errorf("roles: %s: %q is no role; there are operator, auditor and service", value, string(role)))
		}
	}
	if len(c.Roles) > 0 && c.RolesClaim == "" {
		errs = append(errs, errors.New("roles-claim must be given with roles"))
	}
	if len(c.Groups) > 0 && c.GroupsClaim == "" {
		errs = append(errs, errors.New("groups-claim must be given where the rules `allow` of a cluster name groups"))
	}
	return errors.Join(errs...)
}

// checkURL wants an absolute URL, encrypted unless it is of this machine.
func checkURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case text == "":
		return errors.New("must be given")
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("%q is no URL such as https://id.example.org", text)
	case u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return fmt.Errorf("%q has more than scheme, host and path", text)
	case u.Scheme == "http" && !Loopback(net.JoinHostPort(u.Hostname(), "0")):
		return fmt.Errorf("%q must be https: what is said there decides who gets in", text)
	}
	return nil
}

const (
	// issuerTimeout bounds one request to the issuer.
	issuerTimeout = 10 * time.Second
	// retryLeast and retryMost bound the wait between two tries to find the issuer.
	retryLeast, retryMost = time.Second, time.Minute
)

// OIDC believes one issuer of OpenID Connect: it checks the issuer's tokens, and signs browsers in by it.
// Its methods may be called from several goroutines.
type OIDC struct {
	cfg    OIDCConfig
	client *http.Client
	keys   *calmTransport
	wait   func(context.Context, time.Duration) error
	seen   jwtCache

	mu       sync.Mutex
	provider *oidc.Provider
	verifier *oidc.IDTokenVerifier
	keySet   *keySet
}

// NewOIDC checks the configuration. Until Run has found the issuer nobody is signed in by it.
func NewOIDC(cfg OIDCConfig) (*OIDC, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	base, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return nil, errors.New("the default transport is no *http.Transport")
	}
	base = base.Clone()
	if cfg.CAFile != "" {
		pem, err := os.ReadFile(cfg.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ca-file: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca-file: %s holds no certificate in PEM form", cfg.CAFile)
		}
		base.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	keys := &calmTransport{base: base, now: time.Now}
	return &OIDC{cfg: cfg.withDefaults(), client: clientOf(keys), keys: keys, wait: waitFor, seen: newJWTCache()}, nil
}

// Run finds the issuer, and tries until it answers: a server starts without it.
func (o *OIDC) Run(ctx context.Context) error {
	defer o.client.CloseIdleConnections()
	for wait := retryLeast; ; wait = min(2*wait, retryMost) {
		err := o.discover(ctx)
		if err == nil {
			o.cfg.Logger.Info("users can sign in", "issuer", o.cfg.Issuer)
			o.keepKeys(ctx)
			return nil
		}
		if ctx.Err() != nil {
			return nil
		}
		o.cfg.Logger.Warn("the issuer cannot be reached; nobody can sign in by it", "issuer", o.cfg.Issuer, "error", err, "next_try", wait.String())
		if o.wait(ctx, wait) != nil {
			return nil
		}
	}
}

// keepKeys looks at the issuer's keys again and again, until ctx ends.
func (o *OIDC) keepKeys(ctx context.Context) {
	o.mu.Lock()
	keys := o.keySet
	o.mu.Unlock()
	for o.wait(ctx, keysFor) == nil {
		if err := keys.look(ctx); err != nil && ctx.Err() == nil {
			o.cfg.Logger.Warn("the issuer's keys cannot be looked at; those that are known are still taken", "issuer", o.cfg.Issuer, "error", err)
		}
	}
}

// discover reads what the issuer says of itself.
func (o *OIDC) discover(ctx context.Context) error {
	ctx = oidc.ClientContext(ctx, o.client)
	p, err := oidc.NewProvider(ctx, o.cfg.Issuer)
	if err != nil {
		return err
	}
	var said struct {
		Keys string `json:"jwks_uri"`
	}
	if err := p.Claims(&said); err != nil {
		return err
	}
	for name, address := range map[string]string{"jwks_uri": said.Keys, "token_endpoint": p.Endpoint().TokenURL} {
		if err := checkURL(address); err != nil {
			return fmt.Errorf("%s of the issuer: %w", name, err)
		}
	}
	keys := &keySet{remote: oidc.NewRemoteKeySet(ctx, said.Keys)}
	o.keys.calm(said.Keys)
	v := oidc.NewVerifier(o.cfg.Issuer, keys, &oidc.Config{SupportedSigningAlgs: algorithms, SkipClientIDCheck: true})
	o.mu.Lock()
	defer o.mu.Unlock()
	o.provider, o.verifier, o.keySet = p, v, keys
	return nil
}

// issuer is what discover found; nil before.
func (o *OIDC) issuer() (*oidc.Provider, *oidc.IDTokenVerifier) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.provider, o.verifier
}

// clients are the clients of the issuer that are this server's own.
func (o *OIDC) clients() []string {
	return slices.DeleteFunc([]string{o.cfg.ClientID, o.cfg.DeviceClientID}, func(id string) bool { return id == "" })
}

// Options are what callers are told of how to sign in: issuer, client of the device flow, scopes.
func (o *OIDC) Options() (issuer, deviceClient string, scopes []string) {
	return o.cfg.Issuer, o.cfg.DeviceClientID, slices.Clone(o.cfg.Scopes)
}

// identity is what a token's claims say of a user.
type identity struct {
	user   string
	roles  []Role
	groups []string
}

// identify returns whom a token's claims are about.
func (o *OIDC) identify(c claims) (identity, error) {
	user, ok := c.text(o.cfg.UsernameClaim)
	if !ok || !job.ValidOwner(user) {
		return identity{}, fmt.Errorf("claim %s: %w", o.cfg.UsernameClaim, errUserName)
	}
	// Whoever may type an address into their profile would otherwise be whom they like.
	if verified, _ := c["email_verified"].(bool); o.cfg.UsernameClaim == "email" && !verified {
		return identity{}, errUnverified
	}
	roles := []Role{RoleUser}
	for _, value := range c.list(o.cfg.RolesClaim) {
		if r, ok := o.cfg.Roles[value]; ok && !slices.Contains(roles, r) {
			roles = append(roles, r)
		}
	}
	return identity{user: user, roles: roles, groups: o.groupsOf(c)}, nil
}

// groupsOf are the groups of a user that something here depends on.
func (o *OIDC) groupsOf(c claims) []string {
	return slices.DeleteFunc(c.list(o.cfg.GroupsClaim), func(g string) bool { return !slices.Contains(o.cfg.Groups, g) })
}

// claims are what a token says.
type claims map[string]any

// text is a claim that is one text.
func (c claims) text(name string) (string, bool) {
	s, ok := c.at(name).(string)
	return s, ok
}

// list is a claim that is one text or several.
func (c claims) list(name string) []string {
	switch v := c.at(name).(type) {
	case string:
		return []string{v}
	case []any:
		var all []string
		for _, one := range v {
			if s, ok := one.(string); ok {
				all = append(all, s)
			}
		}
		return all
	default:
		return nil
	}
}

// at finds a claim by its name, or by the names that lead to it: realm_access.roles.
func (c claims) at(name string) any {
	if v, ok := c[name]; ok || name == "" {
		return v
	}
	var at any = map[string]any(c)
	for part := range strings.SplitSeq(name, ".") {
		m, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = m[part]
	}
	return at
}

func waitFor(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
