package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/file"
	"github.com/stint-jobs/stint/internal/store/index"
)

// Update lets fn change the job's record and stores it. fn runs in the writer,
// one at a time, on a private copy of the record as all earlier writes left it, with job.id set and
// without job.parameters. It must be quick and not call the store. An error of fn changes nothing and
// is returned as it is; ErrUnchanged, or leaving the record as it was, changes nothing and is
// no error. The store itself sets revision and etag and appends to history, and it refuses a
// change of what Submit fixed, and one of the state that is not legal. Returned is the job as stored, without parameters.
func (s *Store) Update(ctx context.Context, scope Scope, id job.ID, fn func(*storev1.Record) error) (*jobsv1.Job, error) {
	return write(ctx, s, 1, func(b *batch) (*jobsv1.Job, error) { return b.update(scope, id, fn) })
}

// UpdateResult is what became of one job of an UpdateMany.
type UpdateResult struct {
	// ID of the job.
	ID job.ID
	// Job as stored, without parameters. Nil on error.
	Job *jobsv1.Job
	// Err is fn's error, job.ErrNotFound, or nil.
	Err error
}

// UpdateMany is Update for several jobs in one commit, each with its own
// result, in the order of ids. Its error means that nothing was changed.
func (s *Store) UpdateMany(ctx context.Context, scope Scope, ids []job.ID, fn func(*storev1.Record) error) ([]UpdateResult, error) {
	results := make([]UpdateResult, len(ids))
	err := s.do(ctx, len(ids), func(b *batch) error {
		for i, id := range ids {
			j, err := b.update(scope, id, fn)
			results[i] = UpdateResult{ID: id, Job: j, Err: err}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("update %d jobs: %w", len(ids), err)
	}
	return results, nil
}

// fixed is what Submit fixed of a job, but for what is dear to compare.
type fixed struct {
	owner, service, name, folder, parent, rerun, executor string
	priority                                              int32
	submit                                                int64
}

func fixedOf(j *jobsv1.Job) fixed {
	return fixed{
		j.GetOwner(), j.GetService(), j.GetOutputName(), j.GetOutputFolder(), j.GetParentId(), j.GetRerunOf(), j.GetExecutor(),
		j.GetPriority(), file.Nanos(j.GetSubmitTime()),
	}
}

// update stages what fn makes of a job.
func (b *batch) update(scope Scope, id job.ID, fn func(*storev1.Record) error) (*jobsv1.Job, error) {
	raw := b.tx.Get(file.Jobs, id.Key())
	if raw == nil {
		return nil, file.NotFound(id)
	}
	rec, err := file.Decode(id, raw)
	if err != nil {
		return nil, err
	}
	j := rec.GetJob()
	if !scope.Includes(j.GetOwner()) {
		return nil, file.NotFound(id)
	}
	was, before := fixedOf(j), file.StatusOf(j)
	changed, err := b.change(id, rec, fn)
	if err != nil {
		return nil, err
	}
	if !changed {
		rec, err = file.Decode(id, raw) // fn may have left its mark on the copy
		return rec.GetJob(), err
	}
	if rec.GetJob() != j || fixedOf(j) != was {
		return nil, fmt.Errorf("update job %s: what the request said is fixed: %w", id, job.ErrConflict)
	}
	after := file.StatusOf(j)
	if after.State != before.State && !job.Legal(before.State, after.State) {
		return nil, fmt.Errorf("update job %s from %v to %v: %w", id, before.State, after.State, job.ErrConflict)
	}
	j.Parameters = nil
	if b.same(rec, raw) {
		return j, nil
	}
	if err := b.store(id, rec, before); err != nil {
		return nil, err
	}
	return j, nil
}

func (b *batch) same(rec *storev1.Record, raw []byte) bool {
	start := len(b.buf) // what is encoded here is not kept
	again, err := b.encode(rec)
	b.buf = b.buf[:start]
	return err == nil && bytes.Equal(again, raw)
}

func (b *batch) store(id job.ID, rec *storev1.Record, was file.Status) error {
	j := rec.GetJob()
	before := b.counters
	j.Revision = b.nextRevision()
	file.BoundAttempts(j)
	if file.StatusOf(j) != was {
		file.AppendHistory(j, b.stamp)
	}
	raw, err := b.encode(rec)
	if err != nil {
		b.counters = before
		return fmt.Errorf("update job %s: %w", id, err)
	}
	if err := b.tx.Put(file.Jobs, id.Key(), raw); err != nil {
		return err
	}
	j.Etag = file.Etag(j.GetRevision())
	b.changes = append(b.changes, index.ChangedJob{ID: id, Owner: j.GetOwner()})
	b.countActive(j.GetOwner(), activeJobs(j.GetState())-activeJobs(was.State))
	return nil
}

func activeJobs(s jobsv1.State) int64 {
	if job.Terminal(s) {
		return 0
	}
	return 1
}

// change calls fn and outlives its panic: one bad caller must not end everybody's writes.
func (b *batch) change(id job.ID, rec *storev1.Record, fn func(*storev1.Record) error) (changed bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			b.s.cfg.Logger.Error("panic in a change of a job", "job", id, "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("update job %s: panic: %v", id, p)
		}
	}()
	switch err = fn(rec); {
	case errors.Is(err, ErrUnchanged):
		return false, nil
	default:
		return err == nil, err
	}
}
