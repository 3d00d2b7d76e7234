package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

const (
	// verifiedMost bounds the verified tokens in memory.
	verifiedMost = 4096
	// verifiedFor is how long a token is believed before the store is asked again.
	verifiedFor = time.Minute
)

// Config is what an Authenticator needs.
type Config struct {
	// Mode is ModeDev or ModeToken, as Mode.Resolve answers it. Zero means ModeToken.
	Mode Mode
	// Tokens has the API tokens. Required.
	Tokens TokenStore
	// Certificates are whom client certificates stand for; see SetCertificates, too.
	Certificates Certificates
	// LocalUser is who calls without credentials in development mode. Empty means LocalUser().
	LocalUser string

	// JWT answers whose a JSON web token is. Nil takes none. Like the two below it
	// may be called from several goroutines, and its refusals are errors with a gRPC status.
	JWT func(ctx context.Context, text string) (Principal, error)
	// Session answers whose browser has a session's secret. Nil takes none.
	Session func(ctx context.Context, secret string) (Principal, error)
	// SessionCookie is the name of the cookie that holds that secret: SecureSessionCookie
	// where browsers come by TLS. Empty means SessionCookie.
	SessionCookie string
	// Users returns whether a user is disabled, and until when what the issuer signed for them is refused. It reads memory
	// alone. Nil refuses no user.
	Users func(user string) (disabled bool, signedOut time.Time)
	// Job answers which job has the token of that text in its command's environment. Nil takes none.
	Job func(ctx context.Context, text string) (Principal, error)
}

// Authenticator finds out who calls.
type Authenticator struct {
	cfg   Config
	local *Principal // who calls without credentials; nil when nobody may

	mu       sync.Mutex
	verified map[[sha256.Size]byte]*verified
	uses     map[[sha256.Size]byte]time.Time // minutes of uses that are not stored yet
	hashes   map[string][sha256.Size]byte    // where in verified a token is, by its public id
	revoked  revokedIDs
	guards   map[string]map[*guard]struct{}

	certificates Certificates
}

// verified is a token that the store knew. Authenticator.mu is held by who touches used.
type verified struct {
	principal Principal
	at        time.Time
	used      time.Time // the last minute of use that was noted
}

// New makes an Authenticator.
func New(cfg Config) (*Authenticator, error) {
	if cfg.SessionCookie == "" {
		cfg.SessionCookie = SessionCookie
	}
	a := &Authenticator{
		cfg:      cfg,
		verified: make(map[[sha256.Size]byte]*verified),
		uses:     make(map[[sha256.Size]byte]time.Time),
		hashes:   make(map[string][sha256.Size]byte),
		guards:   make(map[string]map[*guard]struct{}),

		certificates: cfg.Certificates,
	}
	switch {
	case cfg.Tokens == nil:
		return nil, errors.New("auth: Tokens is required")
	case cfg.Mode == ModeDev:
		if cfg.LocalUser == "" {
			cfg.LocalUser = LocalUser()
		}
		a.local = &Principal{User: cfg.LocalUser, Roles: []Role{RoleUser, RoleOperator}, How: HowDev}
	case cfg.Mode != ModeToken && cfg.Mode != "":
		return nil, fmt.Errorf("auth: mode %q was not resolved", cfg.Mode)
	}
	return a, nil
}

// AuthenticateRequest finds out who sent a request, for handlers that answer HTTP without gRPC.
func (a *Authenticator) AuthenticateRequest(r *http.Request) (Principal, error) {
	return a.Identify(r.Context(), credentialsOfRequest(r, a.cfg.SessionCookie))
}

// Identify finds out who calls. Bad credentials are refused also where none are needed.
// A refusal is an error with a gRPC status.
func (a *Authenticator) Identify(ctx context.Context, c Credentials) (Principal, error) {
	var p Principal
	if err := a.find(ctx, &c, &p); err != nil {
		return Principal{}, err
	}
	return p, nil
}

// find is Identify for a principal to be filled in. Here and below it is one for all functions: as the value of each
// it would be some copies on the stack of each, with which a call needs twice the stack that Go gives it.
func (a *Authenticator) find(ctx context.Context, c *Credentials, p *Principal) error {
	return a.complete(a.identify(ctx, c, p), c, p)
}

// complete checks what holds for credentials of all kinds once they were identified, or gives the error of that its form.
func (a *Authenticator) complete(err error, c *Credentials, p *Principal) error {
	switch {
	case err != nil:
		return asRefusal(err)
	case !p.Expires.IsZero() && !time.Now().Before(p.Expires):
		return refuse(expired(p.How))
	case a.isRevoked(p.TokenID):
		return refuse(revoked(p.How))
	}
	p.Address = c.Address
	if err := p.actFor(c.ActFor); err != nil {
		return err
	}
	if err := a.standing(p); err != nil {
		return refuse(err)
	}
	return nil
}

// identify is the one place that decides which of the credentials count: what a
// caller says with the call goes before what their connection or browser says by itself.
func (a *Authenticator) identify(ctx context.Context, c *Credentials, p *Principal) (err error) {
	switch {
	case c.Socket:
		*p = LocalAdmin()
	case len(c.Authorization) > 0:
		err = a.bearer(ctx, c.Authorization, p)
	case c.Session != "" && a.cfg.Session != nil:
		*p, err = a.cfg.Session(ctx, c.Session)
	case c.Certificate != nil:
		*p, err = a.certificate(c.Certificate)
	case a.local != nil:
		*p = *a.local
	default:
		err = errNoCredentials
	}
	return err
}

// bearer finds out whose the text of a bearer is, by its form.
func (a *Authenticator) bearer(ctx context.Context, values []string, p *Principal) (err error) {
	text, err := bearerText(values)
	if err != nil {
		return err
	}
	switch {
	case strings.HasPrefix(text, jobTokenPrefix) && a.cfg.Job != nil:
		*p, err = a.cfg.Job(ctx, text)
		return err
	case strings.Count(text, ".") == 2 && a.cfg.JWT != nil:
		*p, err = a.cfg.JWT(ctx, text)
		return err
	}
	if len(text) != tokenLength {
		return errMalformed
	}
	hash := Hash(text)
	if a.remembered(&hash, p) { // and thus has the form of a token
		return nil
	}
	id, err := ParseSecret(text)
	if err != nil { // does not reach the store, however many come
		return errMalformed
	}
	return a.verify(hash, id, p)
}

// bearerText is the text of a bearer in the values of Authorization.
func bearerText(values []string) (string, error) {
	scheme, text, _ := strings.Cut(values[0], " ")
	if len(values) > 1 || !strings.EqualFold(scheme, "Bearer") {
		return "", errScheme
	}
	return strings.TrimSpace(text), nil
}

// verify asks the store for the principal of a token, expired or not.
func (a *Authenticator) verify(hash [sha256.Size]byte, id string, p *Principal) error {
	t, err := a.cfg.Tokens.Token(hash)
	if errors.Is(err, job.ErrNotFound) || err == nil && t.GetId() != id {
		return errUnknown
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errUnavailable, err)
	}
	*p = principalOf(t)
	a.remember(hash, &verified{principal: *p, at: time.Now(), used: t.GetLastUseTime().AsTime()})
	return nil
}

func principalOf(t *storev1.Token) Principal {
	p := Principal{User: t.GetUser(), Roles: []Role{RoleUser}, How: HowToken, TokenID: t.GetId()}
	for _, s := range t.GetScopes() {
		p.Scopes = append(p.Scopes, Scope(s))
	}
	for _, r := range t.GetRoles() {
		p.Roles = append(p.Roles, Role(r)) // one that this version does not know allows nothing
	}
	if t.GetExpireTime() != nil {
		p.Expires = t.GetExpireTime().AsTime()
	}
	return p
}

// remembered answers the principal of a token that was verified of late.
func (a *Authenticator) remembered(hash *[sha256.Size]byte, p *Principal) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	v := a.verified[*hash]
	if v == nil || time.Since(v.at) > verifiedFor {
		return false
	}
	a.noteUse(*hash, v)
	*p = v.principal
	return true
}

// remember keeps a verified token, unless it was revoked while the store was asked.
func (a *Authenticator) remember(hash [sha256.Size]byte, v *verified) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.revoked.has(v.principal.TokenID) {
		return
	}
	if len(a.verified) >= verifiedMost {
		for one := range a.verified { // any of them; the store is quick enough for the rest
			a.forget(one)
			break
		}
	}
	a.verified[hash], a.hashes[v.principal.TokenID] = v, hash
	if v.principal.Expires.IsZero() || time.Now().Before(v.principal.Expires) {
		a.noteUse(hash, v)
	}
}

// forget drops a verified token. a.mu is held.
func (a *Authenticator) forget(hash [sha256.Size]byte) {
	if v := a.verified[hash]; v != nil {
		delete(a.hashes, v.principal.TokenID)
		delete(a.verified, hash)
	}
}
