package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

const (
	// jwtMost bounds the text of a token.
	jwtMost = 16 << 10
	// jwtsMost bounds the checked tokens in memory.
	jwtsMost = 4096
	// skew is how much the issuer's clock may be ahead of ours.
	skew = time.Minute
)

// algorithms are the signatures that are believed: those that only the issuer can make. Neither `none`
// nor those with a shared secret are among them, for which a public key would do.
var algorithms = []string{
	oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA,
}

// checked are the claims of a token that every check of ours reads.
type checked struct {
	NotBefore *float64 `json:"nbf"`
	IssuedAt  *float64 `json:"iat"`
	Party     string   `json:"azp"`
	Events    any      `json:"events"`
	Bound     any      `json:"cnf"`
}

// Principal says whom a token of the issuer stands for. A refusal is an error with a gRPC status.
func (o *OIDC) Principal(ctx context.Context, text string) (Principal, error) {
	hash := Hash(text)
	if p, ok := o.seen.get(hash); ok {
		return p, nil
	}
	token, c, err := o.verify(ctx, text)
	if err != nil {
		return Principal{}, refuse(err)
	}
	if !o.forUs(token.Audience, c.checked.Party) {
		return Principal{}, refuse(fmt.Errorf("audience %q: %w", token.Audience, errAudience))
	}
	who, err := o.identify(c.all)
	if err != nil {
		return Principal{}, refuse(err)
	}
	p := Principal{User: who.user, Roles: who.roles, Groups: who.groups, How: HowOIDC, TokenID: base.EncodeToString(hash[:idBytes]), Issued: token.IssuedAt, Expires: token.Expiry}
	o.seen.put(hash, p)
	return p, nil
}

// said is what a genuine token says.
type said struct {
	all     claims
	checked checked
}

// verify checks all of a token but for whom it is: that the issuer made it, and its times.
func (o *OIDC) verify(ctx context.Context, text string) (*oidc.IDToken, said, error) {
	_, v := o.issuer()
	switch {
	case len(text) > jwtMost || strings.Count(text, ".") != 2:
		return nil, said{}, errMalformed
	case v == nil:
		return nil, said{}, errIssuerDown
	}
	var unreachable error
	token, err := v.Verify(context.WithValue(ctx, unreachableKey{}, &unreachable), text)
	if expired, ok := errors.AsType[*oidc.TokenExpiredError](err); ok {
		return nil, said{}, fmt.Errorf("%w: %w", errExpired, expired)
	}
	if unreachable != nil {
		return nil, said{}, fmt.Errorf("%w: %w", errIssuerDown, unreachable)
	}
	if err != nil {
		return nil, said{}, fmt.Errorf("%w: %w", errForged, err)
	}
	var s said
	if err := errors.Join(token.Claims(&s.all), token.Claims(&s.checked)); err != nil {
		return nil, said{}, fmt.Errorf("%w: %w", errForged, err)
	}
	return token, s, s.checked.check(time.Now())
}

// check looks at what go-oidc does not, or with more patience.
func (c checked) check(now time.Time) error {
	latest := float64(now.Add(skew).Unix())
	switch {
	case c.NotBefore != nil && *c.NotBefore > latest, c.IssuedAt != nil && *c.IssuedAt > latest:
		return errNotYet
	case c.Events != nil: // a logout token or another message: signed by the same key, and about somebody who is not here
		return fmt.Errorf("it tells of events: %w", errForged)
	case c.Bound != nil:
		return errBound
	}
	return nil
}

// forUs reports whether a token is for this server. One for a client of ours must have been given to it.
func (o *OIDC) forUs(audience []string, party string) bool {
	if slices.ContainsFunc(audience, func(a string) bool { return slices.Contains(o.cfg.Audiences, a) }) {
		return true
	}
	ours := o.clients()
	if !slices.ContainsFunc(audience, func(a string) bool { return slices.Contains(ours, a) }) {
		return false
	}
	return slices.Contains(ours, party) || party == "" && len(audience) == 1
}

// jwtCache remembers tokens that were found good until they expire, or until it is time to ask the issuer's keys again.
type jwtCache struct {
	mu   *sync.Mutex
	good map[[sha256.Size]byte]goodJWT
}

type goodJWT struct {
	principal Principal
	until     time.Time
}

func newJWTCache() jwtCache {
	return jwtCache{mu: new(sync.Mutex), good: make(map[[sha256.Size]byte]goodJWT)}
}

func (c jwtCache) get(hash [sha256.Size]byte) (Principal, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g, ok := c.good[hash]
	if ok && !time.Now().Before(g.until) {
		delete(c.good, hash)
		return Principal{}, false
	}
	return g.principal, ok
}

func (c jwtCache) put(hash [sha256.Size]byte, p Principal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.good) >= jwtsMost {
		for one := range c.good { // any of them: checking again costs a tenth of a millisecond
			delete(c.good, one)
			break
		}
	}
	until := time.Now().Add(keysFor)
	if p.Expires.Before(until) {
		until = p.Expires
	}
	c.good[hash] = goodJWT{p, until}
}
