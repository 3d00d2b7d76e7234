package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

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
	// LocalUser is who calls without credentials in development mode. Empty means LocalUser().
	LocalUser string
}

// Authenticator finds out who calls.
type Authenticator struct {
	tokens TokenStore
	local  *Principal // who calls without credentials; nil when nobody may

	mu       sync.Mutex
	verified map[[sha256.Size]byte]verified
	revoked  map[string]struct{} // token ids revoked since the start
	sessions map[string]map[*session]struct{}
}

// verified is a token that the store knew.
type verified struct {
	principal Principal
	at        time.Time
}

// New makes an Authenticator.
func New(cfg Config) (*Authenticator, error) {
	a := &Authenticator{
		tokens:   cfg.Tokens,
		verified: make(map[[sha256.Size]byte]verified),
		revoked:  make(map[string]struct{}),
		sessions: make(map[string]map[*session]struct{}),
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

// Authenticate finds out who makes the gRPC call of ctx, by its connection or
// by its `authorization` metadata. A refusal is an error with a gRPC status.
func (a *Authenticator) Authenticate(ctx context.Context) (Principal, error) {
	if p, ok := peer.FromContext(ctx); ok {
		if _, ok := p.AuthInfo.(SocketPeer); ok {
			return localAdmin(), nil
		}
	}
	return a.AuthenticateHeader(metadata.ValueFromIncomingContext(ctx, "authorization"))
}

// AuthenticateHeader finds out who calls by the values of the Authorization
// header. Bad credentials are refused also where none are needed.
func (a *Authenticator) AuthenticateHeader(values []string) (Principal, error) {
	switch {
	case len(values) == 0 && a.local != nil:
		return *a.local, nil
	case len(values) == 0:
		return Principal{}, refuse(errNoCredentials)
	case len(values) > 1:
		return Principal{}, refuse(errScheme)
	}
	scheme, text, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return Principal{}, refuse(errScheme)
	}
	return a.authenticateToken(strings.TrimSpace(text))
}

func (a *Authenticator) authenticateToken(text string) (Principal, error) {
	id, err := ParseSecret(text)
	if err != nil { // does not reach the store, however many come
		return Principal{}, refuse(errMalformed)
	}
	p, err := a.verify(Hash(text), id)
	switch {
	case err != nil:
		return Principal{}, err
	case !p.Expires.IsZero() && !time.Now().Before(p.Expires):
		return Principal{}, refuse(errExpired)
	default:
		return p, nil
	}
}

// verify answers the principal of a token, expired or not.
func (a *Authenticator) verify(hash [sha256.Size]byte, id string) (Principal, error) {
	if p, ok := a.remembered(hash); ok {
		return p, nil
	}
	t, err := a.tokens.Token(hash)
	if errors.Is(err, job.ErrNotFound) || err == nil && t.GetId() != id {
		return Principal{}, refuse(errUnknown)
	}
	if err != nil {
		return Principal{}, refuse(fmt.Errorf("%w: %w", errUnavailable, err))
	}
	p := principalOf(t)
	if !a.remember(hash, p) {
		return Principal{}, refuse(errRevoked)
	}
	return p, nil
}

func principalOf(t *storev1.Token) Principal {
	p := Principal{User: t.GetUser(), Roles: []Role{RoleUser}, How: HowToken, TokenID: t.GetId()}
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
	return v.principal, true
}

// remember keeps a verified token, unless it was revoked while the store was asked.
func (a *Authenticator) remember(hash [sha256.Size]byte, p Principal) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, gone := a.revoked[p.TokenID]; gone {
		return false
	}
	if len(a.verified) >= verifiedMost {
		for one := range a.verified { // any of them; the store is quick enough for the rest
			delete(a.verified, one)
			break
		}
	}
	a.verified[hash] = verified{principal: p, at: time.Now()}
	return true
}

// Revoked makes the token with that id stop working in this process: for new
// calls at once, and the streams that run with it end. The token must be gone from the store already.
func (a *Authenticator) Revoked(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.revoked[id] = struct{}{}
	for hash, v := range a.verified {
		if v.principal.TokenID == id {
			delete(a.verified, hash)
		}
	}
	for s := range a.sessions[id] {
		s.cancel(refuse(errRevoked))
	}
}
