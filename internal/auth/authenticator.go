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

	storev1 "github.com/stint-jobs/stint/gen/stint/store/v1"
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
	// Job answers which job has the token of that text in its command's environment. Nil takes none.
	Job func(ctx context.Context, text string) (Principal, error)
}

// Authenticator finds out who calls.
type Authenticator struct {
	cfg   Config
	local *Principal // who calls without credentials; nil when nobody may

	mu       sync.Mutex
	verified map[[sha256.Size]byte]verified
	uses     map[[sha256.Size]byte]time.Time // minutes of uses that are not stored yet
	revoked  map[string]time.Time            // ids of credentials revoked of late
	guards   map[string]map[*guard]struct{}

	certificates Certificates
}

// verified is a token that the store knew.
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
		verified: make(map[[sha256.Size]byte]verified),
		uses:     make(map[[sha256.Size]byte]time.Time),
		revoked:  make(map[string]time.Time),
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

// Authenticate finds out who makes the gRPC call of ctx, by its connection and
// its metadata. A refusal is an error with a gRPC status.
func (a *Authenticator) Authenticate(ctx context.Context) (Principal, error) {
	return a.Identify(ctx, credentialsOfCall(ctx))
}

// AuthenticateRequest is Authenticate for handlers that answer HTTP without gRPC.
func (a *Authenticator) AuthenticateRequest(r *http.Request) (Principal, error) {
	return a.Identify(r.Context(), credentialsOfRequest(r, a.cfg.SessionCookie))
}

// Identify finds out who calls. Bad credentials are refused also where none are needed.
func (a *Authenticator) Identify(ctx context.Context, c Credentials) (Principal, error) {
	p, err := a.identify(ctx, c)
	switch {
	case err != nil:
		return Principal{}, asRefusal(err)
	case !p.Expires.IsZero() && !time.Now().Before(p.Expires):
		return Principal{}, refuse(expired(p.How))
	case a.isRevoked(p.TokenID):
		return Principal{}, refuse(revoked(p.How))
	}
	p.Address = c.Address
	return p.actFor(c.ActFor)
}

// identify is the one place that decides which of the credentials count: what a
// caller says with the call goes before what their connection or browser says by itself.
func (a *Authenticator) identify(ctx context.Context, c Credentials) (Principal, error) {
	switch {
	case c.Socket:
		return LocalAdmin(), nil
	case len(c.Authorization) > 0:
		return a.bearer(ctx, c.Authorization)
	case c.Session != "" && a.cfg.Session != nil:
		return a.cfg.Session(ctx, c.Session)
	case c.Certificate != nil:
		return a.certificate(c.Certificate)
	case a.local != nil:
		return *a.local, nil
	default:
		return Principal{}, errNoCredentials
	}
}

// bearer finds out whose the text of a bearer is, by its form.
func (a *Authenticator) bearer(ctx context.Context, values []string) (Principal, error) {
	scheme, text, _ := strings.Cut(values[0], " ")
	if len(values) > 1 || !strings.EqualFold(scheme, "Bearer") {
		return Principal{}, errScheme
	}
	switch text = strings.TrimSpace(text); {
	case strings.HasPrefix(text, jobTokenPrefix) && a.cfg.Job != nil:
		return a.cfg.Job(ctx, text)
	case strings.Count(text, ".") == 2 && a.cfg.JWT != nil:
		return a.cfg.JWT(ctx, text)
	}
	id, err := ParseSecret(text)
	if err != nil { // does not reach the store, however many come
		return Principal{}, errMalformed
	}
	return a.verify(Hash(text), id)
}

// verify answers the principal of a token, expired or not.
func (a *Authenticator) verify(hash [sha256.Size]byte, id string) (Principal, error) {
	if p, ok := a.remembered(hash); ok {
		return p, nil
	}
	t, err := a.cfg.Tokens.Token(hash)
	if errors.Is(err, job.ErrNotFound) || err == nil && t.GetId() != id {
		return Principal{}, errUnknown
	}
	if err != nil {
		return Principal{}, fmt.Errorf("%w: %w", errUnavailable, err)
	}
	p := principalOf(t)
	a.remember(hash, verified{principal: p, at: time.Now(), used: t.GetLastUseTime().AsTime()})
	return p, nil
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

func (a *Authenticator) remembered(hash [sha256.Size]byte) (Principal, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	v, ok := a.verified[hash]
	if !ok || time.Since(v.at) > verifiedFor {
		return Principal{}, false
	}
	a.noteUse(hash, v)
	return v.principal, true
}

// remember keeps a verified token, unless it was revoked while the store was asked.
func (a *Authenticator) remember(hash [sha256.Size]byte, v verified) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, gone := a.revoked[v.principal.TokenID]; gone {
		return
	}
	if len(a.verified) >= verifiedMost {
		for one := range a.verified { // any of them; the store is quick enough for the rest
			delete(a.verified, one)
			break
		}
	}
	a.verified[hash] = v
	if v.principal.Expires.IsZero() || time.Now().Before(v.principal.Expires) {
		a.noteUse(hash, v)
	}
}
