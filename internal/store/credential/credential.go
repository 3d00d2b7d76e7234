// Package credential keeps API tokens, the sessions of browsers and what is stored of their users:
// what a secret stands for is what the last commit says, and one that was revoked stays so.
//
// The secrets themselves are stored nowhere. A credential is found by the SHA-256 of its secret, and
// by its user in a bucket that is written with it. What is refused of a user is in memory too, as
// every call asks for it.
package credential

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

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
	// OwnerBucket holds the id of each token and session. The key is the user, a zero byte, the first
	// letter of the bucket, and the Hash.
	OwnerBucket = "credentials"
)

// Hash is the SHA-256 of a secret.
type Hash = [32]byte

// credential is a token or a session.
type credential interface {
	proto.Message
	GetId() string
	GetUser() string
}

func ownerKey(bucket, user string, hash Hash) []byte {
	return slices.Concat([]byte(user), []byte{0, bucket[0]}, hash[:])
}

// ref is a credential as OwnerBucket has it.
type ref struct {
	id, user string
	hash     Hash
}

// refs returns the credentials of a user in a bucket. An empty user is everybody.
func refs(tx *kv.ReadTx, bucket, user string) (found []ref) {
	var prefix []byte
	if user != "" {
		prefix = []byte(user + "\x00" + bucket[:1])
	}
	for k, id := range tx.Ascend(OwnerBucket, prefix) {
		if !bytes.HasPrefix(k, prefix) {
			break
		}
		if at := len(k) - len(Hash{}); at > 2 && k[at-1] == bucket[0] {
			found = append(found, ref{string(id), string(k[:at-2]), Hash(k[at:])})
		}
	}
	return found
}

// find returns the credential of a bucket with an id, or job.ErrNotFound. An empty user is any.
func find(tx *kv.ReadTx, bucket, id, user string) (ref, error) {
	for _, r := range refs(tx, bucket, user) {
		if r.id == id {
			return r, nil
		}
	}
	return ref{}, fmt.Errorf("%s %q: %w", one(bucket), id, job.ErrNotFound)
}

func one(bucket string) string { return strings.TrimSuffix(bucket, "s") }

// Count returns how many credentials a user has in a bucket.
func Count(tx *kv.ReadTx, bucket, user string) int { return len(refs(tx, bucket, user)) }

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
		return none, fmt.Errorf("%s: %w", one(bucket), job.ErrNotFound)
	}
	if err := proto.Unmarshal(raw, c); err != nil {
		return none, fmt.Errorf("read a %s: %w: %w", one(bucket), job.ErrStorage, err)
	}
	return c, nil
}

// Tokens returns the tokens of a user, oldest first. An empty user is everybody.
func Tokens(tx *kv.ReadTx, user string) ([]*storev1.Token, error) {
	all, err := list(tx, TokenBucket, user, Token)
	slices.SortFunc(all, func(a, b *storev1.Token) int {
		return cmp.Or(cmp.Compare(nanos(a.GetCreateTime()), nanos(b.GetCreateTime())), cmp.Compare(a.GetId(), b.GetId()))
	})
	return all, err
}

// Sessions returns the sessions of a user, the last used first. An empty user is everybody.
func Sessions(tx *kv.ReadTx, user string) ([]*storev1.Session, error) {
	all, err := list(tx, SessionBucket, user, Session)
	slices.SortFunc(all, func(a, b *storev1.Session) int {
		return cmp.Or(cmp.Compare(nanos(b.GetLastUseTime()), nanos(a.GetLastUseTime())), cmp.Compare(a.GetId(), b.GetId()))
	})
	return all, err
}

func list[C credential](tx *kv.ReadTx, bucket, user string, read func(*kv.ReadTx, Hash) (C, error)) (all []C, _ error) {
	for _, r := range refs(tx, bucket, user) {
		c, err := read(tx, r.hash)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

func nanos(t *timestamppb.Timestamp) int64 {
	if t == nil {
		return 0
	}
	return t.AsTime().UnixNano()
}

// Check calls problem with everything in the database that must not be.
func Check(tx *kv.ReadTx, problem func(where, what string)) {
	checkBucket(tx, TokenBucket, &storev1.Token{}, problem)
	checkBucket(tx, SessionBucket, &storev1.Session{}, problem)
	ids := make(map[string]bool) // of tokens
	for _, r := range refs(tx, TokenBucket, "") {
		if ids[r.id] {
			problem("token "+r.id, "there are two of this id")
		}
		ids[r.id] = true
	}
	for k, v := range tx.Ascend(UserBucket, nil) {
		if _, err := decodeUser(v); err != nil {
			problem(fmt.Sprintf("user %q", k), "it cannot be read")
		}
	}
}

// checkBucket compares a bucket with what OwnerBucket says of it.
func checkBucket(tx *kv.ReadTx, bucket string, c credential, problem func(where, what string)) {
	all := refs(tx, bucket, "")
	for k, v := range tx.Ascend(bucket, nil) {
		where := fmt.Sprintf("%s %x", one(bucket), k)
		switch {
		case len(k) != len(Hash{}) || proto.Unmarshal(v, c) != nil:
			problem(where, "it cannot be read")
		case string(tx.Get(OwnerBucket, ownerKey(bucket, c.GetUser(), Hash(k)))) != c.GetId():
			problem(where, "it is not found by its user")
		}
	}
	for _, r := range all {
		if tx.Get(bucket, r.hash[:]) == nil {
			problem(one(bucket)+" "+r.id, "its user has it, and it is not there")
		}
	}
}
