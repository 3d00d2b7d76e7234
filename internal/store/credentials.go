package store

import (
	"context"
	"slices"
	"time"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/store/credential"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// PutToken stores a token; see credential.PutToken.
func (s *Store) PutToken(ctx context.Context, hash credential.Hash, t *storev1.Token, maxTokens int) error {
	return s.do(ctx, 1, func(b *batch) error {
		b.target.user = t.GetUser()
		return credential.PutToken(b.tx, hash, t, maxTokens)
	})
}

// Token returns the token of a secret, or job.ErrNotFound. It does not look at the expiry.
func (s *Store) Token(hash credential.Hash) (*storev1.Token, error) {
	return read(s, func(tx *kv.ReadTx) (*storev1.Token, error) { return credential.Token(tx, hash) })
}

// Tokens returns the tokens of a user, oldest first; those of everybody for an empty name.
func (s *Store) Tokens(user string) ([]*storev1.Token, error) {
	return read(s, func(tx *kv.ReadTx) ([]*storev1.Token, error) { return credential.Tokens(tx, user) })
}

// DeleteToken deletes the token with that public id. It returns job.ErrNotFound where there is none, or where it is
// not a token of user. An empty user is any.
func (s *Store) DeleteToken(ctx context.Context, id, user string) error {
	return s.do(ctx, 1, func(b *batch) (err error) {
		b.target.user, err = credential.Delete(b.tx, credential.TokenBucket, id, user)
		return err
	})
}

// TouchTokens stores when tokens were last used; see credential.TouchTokens.
func (s *Store) TouchTokens(ctx context.Context, uses map[credential.Hash]time.Time) error {
	return s.do(ctx, len(uses), func(b *batch) error { return credential.TouchTokens(b.tx, uses) })
}

// Session returns the session of a secret, or job.ErrNotFound. It does not look at the expiry.
func (s *Store) Session(hash credential.Hash) (*storev1.Session, error) {
	return read(s, func(tx *kv.ReadTx) (*storev1.Session, error) { return credential.Session(tx, hash) })
}

// PutSession stores a session, and returns the ids of those that it deleted; see credential.PutSession.
func (s *Store) PutSession(ctx context.Context, hash credential.Hash, session *storev1.Session, maxSessions int) (deleted []string, err error) {
	return write(ctx, s, 1, func(b *batch) ([]string, error) { return credential.PutSession(b.tx, hash, session, maxSessions) })
}

// TouchSession stores when a session was last used. One that is gone is job.ErrNotFound.
func (s *Store) TouchSession(ctx context.Context, hash credential.Hash, at time.Time) error {
	return s.do(ctx, 1, func(b *batch) error { return credential.TouchSession(b.tx, hash, at) })
}

// DeleteSession deletes a session and returns its id, or job.ErrNotFound.
func (s *Store) DeleteSession(ctx context.Context, hash credential.Hash) (id string, err error) {
	return write(ctx, s, 1, func(b *batch) (string, error) { return credential.DeleteSession(b.tx, hash) })
}

// PurgeSessions deletes the sessions that have ended. Nothing is written where there are none.
func (s *Store) PurgeSessions(ctx context.Context, ended func(*storev1.Session) bool) error {
	hashes, err := read(s, func(tx *kv.ReadTx) ([]credential.Hash, error) { return credential.EndedSessions(tx, ended) })
	if err != nil || len(hashes) == 0 {
		return err
	}
	return s.do(ctx, 1, func(b *batch) error { return credential.PurgeSessions(b.tx, hashes, ended) })
}

// Sessions returns the sessions of a user, the last used first, ended or not.
func (s *Store) Sessions(user string) ([]*storev1.Session, error) {
	return read(s, func(tx *kv.ReadTx) ([]*storev1.Session, error) { return credential.Sessions(tx, user) })
}

// SessionsWhere returns the sessions of all users that a function wants.
func (s *Store) SessionsWhere(wanted func(*storev1.Session) bool) ([]*storev1.Session, error) {
	all, err := s.Sessions("")
	return slices.DeleteFunc(all, func(one *storev1.Session) bool { return !wanted(one) }), err
}

// DeleteSessionByID deletes the session with that public id. It returns job.ErrNotFound where there is none, or where
// it is not a session of user. An empty user is any.
func (s *Store) DeleteSessionByID(ctx context.Context, id, user string) error {
	return s.do(ctx, 1, func(b *batch) (err error) {
		b.target.user, err = credential.Delete(b.tx, credential.SessionBucket, id, user)
		return err
	})
}
