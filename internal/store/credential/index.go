// Package credential keeps API tokens and the sessions of browsers: what a secret stands for is what
// the last commit says, and one that was revoked stays so.
//
// The secrets themselves are stored nowhere. A credential is found by the SHA-256 of its secret, in the
// database. By id and by user it is found in an Index in memory, which follows the bytes of commits
// alone. A Batch stages changes, and sees those that were staged before it in the same transaction.
package credential

import (
	"fmt"
	"maps"
	"strings"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/kv"
)

const (
	// TokenBucket holds a store.v1.Token under the Hash of each token.
	TokenBucket = "tokens"
	// SessionBucket holds a store.v1.Session under the Hash of each session.
	SessionBucket = "sessions"
)

// Hash is the SHA-256 of a secret.
type Hash = [32]byte

// ref is what the index knows of a credential.
type ref struct {
	id, user string
	lastUse  int64 // in nanoseconds since 1970; 0 when it was never used
}

func tokenRef(t *storev1.Token) ref { return ref{t.GetId(), t.GetUser(), nanos(t.GetLastUseTime())} }

func sessionRef(s *storev1.Session) ref {
	return ref{s.GetId(), s.GetUser(), nanos(s.GetLastUseTime())}
}

func nanos(t *timestamppb.Timestamp) int64 {
	if t == nil {
		return 0
	}
	return t.AsTime().UnixNano()
}

// table finds the credentials of one kind.
type table struct {
	refs   map[Hash]ref
	byUser map[string]map[Hash]bool
	byID   map[string]Hash // nil of sessions, which nobody looks for by id
}

func newTable() table { return table{refs: make(map[Hash]ref), byUser: make(map[string]map[Hash]bool)} }

func (t *table) put(hash Hash, r ref) {
	t.remove(hash)
	t.refs[hash] = r
	if t.byID != nil {
		t.byID[r.id] = hash
	}
	if t.byUser[r.user] == nil {
		t.byUser[r.user] = make(map[Hash]bool)
	}
	t.byUser[r.user][hash] = true
}

func (t *table) remove(hash Hash) {
	r, ok := t.refs[hash]
	if !ok {
		return
	}
	delete(t.refs, hash)
	if t.byID[r.id] == hash {
		delete(t.byID, r.id)
	}
	if delete(t.byUser[r.user], hash); len(t.byUser[r.user]) == 0 {
		delete(t.byUser, r.user)
	}
}

// Index finds credentials by their id and their user. Its methods may be called at the same time.
type Index struct {
	mu               sync.RWMutex
	tokens, sessions table
}

// Load fills the index from a database. It leaves out what cannot be read: see Check.
func (ix *Index) Load(tx *kv.ReadTx) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	ix.tokens, ix.sessions = newTable(), newTable()
	ix.tokens.byID = make(map[string]Hash)
	for _, bucket := range []string{TokenBucket, SessionBucket} {
		c := tx.Cursor(bucket)
		for k, v := c.First(); k != nil; k, v = c.Next() {
			_ = ix.apply(kv.Write{Kind: kv.KindPut, Bucket: bucket, Key: k, Value: v})
		}
	}
}

// Apply brings the index up to date with a write of a commit.
func (ix *Index) Apply(w kv.Write) error {
	if w.Bucket != TokenBucket && w.Bucket != SessionBucket || w.Kind == kv.KindSequence {
		return nil
	}
	ix.mu.Lock()
	defer ix.mu.Unlock()
	return ix.apply(w)
}

func (ix *Index) apply(w kv.Write) error {
	if len(w.Key) != len(Hash{}) {
		return fmt.Errorf("a key in bucket %s has %d bytes: %w", w.Bucket, len(w.Key), job.ErrStorage)
	}
	t := ix.table(w.Bucket)
	if w.Kind == kv.KindDelete {
		t.remove(Hash(w.Key))
		return nil
	}
	r, err := decodeRef(w.Bucket, w.Value)
	if err == nil {
		t.put(Hash(w.Key), r)
	}
	return err
}

func (ix *Index) table(bucket string) *table {
	if bucket == TokenBucket {
		return &ix.tokens
	}
	return &ix.sessions
}

func decodeRef(bucket string, raw []byte) (ref, error) {
	if bucket == TokenBucket {
		t, err := decodeToken(raw)
		return tokenRef(t), err
	}
	s, err := decodeSession(raw)
	return sessionRef(s), err
}

func decodeToken(raw []byte) (*storev1.Token, error) {
	t := &storev1.Token{}
	if err := proto.Unmarshal(raw, t); err != nil {
		return nil, fmt.Errorf("read a token: %w: %w", job.ErrStorage, err)
	}
	return t, nil
}

func decodeSession(raw []byte) (*storev1.Session, error) {
	s := &storev1.Session{}
	if err := proto.Unmarshal(raw, s); err != nil {
		return nil, fmt.Errorf("read a session: %w: %w", job.ErrStorage, err)
	}
	return s, nil
}

// find returns the token with an id.
func (ix *Index) find(id string) (hash Hash, r ref, ok bool) {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	hash, ok = ix.tokens.byID[id]
	return hash, ix.tokens.refs[hash], ok
}

// ofUser returns the credentials of a user.
func (ix *Index) ofUser(bucket, user string) map[Hash]ref {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	t := ix.table(bucket)
	found := make(map[Hash]ref, len(t.byUser[user]))
	for hash := range t.byUser[user] {
		found[hash] = t.refs[hash]
	}
	return found
}

// Compare returns where the index differs from one that was loaded from the same database. Nobody
// may call Apply of either meanwhile.
func (ix *Index) Compare(fresh *Index) (differences []string) {
	for _, bucket := range []string{TokenBucket, SessionBucket} {
		got, want := ix.table(bucket), fresh.table(bucket)
		same := maps.Equal(got.refs, want.refs) && maps.Equal(got.byID, want.byID) &&
			maps.EqualFunc(got.byUser, want.byUser, maps.Equal[map[Hash]bool, map[Hash]bool])
		if !same {
			differences = append(differences, fmt.Sprintf("the index of %s is not as the records are: it has %d, and there are %d", bucket, len(got.refs), len(want.refs)))
		}
	}
	return differences
}

// Check calls problem with everything in the database that must not be.
func Check(tx *kv.ReadTx, problem func(where, what string)) {
	tokens := make(map[string]bool) // by id
	for _, bucket := range []string{TokenBucket, SessionBucket} {
		c := tx.Cursor(bucket)
		for k, v := c.First(); k != nil; k, v = c.Next() {
			r, err := decodeRef(bucket, v)
			switch {
			case err != nil || len(k) != len(Hash{}):
				problem(fmt.Sprintf("%s %x", strings.TrimSuffix(bucket, "s"), k), "it cannot be read")
			case bucket == TokenBucket && tokens[r.id]:
				problem("token "+r.id, "there are two of this id")
			case bucket == TokenBucket:
				tokens[r.id] = true
			}
		}
	}
}
