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

// SessionHash is the SHA-256 of a session's secret.
type SessionHash = [32]byte

// Session answers the session of a secret, or job.ErrNotFound. Whether it has ended is for the caller to see.
func (s *Store) Session(hash SessionHash) (*storev1.Session, error) {
	var found *storev1.Session
	err := s.inTx(func(tx *kv.ReadTx) (err error) {
		found, err = readSession(tx, hash)
		return err
	})
	return found, err
}

// PutSession stores a session and deletes the least recently used others of its
// user, so that at most so many are left. It answers the ids of those.
func (s *Store) PutSession(ctx context.Context, hash SessionHash, session *storev1.Session, most int) (gone []string, err error) {
	raw, err := proto.Marshal(session)
	if err != nil {
		return nil, fmt.Errorf("encode session %s: %w", session.GetId(), err)
	}
	err = s.do(ctx, 1, func(b *batch) error {
		gone = nil
		if b.tx.Get(bucketSessions, hash[:]) != nil {
			return fmt.Errorf("session %s: %w", session.GetId(), job.ErrAlreadyExists)
		}
		var theirs []keyedSession
		err := eachSession(&b.tx.ReadTx, func(one keyedSession) {
			if one.GetUser() == session.GetUser() {
				theirs = append(theirs, one)
			}
		})
		if err != nil {
			return err
		}
		slices.SortFunc(theirs, func(x, y keyedSession) int {
			return cmp.Or(cmp.Compare(nanos(x.GetLastUseTime()), nanos(y.GetLastUseTime())), cmp.Compare(x.GetId(), y.GetId()))
		})
		for _, one := range theirs[:max(0, len(theirs)-most+1)] {
			if err := b.tx.Delete(bucketSessions, one.key); err != nil {
				return err
			}
			gone = append(gone, one.GetId())
		}
		return b.tx.Put(bucketSessions, hash[:], raw)
	})
	return gone, err
}

// TouchSession notes when a session was last used. One that is gone stays gone.
func (s *Store) TouchSession(ctx context.Context, hash SessionHash, at time.Time) error {
	return s.do(ctx, 1, func(b *batch) error {
		session, err := readSession(&b.tx.ReadTx, hash)
		if err != nil {
			return err
		}
		session.LastUseTime = timestamppb.New(at)
		raw, err := proto.Marshal(session)
		if err != nil {
			return fmt.Errorf("encode session %s: %w", session.GetId(), err)
		}
		return b.tx.Put(bucketSessions, hash[:], raw)
	})
}

// DeleteSession deletes a session and answers its id, or job.ErrNotFound.
func (s *Store) DeleteSession(ctx context.Context, hash SessionHash) (id string, err error) {
	err = s.do(ctx, 1, func(b *batch) error {
		session, err := readSession(&b.tx.ReadTx, hash)
		if err != nil {
			return err
		}
		id = session.GetId()
		return b.tx.Delete(bucketSessions, hash[:])
	})
	return id, err
}

// PurgeSessions deletes the sessions that have ended. Nothing is written where there are none.
func (s *Store) PurgeSessions(ctx context.Context, ended func(*storev1.Session) bool) error {
	var keys [][]byte
	err := s.inTx(func(tx *kv.ReadTx) error {
		return eachSession(tx, func(one keyedSession) {
			if ended(one.Session) {
				keys = append(keys, one.key)
			}
		})
	})
	if err != nil || len(keys) == 0 {
		return err
	}
	return s.do(ctx, 1, func(b *batch) error {
		for _, k := range keys {
			raw := b.tx.Get(bucketSessions, k)
			if raw == nil {
				continue
			}
			session, err := decodeSession(raw)
			if err != nil {
				return err
			}
			if !ended(session) { // used meanwhile
				continue
			}
			if err := b.tx.Delete(bucketSessions, k); err != nil {
				return err
			}
		}
		return nil
	})
}

// keyedSession is a session with a copy of its key.
type keyedSession struct {
	*storev1.Session
	key []byte
}

func eachSession(tx *kv.ReadTx, visit func(keyedSession)) error {
	return each(tx, bucketSessions, func(k, raw []byte) error {
		session, err := decodeSession(raw)
		if err == nil {
			visit(keyedSession{Session: session, key: slices.Clone(k)})
		}
		return err
	})
}

func readSession(tx *kv.ReadTx, hash SessionHash) (*storev1.Session, error) {
	raw := tx.Get(bucketSessions, hash[:])
	if raw == nil {
		return nil, fmt.Errorf("session: %w", job.ErrNotFound)
	}
	return decodeSession(raw)
}

func decodeSession(raw []byte) (*storev1.Session, error) {
	session := &storev1.Session{}
	if err := proto.Unmarshal(raw, session); err != nil {
		return nil, fmt.Errorf("read a session: %w: %w", job.ErrStorage, err)
	}
	return session, nil
}
