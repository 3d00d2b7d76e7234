package credential

import (
	"cmp"
	"fmt"
	"slices"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// Token returns the token of a secret, or job.ErrNotFound. It does not look at the expiry.
func Token(tx *kv.ReadTx, hash Hash) (*storev1.Token, error) {
	raw := tx.Get(TokenBucket, hash[:])
	if raw == nil {
		return nil, fmt.Errorf("token: %w", job.ErrNotFound)
	}
	return decodeToken(raw)
}

// Tokens returns the tokens of a user, oldest first. An empty user is everybody.
func (ix *Index) Tokens(tx *kv.ReadTx, user string) (all []*storev1.Token, err error) {
	add := func(raw []byte) error {
		t, err := decodeToken(raw)
		all = append(all, t)
		return err
	}
	if user == "" {
		c := tx.Cursor(TokenBucket)
		for k, v := c.First(); k != nil && err == nil; k, v = c.Next() {
			err = add(v)
		}
	}
	for hash := range ix.ofUser(TokenBucket, user) {
		if raw := tx.Get(TokenBucket, hash[:]); raw != nil && err == nil { // the transaction and the index are not of one moment
			err = add(raw)
		}
	}
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b *storev1.Token) int {
		return cmp.Or(cmp.Compare(nanos(a.GetCreateTime()), nanos(b.GetCreateTime())), cmp.Compare(a.GetId(), b.GetId()))
	})
	return all, nil
}

// Session returns the session of a secret, or job.ErrNotFound. It does not look at the expiry.
func Session(tx *kv.ReadTx, hash Hash) (*storev1.Session, error) {
	raw := tx.Get(SessionBucket, hash[:])
	if raw == nil {
		return nil, fmt.Errorf("session: %w", job.ErrNotFound)
	}
	return decodeSession(raw)
}

// EndedSessions returns the sessions that have ended, in the order of their hashes.
func EndedSessions(tx *kv.ReadTx, ended func(*storev1.Session) bool) (hashes []Hash, err error) {
	c := tx.Cursor(SessionBucket)
	for k, v := c.First(); k != nil; k, v = c.Next() {
		s, err := decodeSession(v)
		if err != nil {
			return nil, err
		}
		if ended(s) {
			hashes = append(hashes, Hash(k))
		}
	}
	return hashes, nil
}
