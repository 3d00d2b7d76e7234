package auth

import (
	"time"

	"google.golang.org/grpc/status"
)

// guard is a stream that ends with its caller's credential.
type guard struct {
	credential string // its public id; empty for one that only expires
	how        How
	principal  Principal
	stream     statusWriter
	expiry     *time.Timer // nil for a credential that stays until it is revoked
	why        error       // what the stream was ended with. Authenticator.mu is held by who touches it.
}

// guard has a stream end when the credential of its caller, of whatever kind, expires or is revoked. It refuses a stream whose
// credential was revoked since it was checked. The stream's end must be told to release.
func (a *Authenticator) guard(p *Principal, stream statusWriter) (*guard, error) {
	g := &guard{credential: p.TokenID, how: p.How, principal: *p, stream: stream}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.revoked.has(g.credential) {
		return nil, refuse(revoked(g.how))
	}
	if err := a.standing(p); err != nil {
		return nil, refuse(err)
	}
	if _, stands := a.certificates[nameOfID(g.credential)]; g.how == HowCertificate && !stands {
		return nil, refuse(errCertificate)
	}
	if a.guards[g.credential] == nil {
		a.guards[g.credential] = make(map[*guard]struct{})
	}
	a.guards[g.credential][g] = struct{}{}
	if !p.Expires.IsZero() {
		g.expiry = time.AfterFunc(time.Until(p.Expires), func() {
			a.mu.Lock()
			defer a.mu.Unlock()
			g.end(refuse(expired(g.how)))
		})
	}
	return g, nil
}

// end ends the stream from outside. Authenticator.mu is held.
func (g *guard) end(why error) {
	if g.why == nil {
		g.why = why
		_ = g.stream.WriteStatus(status.Convert(why)) // fails where the stream is over already
	}
}

// release forgets a stream that is over, and answers why its credential ended it; nil when it did not.
func (a *Authenticator) release(g *guard) (why error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if g.expiry != nil {
		g.expiry.Stop()
	}
	delete(a.guards[g.credential], g)
	if len(a.guards[g.credential]) == 0 {
		delete(a.guards, g.credential)
	}
	return g.why
}

// Revoked makes the credential with that public id, a token or a session, stop
// working in this process: for new calls at once, and the streams that run with it
// end. It must be gone from the store already.
func (a *Authenticator) Revoked(id string) {
	if id == "" {
		return // of those who need no credential
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.revoked.add(id)
	a.forget(a.hashes[id])
	for g := range a.guards[id] {
		g.end(refuse(revoked(g.how)))
	}
}

func (a *Authenticator) isRevoked(id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.revoked.has(id)
}

// SignedOut has the streams of a user end whose credentials are refused from now on, also those that others make for them.
// The store must know of it already.
func (a *Authenticator) SignedOut(user string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, all := range a.guards {
		for g := range all {
			if g.principal.User != user && g.principal.Actor != user {
				continue
			}
			if err := a.standing(&g.principal); err != nil {
				g.end(refuse(err))
			}
		}
	}
}

// standing refuses what the standing of its user does not let in: all of a user who is disabled, and what the issuer signed
// before they were signed out everywhere. A job's command goes on with its job, and the operator's socket is always open.
func (a *Authenticator) standing(p *Principal) error {
	if a.cfg.Users == nil || p.How == HowJob || p.How == HowSocket {
		return nil
	}
	disabled, signedOut := a.cfg.Users(p.User)
	switch {
	case disabled:
		return errDisabled
	case p.How == HowOIDC && p.Actor == "" && !p.Issued.IsZero() && !p.Issued.After(signedOut):
		return errSignedOut
	case p.Actor == "":
		return nil
	}
	if disabled, _ := a.cfg.Users(p.Actor); disabled {
		return errDisabled
	}
	return nil
}
