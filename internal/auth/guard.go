package auth

import (
	"time"

	"google.golang.org/grpc/status"
)

const (
	// revokedMost is how many revoked credentials are noted before the old ones are forgotten.
	revokedMost = 4096
	// revokedFor is how long they are noted at least. A call that was let in before
	// has long been registered, and the store knows nothing of them any more.
	revokedFor = 10 * verifiedFor
)

// guard is a stream that ends with its caller's credential.
type guard struct {
	credential string // its public id; empty for one that only expires
	how        How
	stream     statusWriter
	expiry     *time.Timer // nil for a credential that stays until it is revoked
	why        error       // what the stream was ended with. Authenticator.mu is held by who touches it.
}

// guard has a stream end when the credential of its caller, of whatever kind, expires or is revoked. It refuses a stream whose
// credential was revoked since it was checked. The stream's end must be told to release.
func (a *Authenticator) guard(p *Principal, stream statusWriter) (*guard, error) {
	g := &guard{credential: p.TokenID, how: p.How, stream: stream}
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, gone := a.revoked[g.credential]; gone {
		return nil, refuse(revoked(g.how))
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
	if len(a.revoked) >= revokedMost {
		for old, at := range a.revoked {
			if time.Since(at) > revokedFor {
				delete(a.revoked, old)
			}
		}
	}
	a.revoked[id] = time.Now()
	for hash, v := range a.verified {
		if v.principal.TokenID == id {
			delete(a.verified, hash)
		}
	}
	for g := range a.guards[id] {
		g.end(refuse(revoked(g.how)))
	}
}

func (a *Authenticator) isRevoked(id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, gone := a.revoked[id]
	return gone
}
