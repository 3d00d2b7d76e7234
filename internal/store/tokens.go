package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	bolt "go.etcd.io/bbolt"
	"google.golang.org/protobuf/proto"

	storev1 "github.com/stint-jobs/stint/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// TokenHash is the SHA-256 of a token's secret.
type TokenHash = [32]byte

// PutToken stores a token. One with the same id or secret is job.ErrAlreadyExists.
func (s *Store) PutToken(ctx context.Context, hash TokenHash, t *storev1.Token) error {
	raw, err := proto.Marshal(t)
	if err != nil {
		return fmt.Errorf("encode token %s: %w", t.GetId(), err)
	}
	return s.do(ctx, 1, func(b *batch) error {
		tokens := b.tx.Bucket(bucketTokens)
		if k, err := findToken(tokens, t.GetId()); err != nil || k != nil || tokens.Get(hash[:]) != nil {
			return cmp.Or(err, fmt.Errorf("token %s: %w", t.GetId(), job.ErrAlreadyExists))
		}
		b.dirty, b.about.subject = true, t.GetUser()
		return staging(tokens.Put(hash[:], raw))
	})
}

// Token answers the token of a secret, or job.ErrNotFound. Whether it expired is for the caller to see.
func (s *Store) Token(hash TokenHash) (*storev1.Token, error) {
	var t *storev1.Token
	err := s.inTx(func(tx *bolt.Tx) (err error) {
		if raw := tx.Bucket(bucketTokens).Get(hash[:]); raw != nil {
			t, err = decodeToken(raw)
		}
		return err
	})
	if err == nil && t == nil {
		err = fmt.Errorf("token: %w", job.ErrNotFound)
	}
	return t, err
}

// Tokens answers all tokens, oldest first.
func (s *Store) Tokens() ([]*storev1.Token, error) {
	var all []*storev1.Token
	err := s.inTx(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketTokens).ForEach(func(_, raw []byte) error {
			t, err := decodeToken(raw)
			all = append(all, t)
			return err
		})
	})
	slices.SortFunc(all, func(a, b *storev1.Token) int {
		return cmp.Or(cmp.Compare(nanos(a.GetCreateTime()), nanos(b.GetCreateTime())), cmp.Compare(a.GetId(), b.GetId()))
	})
	return all, err
}

// DeleteToken deletes the token with that public id, or answers job.ErrNotFound.
func (s *Store) DeleteToken(ctx context.Context, id string) error {
	return s.do(ctx, 1, func(b *batch) error {
		tokens := b.tx.Bucket(bucketTokens)
		k, err := findToken(tokens, id)
		switch {
		case err != nil:
			return err
		case k == nil:
			return fmt.Errorf("token %q: %w", id, job.ErrNotFound)
		}
		t, err := decodeToken(tokens.Get(k))
		if err != nil {
			return err
		}
		b.dirty, b.about.subject = true, t.GetUser()
		return staging(tokens.Delete(k))
	})
}

// findToken answers a copy of the key of the token with that id; nil when there is none. There are few tokens.
func findToken(tokens *bolt.Bucket, id string) (key []byte, err error) {
	err = tokens.ForEach(func(k, raw []byte) error {
		t, err := decodeToken(raw)
		if err == nil && t.GetId() == id {
			key = slices.Clone(k)
		}
		return err
	})
	return key, err
}

func decodeToken(raw []byte) (*storev1.Token, error) {
	t := &storev1.Token{}
	if err := proto.Unmarshal(raw, t); err != nil {
		return nil, fmt.Errorf("read a token: %w: %w", job.ErrStorage, err)
	}
	return t, nil
}
