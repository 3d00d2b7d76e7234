package credential

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// Batch stages changes of credentials in one transaction. What it has staged is in no Index before
// the commit, so the batch keeps it for the decisions that come after. It belongs to the writer.
type Batch struct {
	ix     *Index
	tx     *kv.Tx
	staged map[place]*ref
}

// place is where a credential is stored.
type place struct {
	bucket string
	hash   Hash
}

// NewBatch returns a batch of what an index has. Begin must be called before anything is staged.
func NewBatch(ix *Index) *Batch { return &Batch{ix: ix, staged: make(map[place]*ref)} }

// Begin starts a transaction with nothing staged. An operation that fails after it has written must
// be followed by another Begin.
func (b *Batch) Begin(tx *kv.Tx) {
	b.tx = tx
	clear(b.staged)
}

// find returns the credential of a bucket with an id.
func (b *Batch) find(bucket, id string) (hash Hash, r ref, ok bool) {
	for at, r := range b.staged {
		if r != nil && at.bucket == bucket && r.id == id {
			return at.hash, *r, true
		}
	}
	hash, r, ok = b.ix.find(bucket, id)
	_, changed := b.staged[place{bucket, hash}] // it was deleted, or it has another id
	return hash, r, ok && !changed
}

// ofUser returns the credentials of a user.
func (b *Batch) ofUser(bucket, user string) map[Hash]ref {
	found := b.ix.ofUser(bucket, user)
	for at, r := range b.staged {
		switch {
		case at.bucket != bucket:
		case r == nil:
			delete(found, at.hash)
		case r.user == user:
			found[at.hash] = *r
		}
	}
	return found
}

func (b *Batch) put(bucket string, hash Hash, c credential) error {
	if err := b.tx.PutMessage(bucket, hash[:], c); err != nil {
		return err
	}
	r := refOf(c)
	b.staged[place{bucket, hash}] = &r
	return nil
}

func (b *Batch) remove(bucket string, hash Hash) error {
	if err := b.tx.Delete(bucket, hash[:]); err != nil {
		return err
	}
	b.staged[place{bucket, hash}] = nil
	return nil
}

// PutToken stores a token. One with the same id or secret is job.ErrAlreadyExists, and one more than
// maxTokens of the same user is job.ErrExhausted. Zero is no bound.
func (b *Batch) PutToken(hash Hash, t *storev1.Token, maxTokens int) error {
	if b.Disabled(t.GetUser()) {
		return job.Userf(job.ErrUserDisabled, "%s is disabled and gets no API tokens. An operator can enable them again.", t.GetUser())
	}
	_, _, sameID := b.find(TokenBucket, t.GetId())
	if sameID || b.tx.Get(TokenBucket, hash[:]) != nil {
		return fmt.Errorf("token %s: %w", t.GetId(), job.ErrAlreadyExists)
	}
	if maxTokens > 0 && len(b.ofUser(TokenBucket, t.GetUser())) >= maxTokens {
		return job.Full(job.Reached{Quota: job.QuotaTokens, Subject: "user:" + t.GetUser(), Field: "user", Limit: int64(maxTokens)},
			"%s has %d API tokens, and may have no more.", t.GetUser(), maxTokens)
	}
	return b.put(TokenBucket, hash, t)
}

// DeleteToken deletes the token with an id and returns its user. It returns job.ErrNotFound where
// there is none, or where it is not a token of user. An empty user is any.
func (b *Batch) DeleteToken(id, user string) (owner string, err error) {
	hash, r, ok := b.find(TokenBucket, id)
	if !ok || user != "" && r.user != user {
		return "", fmt.Errorf("token %q: %w", id, job.ErrNotFound)
	}
	return r.user, b.remove(TokenBucket, hash)
}

// TouchTokens stores when tokens were last used. It leaves out tokens that are gone, and times that
// are not later than what is stored.
func (b *Batch) TouchTokens(uses map[Hash]time.Time) error {
	for hash, at := range uses {
		raw := b.tx.Get(TokenBucket, hash[:])
		if raw == nil {
			continue
		}
		t, err := decode(raw, &storev1.Token{})
		if err != nil || t.GetLastUseTime() != nil && !at.After(t.GetLastUseTime().AsTime()) {
			continue
		}
		t.LastUseTime = timestamppb.New(at)
		if err := b.put(TokenBucket, hash, t); err != nil {
			return err
		}
	}
	return nil
}

// PutSession stores a session and deletes the least recently used others of its user, so that at
// most maxSessions are left. It returns the ids of those. It reads no session from the database. A user
// who is disabled gets none.
func (b *Batch) PutSession(hash Hash, s *storev1.Session, maxSessions int) (deleted []string, err error) {
	if b.tx.Get(SessionBucket, hash[:]) != nil {
		return nil, fmt.Errorf("session %s: %w", s.GetId(), job.ErrAlreadyExists)
	}
	if b.Disabled(s.GetUser()) {
		return nil, fmt.Errorf("session of %s: %w", s.GetUser(), job.ErrUserDisabled)
	}
	theirs := b.ofUser(SessionBucket, s.GetUser())
	order := slices.SortedFunc(maps.Keys(theirs), func(x, y Hash) int {
		a, b := theirs[x], theirs[y]
		return cmp.Or(cmp.Compare(a.lastUse, b.lastUse), cmp.Compare(a.id, b.id))
	})
	for _, old := range order[:max(0, len(order)-max(1, maxSessions)+1)] {
		if err := b.remove(SessionBucket, old); err != nil {
			return nil, err
		}
		deleted = append(deleted, theirs[old].id)
	}
	if err := b.signedIn(s.GetUser(), s.GetCreateTime().AsTime()); err != nil {
		return nil, err
	}
	return deleted, b.put(SessionBucket, hash, s)
}

// TouchSession stores when a session was last used. One that is gone is job.ErrNotFound.
func (b *Batch) TouchSession(hash Hash, at time.Time) error {
	s, err := Session(&b.tx.ReadTx, hash)
	if err != nil {
		return err
	}
	s.LastUseTime = timestamppb.New(at)
	return b.put(SessionBucket, hash, s)
}

// DeleteSession deletes a session and returns its id, or job.ErrNotFound.
func (b *Batch) DeleteSession(hash Hash) (id string, err error) {
	s, err := Session(&b.tx.ReadTx, hash)
	if err != nil {
		return "", err
	}
	return s.GetId(), b.remove(SessionBucket, hash)
}

// PurgeSessions deletes those of some sessions that are there and have ended.
func (b *Batch) PurgeSessions(hashes []Hash, ended func(*storev1.Session) bool) error {
	for _, hash := range hashes {
		raw := b.tx.Get(SessionBucket, hash[:])
		if raw == nil {
			continue
		}
		s, err := decode(raw, &storev1.Session{})
		if err != nil {
			return err
		}
		if !ended(s) { // it was used in the meantime
			continue
		}
		if err := b.remove(SessionBucket, hash); err != nil {
			return err
		}
	}
	return nil
}
