package auth

import (
	"context"
	"time"
)

const (
	// revokedMost is how many revoked credentials are noted before the old ones are forgotten.
	revokedMost = 4096
	// revokedFor is how long they are noted at least. A call that was let in before
	// has long been registered, and the store knows nothing of them any more.
	revokedFor = 10 * verifiedFor
)

// guard is something that goes on for longer than a moment and must end with its credential.
type guard struct {
	how    How
	cancel context.CancelCauseFunc
}

// guard derives a context that ends when the principal's credential, of
// whatever kind, expires or is revoked; its cause is then an error with a gRPC
// status, which tell gets too. The function must be called in the end.
func (a *Authenticator) guard(ctx context.Context, p Principal, tell func(why error)) (context.Context, func()) {
	if p.TokenID == "" && p.Expires.IsZero() {
		return ctx, func() {} // nothing ends it
	}
	ctx, end := context.WithCancelCause(ctx)
	cancel := func(why error) {
		end(why)
		if why != nil {
			tell(why)
		}
	}
	stop := a.register(&guard{how: p.How, cancel: cancel}, p.TokenID)
	if p.Expires.IsZero() {
		return ctx, stop
	}
	timer := time.AfterFunc(time.Until(p.Expires), func() { cancel(refuse(expired(p.How))) })
	return ctx, func() {
		timer.Stop()
		stop()
	}
}

// register notes what goes on with a credential, and ends it at once if the credential was revoked since it was checked.
func (a *Authenticator) register(g *guard, id string) (stop func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.guards[id] == nil {
		a.guards[id] = make(map[*guard]struct{})
	}
	a.guards[id][g] = struct{}{}
	if _, gone := a.revoked[id]; gone {
		g.cancel(refuse(revoked(g.how)))
	}
	if _, stands := a.certificates[nameOfID(id)]; g.how == HowCertificate && !stands {
		g.cancel(refuse(errCertificate))
	}
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.guards[id], g)
		if len(a.guards[id]) == 0 {
			delete(a.guards, id)
		}
		g.cancel(nil)
	}
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
		g.cancel(refuse(revoked(g.how)))
	}
}

func (a *Authenticator) isRevoked(id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, gone := a.revoked[id]
	return gone
}
