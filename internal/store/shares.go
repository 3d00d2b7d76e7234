package store

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/file"
	"github.com/stint-jobs/stint/internal/store/index"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// Share gives a user rights of a job, in the place of those they have, and
// returns what was stored. SHARE_RIGHT_HISTORY is in every other right. Only the scope's own jobs can
// be shared, and not with their owner. It is no change of the job: it has no revision, but wakes KeyJob.
func (s *Store) Share(ctx context.Context, scope Scope, id job.ID, sh *jobsv1.Share) (*jobsv1.Share, error) {
	given := withHistory(sh.GetRights())
	out := &jobsv1.Share{JobId: id.String(), User: sh.GetUser(), Rights: given}
	err := s.do(ctx, 1, func(b *batch) error {
		owner, err := sharedBy(&b.tx.ReadTx, scope, id)
		switch {
		case err != nil:
			return err
		case owner == sh.GetUser():
			return job.Invalid("user", "is the owner of the job")
		}
		if raw := b.tx.Get(file.Shares, file.ShareKey(id, sh.GetUser())); raw != nil {
			if had, err := file.DecodeShare(id, raw); err != nil || slices.Equal(had.GetRights(), given) {
				out.CreateTime = had.GetCreateTime() // it is so already, and nothing is written
				return err
			}
		} else if err := b.mayShare(id, owner); err != nil {
			return err
		}
		out.CreateTime = b.stamp
		b.target = target{user: sh.GetUser(), jobs: []uint64{uint64(id)}}
		return b.tx.PutMessage(file.Shares, file.ShareKey(id, sh.GetUser()), &storev1.Share{Rights: given, CreateTime: b.stamp})
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Unshare takes back all that a user was given of a job. When it returns, no read sees the job for them any more.
func (s *Store) Unshare(ctx context.Context, scope Scope, id job.ID, user string) error {
	return s.do(ctx, 1, func(b *batch) error {
		if _, err := sharedBy(&b.tx.ReadTx, scope, id); err != nil {
			return err
		}
		key := file.ShareKey(id, user)
		if b.tx.Get(file.Shares, key) == nil {
			return nil
		}
		b.target = target{user: user, jobs: []uint64{uint64(id)}}
		return b.tx.Delete(file.Shares, key)
	})
}

func withHistory(list []jobsv1.ShareRight) []jobsv1.ShareRight {
	all := append(slices.Clone(list), jobsv1.ShareRight_SHARE_RIGHT_HISTORY)
	slices.Sort(all)
	return slices.Compact(all)
}

func sharedBy(tx *kv.ReadTx, scope Scope, id job.ID) (string, error) {
	h, err := file.GetHeader(tx, id)
	if err == nil && (h == nil || !scope.Includes(h.GetOwner())) {
		err = file.NotFound(id)
	}
	return h.GetOwner(), err
}

// mayShare refuses one more share of a job than it or its owner may have, and counts it.
func (b *batch) mayShare(id job.ID, owner string) error {
	n := int64(0)
	for range file.SharesOf(&b.tx.ReadTx, id, "") {
		n++
	}
	if limit := b.s.cfg.Limits.Of(job.QuotaSharesOfJob); n >= limit {
		return job.Full(job.Reached{Quota: job.QuotaSharesOfJob, Subject: "job:" + id.String(), Field: "user", Limit: limit},
			"A job can be shared with at most %d users.", limit)
	}
	n = int64(b.s.mem.index.CountSharedBy(owner) + b.shares[owner])
	if limit := b.s.cfg.Limits.Of(job.QuotaShares); n >= limit {
		return job.Full(job.Reached{Quota: job.QuotaShares, Subject: "user:" + owner, Field: "user", Limit: limit},
			"There are %d shares of your jobs, which is as many as a user may have.", limit)
	}
	b.shares[owner]++
	return nil
}

// unshareAll takes a job back from everybody: it is about to be deleted.
func (b *batch) unshareAll(id job.ID) error {
	var keys [][]byte
	for k := range file.SharesOf(&b.tx.ReadTx, id, "") {
		keys = append(keys, bytes.Clone(k))
	}
	for _, k := range keys {
		if err := b.tx.Delete(file.Shares, k); err != nil {
			return err
		}
	}
	return nil
}

// Sees reports whether a job is there and in the scope, without reading the
// disk: for what goes on for a while and must end with the right to it.
func (s *Store) Sees(scope Scope, id job.ID) bool { return s.mem.index.Sees(scope, id) }

// Shares returns with whom a job of the scope is shared, in the order of users
// behind after, at most limit, and whether there are more.
func (s *Store) Shares(scope Scope, id job.ID, after string, limit int) (list []*jobsv1.Share, more bool, _ error) {
	err := s.view(func(tx *kv.ReadTx) error {
		if _, err := sharedBy(tx, scope, id); err != nil { // a share does not tell of the others
			return err
		}
		for k, raw := range file.SharesOf(tx, id, after) {
			if more = len(list) == limit; more {
				return nil
			}
			sh, err := file.DecodeShare(id, raw)
			if err != nil {
				return err
			}
			list = append(list, &jobsv1.Share{JobId: id.String(), User: string(k[8:]), Rights: sh.GetRights(), CreateTime: sh.GetCreateTime()})
		}
		return nil
	})
	return list, more, err
}

// SharePosition is a position in the list of what is shared with a user. The zero value is before its first entry.
type SharePosition = index.SharePosition

// SharedWith returns what others share with a user, newest first, behind a
// position, at most limit, and the position to go on behind; nil at the end. The jobs are in
// the BASIC view, as Get returns shared ones.
func (s *Store) SharedWith(user string, after SharePosition, limit int) ([]*jobsv1.Share, *SharePosition, error) {
	positions, next := s.mem.index.SharedWith(user, after, limit)
	list := make([]*jobsv1.Share, 0, len(positions))
	scope := OwnedBy(user).With(jobsv1.ShareRight_SHARE_RIGHT_HISTORY)
	err := s.view(func(tx *kv.ReadTx) error {
		for _, p := range positions {
			j, err := jobIn(tx, scope, p.Job, jobsv1.JobView_JOB_VIEW_BASIC)
			if err != nil {
				return err
			}
			raw := tx.Get(file.Shares, file.ShareKey(p.Job, user))
			if j == nil || raw == nil {
				continue // taken back a moment ago
			}
			sh, err := file.DecodeShare(p.Job, raw)
			if err != nil {
				return err
			}
			list = append(list, &jobsv1.Share{JobId: p.Job.String(), User: user, Rights: sh.GetRights(), CreateTime: sh.GetCreateTime(), Job: j})
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read what is shared with %s: %w", user, err)
	}
	return list, next, nil
}
