package store

import (
	"bytes"
	"fmt"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// Submitted answers the jobs that an earlier Submit with the same owner and
// request id stored, as Submit itself would, and whether there was one. It lets a caller
// answer a repeated request before it checks whether it would still be accepted; that
// a request is new is decided by Submit alone.
func (s *Store) Submitted(o SubmitOptions) (jobs []*jobsv1.Job, found bool, err error) {
	if o.RequestID == "" {
		return nil, false, nil
	}
	s.ix.mu.RLock()
	firsts := s.ix.requests.find(o.Owner, o.RequestID)
	s.ix.mu.RUnlock()
	err = s.read(func(r *reader) error {
		first, rec, err := r.firstOfRequest(firsts, o.Owner, o.RequestID)
		if err != nil || rec == nil {
			return err
		}
		found = true
		jobs, err = r.jobsOfRequest(first, rec, o.RequestHash)
		return err
	})
	if err != nil {
		return nil, false, fmt.Errorf("look for request %q: %w", o.RequestID, err)
	}
	return jobs, found, nil
}

// firstOfRequest answers which of the jobs is the first of the request; nil when none is.
func (r *reader) firstOfRequest(firsts []job.ID, owner, request string) (job.ID, *storev1.Record, error) {
	for _, id := range firsts {
		rec, err := r.record(id)
		if err != nil {
			return 0, nil, err
		}
		if rec != nil && rec.GetRequestId() == request && rec.GetJob().GetOwner() == owner {
			return id, rec, nil
		}
	}
	return 0, nil, nil
}

// jobsOfRequest answers the jobs of a request that are still there, by its
// first one. Another hash is job.ErrRequestIDReused.
func (r *reader) jobsOfRequest(first job.ID, rec *storev1.Record, hash []byte) ([]*jobsv1.Job, error) {
	if !bytes.Equal(rec.GetRequestHash(), hash) {
		return nil, job.ErrRequestIDReused
	}
	jobs := []*jobsv1.Job{}
	for i := range max(1, rec.GetBatchSize()) {
		j, _, err := r.job(first+job.ID(i), jobsv1.JobView_JOB_VIEW_FULL)
		if err != nil {
			return nil, err
		}
		if j != nil {
			jobs = append(jobs, j)
		}
	}
	return jobs, nil
}
