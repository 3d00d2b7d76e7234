package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// TokenHash is the SHA-256 of a token's secret.
type TokenHash = [32]byte

// PutToken stores a token. One with the same id or secret is
// job.ErrAlreadyExists, one more than most of the same user is job.ErrExhausted. Zero is no bound.
func (s *Store) PutToken(ctx context.Context, hash TokenHash, t *storev1.Token, most int) error {
	raw, err := proto.Marshal(t)
	if err != nil {
		return fmt.Errorf("encode token %s: %w", t.GetId(), err)
	}
	return s.do(ctx, 1, func(b *batch) error {
		if s.tokens.has(t.GetId()) || b.tx.Get(bucketTokens, hash[:]) != nil {
			return fmt.Errorf("token %s: %w", t.GetId(), job.ErrAlreadyExists)
		}
		if most > 0 && s.tokens.count(t.GetUser()) >= most {
			return job.Userf(job.ErrExhausted, "%s has %d API tokens, and may have no more. Revoke those that are not needed.", t.GetUser(), most)
		}
		b.about.subject = t.GetUser()
		if err := b.tx.Put(bucketTokens, hash[:], raw); err != nil {
			return err
		}
		s.tokens.add(t, hash)
		return nil
	})
}

// Token answers the token of a secret, or job.ErrNotFound. Whether it expired is for the caller to see.
func (s *Store) Token(hash TokenHash) (*storev1.Token, error) {
	var t *storev1.Token
	err := s.inTx(func(tx *kv.ReadTx) (err error) {
		if raw := tx.Get(bucketTokens, hash[:]); raw != nil {
			t, err = decodeToken(raw)
		}
		return err
	})
	if err == nil && t == nil {
		err = fmt.Errorf("token: %w", job.ErrNotFound)
	}
	return t, err
}

// Tokens answers the tokens of a user, oldest first; those of everybody for an empty name.
func (s *Store) Tokens(user string) ([]*storev1.Token, error) {
	var all []*storev1.Token
	err := s.inTx(func(tx *kv.ReadTx) error {
		if user == "" {
			return each(tx, bucketTokens, func(_, raw []byte) error {
				t, err := decodeToken(raw)
				all = append(all, t)
				return err
			})
		}
		for _, hash := range s.tokens.of(user) {
			raw := tx.Get(bucketTokens, hash[:])
			if raw == nil {
				continue // revoked just now, or not yet committed
			}
			t, err := decodeToken(raw)
			if err != nil {
				return err
			}
			all = append(all, t)
		}
		return nil
	})
	slices.SortFunc(all, func(a, b *storev1.Token) int {
		return cmp.Or(cmp.Compare(nanos(a.GetCreateTime()), nanos(b.GetCreateTime())), cmp.Compare(a.GetId(), b.GetId()))
	})
	return all, err
}

// DeleteToken deletes the token with that public id, or answers
// job.ErrNotFound, also when it is not one of user. An empty user is whoever's.
func (s *Store) DeleteToken(ctx context.Context, id, user string) error {
	return s.do(ctx, 1, func(b *batch) error {
		ref, ok := s.tokens.get(id)
		if !ok || user != "" && ref.user != user {
			return fmt.Errorf("token %q: %w", id, job.ErrNotFound)
		}
		b.about.subject = ref.user
		if err := b.tx.Delete(bucketTokens, ref.hash[:]); err != nil {
			return err
		}
		s.tokens.remove(id)
		return nil
	})
}

// TouchTokens notes when tokens were last used. Tokens that are gone are left out, and so are times that are not later than what is noted.
func (s *Store) TouchTokens(ctx context.Context, uses map[TokenHash]time.Time) error {
	return s.do(ctx, len(uses), func(b *batch) error {
		for hash, at := range uses {
			raw := b.tx.Get(bucketTokens, hash[:])
			if raw == nil {
				continue
			}
			t, err := decodeToken(raw)
			if err != nil || t.GetLastUseTime() != nil && !at.After(t.GetLastUseTime().AsTime()) {
				continue
			}
			t.LastUseTime = timestamppb.New(at)
			if raw, err = proto.Marshal(t); err != nil {
				continue // it was read from such bytes just now
			}
			if err := b.tx.Put(bucketTokens, hash[:], raw); err != nil {
				return err
			}
		}
		return nil
	})
}

func decodeToken(raw []byte) (*storev1.Token, error) {
	t := &storev1.Token{}
	if err := proto.Unmarshal(raw, t); err != nil {
		return nil, fmt.Errorf("read a token: %w: %w", job.ErrStorage, err)
	}
	return t, nil
}
