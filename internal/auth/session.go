package auth

import (
	"context"
	"time"
)

// session is something that goes on for longer than a moment and must end with its token.
type session struct{ cancel context.CancelCauseFunc }

// Guard derives a context that ends when the principal's credential expires or
// is revoked; its cause is then an error with a gRPC status. The function must be called in the end.
func (a *Authenticator) Guard(ctx context.Context, p Principal) (context.Context, func()) {
	if !ends(p) {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	s := &session{cancel: cancel}
	stop := a.register(s, p.TokenID)
	if p.Expires.IsZero() {
		return ctx, stop
	}
	timer := time.AfterFunc(time.Until(p.Expires), func() { cancel(refuse(errExpired)) })
	return ctx, func() {
		timer.Stop()
		stop()
	}
}

// ends reports whether p's credential can stop working while a call goes on.
func ends(p Principal) bool { return p.TokenID != "" || !p.Expires.IsZero() }

// register adds a session, and ends it at once if its token was revoked since it was verified.
func (a *Authenticator) register(s *session, tokenID string) (stop func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.sessions[tokenID] == nil {
		a.sessions[tokenID] = make(map[*session]struct{})
	}
	a.sessions[tokenID][s] = struct{}{}
	if _, gone := a.revoked[tokenID]; gone {
		s.cancel(refuse(errRevoked))
	}
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.sessions[tokenID], s)
		if len(a.sessions[tokenID]) == 0 {
			delete(a.sessions, tokenID)
		}
		s.cancel(nil)
	}
}
