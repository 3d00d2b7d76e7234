package store

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// KeepJob has a finished job kept against retention. bytes is what its folder takes. One that is kept already stays as it
// is. A job that is not finished is job.ErrConflict, and one more than its owner may keep job.ErrExhausted.
func (s *Store) KeepJob(ctx context.Context, scope Scope, id job.ID, bytes int64) (*jobsv1.Job, error) {
	return write(ctx, s, 1, func(b *batch) (*jobsv1.Job, error) {
		return b.update(scope, id, func(rec *storev1.Record) error {
			j := rec.GetJob()
			if j.GetKeepTime() != nil {
				return ErrUnchanged
			}
			if !job.Terminal(j.GetState()) {
				return job.Userf(job.ErrConflict, "Job %s has not ended yet. Keep it when it has; until then nothing deletes it.", id)
			}
			owner := j.GetOwner()
			limit := s.cfg.Limits.Of(job.QuotaKeptJobs)
			if n := int64(s.mem.index.KeptBy(owner).Jobs + b.kept[owner]); limit > 0 && n >= limit {
				return job.Full(job.Reached{Quota: job.QuotaKeptJobs, Subject: "user:" + owner, Field: "id", Limit: limit},
					"You keep %d jobs, which is as many as a user may keep.", n)
			}
			b.kept[owner]++
			j.KeepTime, j.KeptBytes = b.stamp, bytes
			return nil
		})
	})
}

// UnkeepJob takes back KeepJob.
func (s *Store) UnkeepJob(ctx context.Context, scope Scope, id job.ID) (*jobsv1.Job, error) {
	return s.Update(ctx, scope, id, func(rec *storev1.Record) error {
		if rec.GetJob().GetKeepTime() == nil {
			return ErrUnchanged
		}
		rec.Job.KeepTime, rec.Job.KeptBytes = nil, 0
		return nil
	})
}

// KeptBytes returns what the jobs take that an owner keeps.
func (s *Store) KeptBytes(owner string) int64 { return s.mem.index.KeptBy(owner).Bytes }

// ExpireTime returns when retention deletes a job; nil where it does not do so by time. Config.Retention may delete it
// earlier because of its number.
func (s *Store) ExpireTime(j *jobsv1.Job) *timestamppb.Timestamp {
	keep := s.cfg.Retention[j.GetState()]
	if keep.For <= 0 || !job.Terminal(j.GetState()) || j.GetKeepTime() != nil || j.GetCompleteTime() == nil {
		return nil
	}
	return timestamppb.New(j.GetCompleteTime().AsTime().Add(keep.For).Round(time.Microsecond))
}
