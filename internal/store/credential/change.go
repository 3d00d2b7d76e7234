package credential

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/kv"
)

func put(tx *kv.Tx, bucket string, hash Hash, c credential) error {
	return cmp.Or(tx.PutMessage(bucket, hash[:], c), tx.Put(OwnerBucket, ownerKey(bucket, c.GetUser(), hash), []byte(c.GetId())))
}

func remove(tx *kv.Tx, bucket string, r ref) error {
	return cmp.Or(tx.Delete(bucket, r.hash[:]), tx.Delete(OwnerBucket, ownerKey(bucket, r.user, r.hash)))
}

// PutToken stores a token. One with the same id or secret is job.ErrAlreadyExists, and one more than
// maxTokens of the same user is job.ErrExhausted. Zero is no bound.
func PutToken(tx *kv.Tx, hash Hash, t *storev1.Token, maxTokens int) error {
	if Disabled(&tx.ReadTx, t.GetUser()) {
		return job.Userf(job.ErrUserDisabled, "%s is disabled and gets no API tokens. An operator can enable them again.", t.GetUser())
	}
	_, err := find(&tx.ReadTx, TokenBucket, t.GetId(), "")
	if err == nil || tx.Get(TokenBucket, hash[:]) != nil {
		return fmt.Errorf("token %s: %w", t.GetId(), job.ErrAlreadyExists)
	}
	if maxTokens > 0 && Count(&tx.ReadTx, TokenBucket, t.GetUser()) >= maxTokens {
		return job.Full(job.Reached{Quota: job.QuotaTokens, Subject: "user:" + t.GetUser(), Field: "user", Limit: int64(maxTokens)},
			"%s has %d API tokens, and may have no more.", t.GetUser(), maxTokens)
	}
	return put(tx, TokenBucket, hash, t)
}

// TouchTokens stores when tokens were last used. It leaves out tokens that are gone, and times that
// are not later than what is stored.
func TouchTokens(tx *kv.Tx, uses map[Hash]time.Time) error {
	for hash, at := range uses {
		t, err := Token(&tx.ReadTx, hash)
		if err != nil || t.GetLastUseTime() != nil && !at.After(t.GetLastUseTime().AsTime()) {
			continue
		}
		t.LastUseTime = timestamppb.New(at)
		if err := tx.PutMessage(TokenBucket, hash[:], t); err != nil {
			return err
		}
	}
	return nil
}

// PutSession stores a session and deletes the least recently used others of its user, so that at
// most maxSessions are left. It returns the ids of those. It reads no session of others. A user who is
// disabled gets none.
func PutSession(tx *kv.Tx, hash Hash, s *storev1.Session, maxSessions int) (deleted []string, err error) {
	if tx.Get(SessionBucket, hash[:]) != nil {
		return nil, fmt.Errorf("session %s: %w", s.GetId(), job.ErrAlreadyExists)
	}
	if Disabled(&tx.ReadTx, s.GetUser()) {
		return nil, fmt.Errorf("session of %s: %w", s.GetUser(), job.ErrUserDisabled)
	}
	theirs := refs(&tx.ReadTx, SessionBucket, s.GetUser())
	used := make(map[Hash]int64, len(theirs))
	for _, r := range theirs {
		old, err := Session(&tx.ReadTx, r.hash)
		if err != nil {
			return nil, err
		}
		used[r.hash] = nanos(old.GetLastUseTime())
	}
	slices.SortFunc(theirs, func(a, b ref) int { return cmp.Or(cmp.Compare(used[a.hash], used[b.hash]), cmp.Compare(a.id, b.id)) })
	for _, old := range theirs[:max(0, len(theirs)-max(1, maxSessions)+1)] {
		if err := remove(tx, SessionBucket, old); err != nil {
			return nil, err
		}
		deleted = append(deleted, old.id)
	}
	if tx.Get(UserBucket, []byte(s.GetUser())) == nil {
		err = ChangeUser(tx, s.GetUser(), func(u *storev1.User) { u.FirstSignInTime = timestamppb.New(s.GetCreateTime().AsTime()) })
	}
	return deleted, cmp.Or(err, put(tx, SessionBucket, hash, s))
}

// TouchSession stores when a session was last used. One that is gone is job.ErrNotFound.
func TouchSession(tx *kv.Tx, hash Hash, at time.Time) error {
	s, err := Session(&tx.ReadTx, hash)
	if err != nil {
		return err
	}
	s.LastUseTime = timestamppb.New(at)
	return tx.PutMessage(SessionBucket, hash[:], s)
}

// DeleteSession deletes a session and returns its id, or job.ErrNotFound.
func DeleteSession(tx *kv.Tx, hash Hash) (id string, err error) {
	s, err := Session(&tx.ReadTx, hash)
	if err != nil {
		return "", err
	}
	return s.GetId(), remove(tx, SessionBucket, ref{user: s.GetUser(), hash: hash})
}

// Delete deletes the credential of a bucket with an id and returns its user. It returns job.ErrNotFound
// where there is none, or where it is not of user. An empty user is any.
func Delete(tx *kv.Tx, bucket, id, user string) (owner string, err error) {
	r, err := find(&tx.ReadTx, bucket, id, user)
	if err != nil {
		return "", err
	}
	return r.user, remove(tx, bucket, r)
}

// End deletes the credentials of a user in a bucket and returns their ids.
func End(tx *kv.Tx, bucket, user string) (ids []string, err error) {
	for _, r := range refs(&tx.ReadTx, bucket, user) {
		if err := remove(tx, bucket, r); err != nil {
			return nil, err
		}
		ids = append(ids, r.id)
	}
	slices.Sort(ids)
	return ids, nil
}

// EndedSessions returns the secrets of the sessions that have ended.
func EndedSessions(tx *kv.ReadTx, ended func(*storev1.Session) bool) (hashes []Hash, _ error) {
	for _, r := range refs(tx, SessionBucket, "") {
		s, err := Session(tx, r.hash)
		if err != nil {
			return nil, err
		}
		if ended(s) {
			hashes = append(hashes, r.hash)
		}
	}
	return hashes, nil
}

// PurgeSessions deletes those of some sessions that are there and have ended.
func PurgeSessions(tx *kv.Tx, hashes []Hash, ended func(*storev1.Session) bool) error {
	for _, hash := range hashes {
		s, err := Session(&tx.ReadTx, hash)
		if errors.Is(err, job.ErrNotFound) || err == nil && !ended(s) { // it was used in the meantime
			continue
		}
		if err := cmp.Or(err, remove(tx, SessionBucket, ref{user: s.GetUser(), hash: hash})); err != nil {
			return err
		}
	}
	return nil
}
