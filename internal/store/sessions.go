package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// SessionHash is the SHA-256 of a session's secret.
type SessionHash = [32]byte

// Session answers the session of a secret, or job.ErrNotFound. Whether it has ended is for the caller to see.
func (s *Store) Session(hash SessionHash) (*storev1.Session, error) {
	var found *storev1.Session
	err := s.inTx(func(tx *bolt.Tx) (err error) {
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
		sessions := b.tx.Bucket(bucketSessions)
		if sessions.Get(hash[:]) != nil {
			return fmt.Errorf("session %s: %w", session.GetId(), job.ErrAlreadyExists)
		}
		var theirs []keyedSession
		err := eachSession(b.tx, func(one keyedSession) {
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
		b.dirty = true
		for _, one := range theirs[:max(0, len(theirs)-most+1)] {
			if err := b.remove(bucketSessions, one.key); err != nil {
				return err
			}
			gone = append(gone, one.GetId())
		}
		return b.put(bucketSessions, hash[:], raw)
	})
	return gone, err
}

// TouchSession notes when a session was last used. One that is gone stays gone.
func (s *Store) TouchSession(ctx context.Context, hash SessionHash, at time.Time) error {
	return s.do(ctx, 1, func(b *batch) error {
		session, err := readSession(b.tx, hash)
		if err != nil {
			return err
		}
		session.LastUseTime = timestamppb.New(at)
		raw, err := proto.Marshal(session)
		if err != nil {
			return fmt.Errorf("encode session %s: %w", session.GetId(), err)
		}
		b.dirty = true
		return b.put(bucketSessions, hash[:], raw)
	})
}

// DeleteSession deletes a session and answers its id, or job.ErrNotFound.
func (s *Store) DeleteSession(ctx context.Context, hash SessionHash) (id string, err error) {
	err = s.do(ctx, 1, func(b *batch) error {
		session, err := readSession(b.tx, hash)
		if err != nil {
			return err
		}
		id, b.dirty = session.GetId(), true
		return b.remove(bucketSessions, hash[:])
	})
	return id, err
}

// PurgeSessions deletes the sessions that have ended. Nothing is written where there are none.
func (s *Store) PurgeSessions(ctx context.Context, ended func(*storev1.Session) bool) error {
	var keys [][]byte
	err := s.inTx(func(tx *bolt.Tx) error {
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
		sessions := b.tx.Bucket(bucketSessions)
		for _, k := range keys {
			raw := sessions.Get(k)
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
			b.dirty = true
			if err := b.remove(bucketSessions, k); err != nil {
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

func eachSession(tx *bolt.Tx, visit func(keyedSession)) error {
	return tx.Bucket(bucketSessions).ForEach(func(k, raw []byte) error {
		session, err := decodeSession(raw)
		if err == nil {
			visit(keyedSession{Session: session, key: slices.Clone(k)})
		}
		return err
	})
}

func readSession(tx *bolt.Tx, hash SessionHash) (*storev1.Session, error) {
	raw := tx.Bucket(bucketSessions).Get(hash[:])
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
