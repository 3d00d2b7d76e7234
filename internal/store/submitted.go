package store

import (
	"bytes"
	"fmt"

	stintv1 "github.com/stint-jobs/stint/gen/stint/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// Submitted answers the jobs that an earlier Submit with the same owner and
// request id stored, as Submit itself would, and whether there was one. It lets a caller
// answer a repeated request before it checks whether it would still be accepted; that
// a request is new is decided by Submit alone.
func (s *Store) Submitted(o SubmitOptions) ([]*stintv1.Job, bool, error) {
	if o.RequestID == "" {
		return nil, false, nil
	}
	s.ix.mu.RLock()
	firsts := s.ix.requests.find(o.Owner, o.RequestID)
	s.ix.mu.RUnlock()
	var found []*stintv1.Job
	known := false
	err := s.read(func(r *reader) error {
		for _, first := range firsts {
			rec, err := r.record(first)
			if err != nil {
				return err
			}
			if rec == nil || rec.GetRequestId() != o.RequestID || rec.GetJob().GetOwner() != o.Owner {
				continue
			}
			if !bytes.Equal(rec.GetRequestHash(), o.RequestHash) {
				return job.ErrRequestIDReused
			}
			known = true
			for i := range max(1, rec.GetBatchSize()) {
				j, _, err := r.job(first+job.ID(i), stintv1.JobView_JOB_VIEW_FULL) //nolint:gosec // an index
				if err != nil {
					return err
				}
				if j != nil {
					found = append(found, j)
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, false, fmt.Errorf("look for request %q: %w", o.RequestID, err)
	}
	return found, known, nil
}
