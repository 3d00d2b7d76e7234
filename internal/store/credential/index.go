// Package credential keeps API tokens and the sessions of browsers: what a secret stands for is what
// the last commit says, and one that was revoked stays so.
//
// The secrets themselves are stored nowhere. A credential is found by the SHA-256 of its secret, in the
// database. By id and by user it is found in an Index in memory, which follows the bytes of commits
// alone. A Batch stages changes, and sees those that were staged before it in the same transaction.
package credential

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
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

var buckets = []string{TokenBucket, SessionBucket}

// Hash is the SHA-256 of a secret.
type Hash = [32]byte

// ref is what the index knows of a credential.
type ref struct {
	id, user string
	lastUse  int64 // in nanoseconds since 1970; 0 when it was never used
}

// credential is a token or a session.
type credential interface {
	proto.Message
	GetId() string
	GetUser() string
	GetLastUseTime() *timestamppb.Timestamp
}

func refOf(c credential) ref { return ref{c.GetId(), c.GetUser(), nanos(c.GetLastUseTime())} }

func nanos(t *timestamppb.Timestamp) int64 {
	if t == nil {
		return 0
	}
	return t.AsTime().UnixNano()
}

// decode reads a value of a bucket.
func decode[C credential](raw []byte, c C) (C, error) {
	if err := proto.Unmarshal(raw, c); err != nil {
		return c, fmt.Errorf("read a credential: %w: %w", job.ErrStorage, err)
	}
	return c, nil
}

func decodeRef(bucket string, raw []byte) (ref, error) {
	var c credential = &storev1.Token{}
	if bucket == SessionBucket {
		c = &storev1.Session{}
	}
	_, err := decode(raw, c)
	return refOf(c), err
}

// table finds the credentials of one bucket.
type table struct {
	users  map[Hash]string
	byUser map[string]map[Hash]ref
}

func (t *table) put(hash Hash, r ref) {
	t.remove(hash)
	t.users[hash] = r.user
	if t.byUser[r.user] == nil {
		t.byUser[r.user] = make(map[Hash]ref)
	}
	t.byUser[r.user][hash] = r
}

func (t *table) remove(hash Hash) {
	user := t.users[hash]
	delete(t.users, hash)
	if delete(t.byUser[user], hash); len(t.byUser[user]) == 0 {
		delete(t.byUser, user)
	}
}

// Index finds credentials by their id and their user. Its methods may be called at the same time.
type Index struct {
	mu        sync.RWMutex
	tables    map[string]*table   // by bucket
	standings map[string]Standing // by user; without those whose standing is everybody's
}

// Load fills the index from a database. It leaves out what cannot be read: see Check.
func (ix *Index) Load(tx *kv.ReadTx) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	ix.tables = make(map[string]*table)
	for _, bucket := range buckets {
		ix.tables[bucket] = &table{users: make(map[Hash]string), byUser: make(map[string]map[Hash]ref)}
		for k, v := range tx.Ascend(bucket, nil) {
			_ = ix.apply(kv.Write{Kind: kv.KindPut, Bucket: bucket, Key: k, Value: v})
		}
	}
	ix.standings = make(map[string]Standing)
	for k, v := range tx.Ascend(UserBucket, nil) {
		_ = ix.applyUser(kv.Write{Kind: kv.KindPut, Bucket: UserBucket, Key: k, Value: v})
	}
}

// Apply brings the index up to date with a write of a commit.
func (ix *Index) Apply(w kv.Write) error {
	if w.Bucket != UserBucket && !slices.Contains(buckets, w.Bucket) || w.Kind == kv.KindSequence {
		return nil
	}
	ix.mu.Lock()
	defer ix.mu.Unlock()
	if w.Bucket == UserBucket {
		return ix.applyUser(w)
	}
	return ix.apply(w)
}

func (ix *Index) apply(w kv.Write) error {
	if len(w.Key) != len(Hash{}) {
		return fmt.Errorf("a key in bucket %s has %d bytes: %w", w.Bucket, len(w.Key), job.ErrStorage)
	}
	if w.Kind == kv.KindDelete {
		ix.tables[w.Bucket].remove(Hash(w.Key))
		return nil
	}
	r, err := decodeRef(w.Bucket, w.Value)
	if err == nil {
		ix.tables[w.Bucket].put(Hash(w.Key), r)
	}
	return err
}

// find returns the credential of a bucket with an id. It looks at all of them, which only making a token and revoking has to.
func (ix *Index) find(bucket, id string) (hash Hash, r ref, ok bool) {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	for _, theirs := range ix.tables[bucket].byUser {
		for hash, r := range theirs {
			if r.id == id {
				return hash, r, true
			}
		}
	}
	return hash, r, false
}

// ofUser returns the credentials of a user.
func (ix *Index) ofUser(bucket, user string) map[Hash]ref {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	found := make(map[Hash]ref)
	maps.Copy(found, ix.tables[bucket].byUser[user])
	return found
}

// Tokens returns the tokens of a user, oldest first. An empty user is everybody.
func (ix *Index) Tokens(tx *kv.ReadTx, user string) (all []*storev1.Token, _ error) {
	add := func(raw []byte) error {
		t, err := decode(raw, &storev1.Token{})
		all = append(all, t)
		return err
	}
	if user == "" {
		for _, v := range tx.Ascend(TokenBucket, nil) {
			if err := add(v); err != nil {
				return nil, err
			}
		}
	}
	for hash := range ix.ofUser(TokenBucket, user) {
		if raw := tx.Get(TokenBucket, hash[:]); raw != nil { // the transaction and the index are not of one moment
			if err := add(raw); err != nil {
				return nil, err
			}
		}
	}
	slices.SortFunc(all, func(a, b *storev1.Token) int {
		return cmp.Or(cmp.Compare(nanos(a.GetCreateTime()), nanos(b.GetCreateTime())), cmp.Compare(a.GetId(), b.GetId()))
	})
	return all, nil
}

// Token returns the token of a secret, or job.ErrNotFound. It does not look at the expiry.
func Token(tx *kv.ReadTx, hash Hash) (*storev1.Token, error) {
	return read(tx, TokenBucket, hash, &storev1.Token{})
}

// Session returns the session of a secret, or job.ErrNotFound. It does not look at the expiry.
func Session(tx *kv.ReadTx, hash Hash) (*storev1.Session, error) {
	return read(tx, SessionBucket, hash, &storev1.Session{})
}

func read[C credential](tx *kv.ReadTx, bucket string, hash Hash, c C) (none C, _ error) {
	raw := tx.Get(bucket, hash[:])
	if raw == nil {
		return none, fmt.Errorf("%s: %w", strings.TrimSuffix(bucket, "s"), job.ErrNotFound)
	}
	return decode(raw, c)
}

// EndedSessions returns the sessions that have ended, in the order of their hashes.
func EndedSessions(tx *kv.ReadTx, ended func(*storev1.Session) bool) (hashes []Hash, _ error) {
	for k, v := range tx.Ascend(SessionBucket, nil) {
		s, err := decode(v, &storev1.Session{})
		if err != nil {
			return nil, err
		}
		if ended(s) {
			hashes = append(hashes, Hash(k))
		}
	}
	return hashes, nil
}

// Compare returns where the index differs from one that was loaded from the same database. Nobody
// may call Apply of either meanwhile.
func (ix *Index) Compare(fresh *Index) (differences []string) {
	for _, bucket := range buckets {
		got, want := ix.tables[bucket], fresh.tables[bucket]
		if !maps.Equal(got.users, want.users) || !maps.EqualFunc(got.byUser, want.byUser, maps.Equal[map[Hash]ref, map[Hash]ref]) {
			differences = append(differences, fmt.Sprintf("the index of %s is not as the records are: it has %d, and there are %d", bucket, len(got.users), len(want.users)))
		}
	}
	if !maps.Equal(ix.standings, fresh.standings) {
		differences = append(differences, fmt.Sprintf("who is disabled or signed out is not as the records are: %v, and there are %v", ix.standings, fresh.standings))
	}
	return differences
}

// Check calls problem with everything in the database that must not be.
func Check(tx *kv.ReadTx, problem func(where, what string)) {
	tokens := make(map[string]bool) // by id
	for _, bucket := range buckets {
		for k, v := range tx.Ascend(bucket, nil) {
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
	for k, v := range tx.Ascend(UserBucket, nil) {
		if _, err := decodeUser(v); err != nil {
			problem(fmt.Sprintf("user %q", k), "it cannot be read")
		}
	}
}
