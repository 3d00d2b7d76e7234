package server

import (
	"context"
	"crypto/sha256"
	"net/http"

	"github.com/stint-jobs/stint/internal/auth"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/store"
)

// Names in the audit of what is no RPC.
const (
	methodSignIn       = "sign-in"
	methodSignOut      = "sign-out"
	methodIssuerLogout = "issuer-sign-out"
)

// auditedSessions are the sessions of the store, of which the beginning and the end are audited with their change.
// A session that ends by itself, or makes room for another, is nobody's action.
type auditedSessions struct{ *store.Store }

// PutSession begins a session.
func (s auditedSessions) PutSession(ctx context.Context, hash [sha256.Size]byte, session *storev1.Session, most int) ([]string, error) {
	return s.Store.PutSession(auditSession(ctx, session, methodSignIn), hash, session, most)
}

// DeleteSession ends a session.
func (s auditedSessions) DeleteSession(ctx context.Context, hash [sha256.Size]byte) (string, error) {
	session, err := s.Session(hash)
	if err != nil {
		return "", err
	}
	return s.Store.DeleteSession(auditSession(ctx, session, methodSignOut), hash)
}

// DeleteSessionByID ends a session. Where no call of the API asks for it, the issuer did.
func (s auditedSessions) DeleteSessionByID(ctx context.Context, id, user string) error {
	if _, ok := ctx.Value(addressKey{}).(string); ok {
		ctx = auditSession(ctx, &storev1.Session{Id: id, User: user}, methodIssuerLogout)
	}
	return s.Store.DeleteSessionByID(ctx, id, user)
}

func auditSession(ctx context.Context, session *storev1.Session, method string) context.Context {
	address, _ := ctx.Value(addressKey{}).(string)
	return store.WithAudit(ctx, &storev1.AuditEntry{
		User: session.GetUser(), How: string(auth.HowSession), CredentialId: session.GetId(), Address: address, Method: method,
	})
}

type addressKey struct{}

// withAddress tells the handlers of signing in, which are no RPCs, where a request comes from.
func withAddress(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		if host, ok := parseHost(r.RemoteAddr); ok {
			ctx = context.WithValue(ctx, addressKey{}, host.String())
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}
