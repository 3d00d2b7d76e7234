package store

import (
	"maps"
	"slices"
	"sync"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// tokenIndex finds tokens by their public id and by their user. The writer
// changes it while it stages: a batch that is not committed after that is the end of all writing.
type tokenIndex struct {
	mu   sync.RWMutex
	ids  map[string]tokenRef
	user map[string]map[string]TokenHash // by user and id
}

type tokenRef struct {
	hash TokenHash
	user string
}

// load makes the index from the file. It leaves out what cannot be read; check says so.
func (x *tokenIndex) load(tx *kv.ReadTx) error {
	x.ids, x.user = make(map[string]tokenRef), make(map[string]map[string]TokenHash)
	return each(tx, bucketTokens, func(k, raw []byte) error {
		if t, err := decodeToken(raw); err == nil && len(k) == len(TokenHash{}) {
			x.add(t, TokenHash(k))
		}
		return nil
	})
}

func (x *tokenIndex) add(t *storev1.Token, hash TokenHash) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.ids[t.GetId()] = tokenRef{hash: hash, user: t.GetUser()}
	if x.user[t.GetUser()] == nil {
		x.user[t.GetUser()] = make(map[string]TokenHash)
	}
	x.user[t.GetUser()][t.GetId()] = hash
}

func (x *tokenIndex) remove(id string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	user := x.ids[id].user
	delete(x.ids, id)
	delete(x.user[user], id)
	if len(x.user[user]) == 0 {
		delete(x.user, user)
	}
}

func (x *tokenIndex) get(id string) (tokenRef, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	ref, ok := x.ids[id]
	return ref, ok
}

func (x *tokenIndex) has(id string) bool {
	_, ok := x.get(id)
	return ok
}

// of are the hashes of a user's tokens.
func (x *tokenIndex) of(user string) []TokenHash {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return slices.Collect(maps.Values(x.user[user]))
}

func (x *tokenIndex) count(user string) int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return len(x.user[user])
}
