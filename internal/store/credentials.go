package store

import (
	"context"
	"time"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/store/credential"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// PutToken stores a token. One with the same id or secret is job.ErrAlreadyExists, and one more than maxTokens of the
// same user is job.ErrExhausted. Zero is no bound.
func (s *Store) PutToken(ctx context.Context, hash credential.Hash, t *storev1.Token, maxTokens int) error {
	return s.do(ctx, 1, func(b *batch) error {
		b.target.user = t.GetUser()
		return b.credentials.PutToken(hash, t, maxTokens)
	})
}

// Token returns the token of a secret, or job.ErrNotFound. It does not look at the expiry.
func (s *Store) Token(hash credential.Hash) (t *storev1.Token, _ error) {
	err := s.view(func(tx *kv.ReadTx) (err error) {
		t, err = credential.Token(tx, hash)
		return err
	})
	return t, err
}

// Tokens returns the tokens of a user, oldest first; those of everybody for an empty name.
func (s *Store) Tokens(user string) (all []*storev1.Token, _ error) {
	err := s.view(func(tx *kv.ReadTx) (err error) {
		all, err = s.state.Credentials.Tokens(tx, user)
		return err
	})
	return all, err
}

// DeleteToken deletes the token with that public id. It returns job.ErrNotFound where there is none, or where it is
// not a token of user. An empty user is any.
func (s *Store) DeleteToken(ctx context.Context, id, user string) error {
	return s.do(ctx, 1, func(b *batch) (err error) {
		b.target.user, err = b.credentials.DeleteToken(id, user)
		return err
	})
}

// TouchTokens stores when tokens were last used. It leaves out tokens that are gone, and times that are not later than
// what is stored.
func (s *Store) TouchTokens(ctx context.Context, uses map[credential.Hash]time.Time) error {
	return s.do(ctx, len(uses), func(b *batch) error { return b.credentials.TouchTokens(uses) })
}

// Session returns the session of a secret, or job.ErrNotFound. It does not look at the expiry.
func (s *Store) Session(hash credential.Hash) (session *storev1.Session, _ error) {
	err := s.view(func(tx *kv.ReadTx) (err error) {
		session, err = credential.Session(tx, hash)
		return err
	})
	return session, err
}

// PutSession stores a session and deletes the least recently used others of its user, so that at most maxSessions are
// left. It returns the ids of those.
func (s *Store) PutSession(ctx context.Context, hash credential.Hash, session *storev1.Session, maxSessions int) (deleted []string, err error) {
	err = s.do(ctx, 1, func(b *batch) (err error) {
		deleted, err = b.credentials.PutSession(hash, session, maxSessions)
		return err
	})
	return deleted, err
}

// TouchSession stores when a session was last used. One that is gone is job.ErrNotFound.
func (s *Store) TouchSession(ctx context.Context, hash credential.Hash, at time.Time) error {
	return s.do(ctx, 1, func(b *batch) error { return b.credentials.TouchSession(hash, at) })
}

// DeleteSession deletes a session and returns its id, or job.ErrNotFound.
func (s *Store) DeleteSession(ctx context.Context, hash credential.Hash) (id string, err error) {
	err = s.do(ctx, 1, func(b *batch) (err error) {
		id, err = b.credentials.DeleteSession(hash)
		return err
	})
	return id, err
}

// PurgeSessions deletes the sessions that have ended. Nothing is written where there are none.
func (s *Store) PurgeSessions(ctx context.Context, ended func(*storev1.Session) bool) error {
	var hashes []credential.Hash
	err := s.view(func(tx *kv.ReadTx) (err error) {
		hashes, err = credential.EndedSessions(tx, ended)
		return err
	})
	if err != nil || len(hashes) == 0 {
		return err
	}
	return s.do(ctx, 1, func(b *batch) error { return b.credentials.PurgeSessions(hashes, ended) })
}
