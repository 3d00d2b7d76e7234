package store

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	bolt "go.etcd.io/bbolt"
	"google.golang.org/protobuf/proto"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// MaxShares is the most users that a job can be shared with. It is part of the API.
const MaxShares = 100

// Share gives a user rights of a job, in the place of those they have, and
// answers what was stored. SHARE_RIGHT_HISTORY is in every other right. Only the scope's own jobs can
// be shared, and not with their owner. It is no change of the job: it has no revision, but wakes KeyJob.
func (s *Store) Share(ctx context.Context, scope Scope, id job.ID, sh *jobsv1.Share) (*jobsv1.Share, error) {
	given := withHistory(sh.GetRights())
	out := &jobsv1.Share{JobId: id.String(), User: sh.GetUser(), Rights: given}
	err := s.do(ctx, 1, func(b *batch) error {
		owner, err := b.sharedBy(scope, id)
		switch {
		case err != nil:
			return err
		case owner == sh.GetUser():
			return job.Invalid("user", "is the owner of the job")
		case b.full(id, sh.GetUser()):
			return job.Userf(job.ErrExhausted, "A job can be shared with at most %d users; take one of them back first.", MaxShares)
		}
		raw, err := proto.Marshal(&storev1.Share{Rights: given, CreateTime: b.stamp})
		if err != nil {
			return fmt.Errorf("encode a share of job %s: %w", id, err)
		}
		out.CreateTime = b.stamp
		b.dirty, b.about = true, aboutJob(id, sh.GetUser())
		b.shared = append(b.shared, shareChange{id, grantee{sh.GetUser(), rightsOf(given), nanos(b.stamp)}})
		return b.put(bucketShares, shareKey(id, sh.GetUser()), raw)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Unshare takes back all that a user was given of a job. When it returns, no read sees the job for them any more.
func (s *Store) Unshare(ctx context.Context, scope Scope, id job.ID, user string) error {
	return s.do(ctx, 1, func(b *batch) error {
		if _, err := b.sharedBy(scope, id); err != nil {
			return err
		}
		key := shareKey(id, user)
		if b.shares.Get(key) == nil {
			return nil
		}
		b.about = aboutJob(id, user)
		return b.unshare(id, key)
	})
}

// withHistory is a set of rights in order, with the one that all others include.
func withHistory(list []jobsv1.ShareRight) []jobsv1.ShareRight {
	all := append(slices.Clone(list), jobsv1.ShareRight_SHARE_RIGHT_HISTORY)
	slices.Sort(all)
	return slices.Compact(all)
}

// sharedBy is the owner of a job that the scope may share.
func (b *batch) sharedBy(scope Scope, id job.ID) (string, error) {
	rec, err := b.record(id)
	if err != nil {
		return "", err
	}
	if rec == nil || !scope.sees(rec.GetJob().GetOwner()) {
		return "", notFound(id)
	}
	return rec.GetJob().GetOwner(), nil
}

// full reports whether a job is shared with as many as it can be, of whom the user is none.
func (b *batch) full(id job.ID, user string) bool {
	n := 0
	for _, k := range keysOf(b.shares, id) {
		if string(k[8:]) == user {
			return false
		}
		n++
	}
	return n >= MaxShares
}

// keysOf are copies of the keys of all shares of a job, sorted by user.
func keysOf(shares *bolt.Bucket, id job.ID) [][]byte {
	var keys [][]byte
	c := shares.Cursor()
	for k, _ := c.Seek(id.Key()); bytes.HasPrefix(k, id.Key()); k, _ = c.Next() {
		keys = append(keys, bytes.Clone(k))
	}
	return keys
}

func (b *batch) unshare(id job.ID, key []byte) error {
	b.dirty = true
	b.shared = append(b.shared, shareChange{id: id, grantee: grantee{user: string(key[8:])}})
	return b.remove(bucketShares, key)
}

// unshareAll takes a job back from everybody: it is about to be deleted.
func (b *batch) unshareAll(id job.ID) error {
	for _, k := range keysOf(b.shares, id) {
		if err := b.unshare(id, k); err != nil {
			return err
		}
	}
	return nil
}
