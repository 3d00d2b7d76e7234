package store

import (
	"fmt"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// Get answers a job in full. Of one that is seen only because it was shared, what leads
// to other things of its owner is left out; see reader.seen.
func (s *Store) Get(scope Scope, id job.ID) (*jobsv1.Job, error) {
	var found *jobsv1.Job
	err := s.read(func(r *reader) (err error) {
		found, err = r.jobIn(scope, id, jobsv1.JobView_JOB_VIEW_FULL)
		return err
	})
	if err != nil {
		return nil, err
	}
	if found == nil {
		return nil, notFound(id)
	}
	return found, nil
}

// GetMany answers several jobs in the order of ids, and the ids of those that do not exist for the scope.
func (s *Store) GetMany(scope Scope, ids []job.ID, view jobsv1.JobView) (jobs []*jobsv1.Job, missing []job.ID, _ error) {
	err := s.read(func(r *reader) error {
		for _, id := range ids {
			j, err := r.jobIn(scope, id, view)
			switch {
			case err != nil:
				return err
			case j == nil:
				missing = append(missing, id)
			default:
				jobs = append(jobs, j)
			}
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read %d jobs: %w", len(ids), err)
	}
	return jobs, missing, nil
}

// Record answers a job's hot record, with job.id and job.etag set. It is the caller's own.
func (s *Store) Record(scope Scope, id job.ID) (*storev1.Record, error) {
	var rec *storev1.Record
	err := s.read(func(r *reader) error {
		found, err := r.record(id)
		if err != nil || found == nil {
			return err
		}
		seen, err := r.seen(scope, id, found.GetJob())
		if seen {
			rec = found
		}
		return err
	})
	if err == nil && rec == nil {
		err = notFound(id)
	}
	return rec, err
}

// Active calls yield with the record of each job that is not final, oldest
// first, until it returns false. A job that changes meanwhile is there as it is when its turn comes, or not any more.
func (s *Store) Active(yield func(*storev1.Record) bool) error {
	p := plan{owner: anyOwner, service: anyService, states: active}
	w := walk{ix: s.ix, plan: &p, look: scanPause}
	for !w.done {
		var ids []job.ID
		s.ix.mu.RLock()
		w.run(func(e *Entry) bool {
			ids = append(ids, e.ID())
			return true
		})
		s.ix.mu.RUnlock()
		more, err := s.yieldActive(ids, yield)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// yieldActive reads some records at a time, and yields them outside of the transaction.
func (s *Store) yieldActive(ids []job.ID, yield func(*storev1.Record) bool) (more bool, _ error) {
	const some = 256
	for len(ids) > 0 {
		n := min(some, len(ids))
		recs := make([]*storev1.Record, 0, n)
		err := s.read(func(r *reader) error {
			for _, id := range ids[:n] {
				rec, err := r.record(id)
				if err != nil {
					return fmt.Errorf("read active jobs: %w", err)
				}
				if rec != nil && !job.Terminal(rec.GetJob().GetState()) {
					recs = append(recs, rec)
				}
			}
			return nil
		})
		if err != nil {
			return false, err
		}
		for _, rec := range recs {
			if !yield(rec) {
				return false, nil
			}
		}
		ids = ids[n:]
	}
	return true, nil
}
