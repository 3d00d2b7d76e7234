package store

import (
	"fmt"
	"math"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/index"
)

// Get returns a job in full. Of one that is seen only because it was shared, what leads
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

// GetBounded is GetMany for what is sent at once. Jobs with more than maxBytes in all are refused before they are decoded.
func (s *Store) GetBounded(scope Scope, ids []job.ID, view jobsv1.JobView, maxBytes int) (jobs []*jobsv1.Job, missing []job.ID, _ error) {
	size := 0
	err := s.read(func(r *reader) error {
		for _, id := range ids {
			size += r.size(id, view)
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read the sizes of %d jobs: %w", len(ids), err)
	}
	if size > maxBytes && len(ids) > 1 {
		return nil, nil, job.Userf(job.ErrTooLarge, "These jobs are larger than what is sent at once. Ask for fewer at a time, or for the basic view.")
	}
	return s.GetMany(scope, ids, view)
}

// GetMany returns several jobs in the order of ids, and the ids of those that do not exist for the scope.
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

// Record returns a job's hot record, with job.id and job.etag set. It is the caller's own.
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

// Active returns the ids of the jobs that are not final, in the order of ids. It reads the index alone, so a
// record that cannot be read is named too, unless it was put aside when the store was opened.
func (s *Store) Active() []job.ID {
	return s.ix.Active(jobsv1.State_STATE_UNSPECIFIED, 0, math.MaxInt).IDs
}

// Summarize returns the exact counts of the jobs in the scope by service and state.
func (s *Store) Summarize(scope Scope) *jobsv1.Summary {
	counts := s.ix.Summarize(scope)
	sum := &jobsv1.Summary{
		Total: stateCounts(&counts.Total), Revision: counts.Revision,
		Services: make(map[string]*jobsv1.StateCounts, len(counts.Services)),
	}
	for service, c := range counts.Services {
		sum.Services[service] = stateCounts(&c)
	}
	return sum
}

func stateCounts(c *index.StateCounts) *jobsv1.StateCounts {
	return &jobsv1.StateCounts{
		Queued:    c.Of(jobsv1.State_STATE_QUEUED),
		Running:   c.Of(jobsv1.State_STATE_RUNNING),
		Completed: c.Of(jobsv1.State_STATE_COMPLETED),
		Failed:    c.Of(jobsv1.State_STATE_FAILED),
		Cancelled: c.Of(jobsv1.State_STATE_CANCELLED),
	}
}

// Load returns how many jobs of the scope are queued and how many are running.
func (s *Store) Load(scope Scope) (queued, running int) { return s.ix.Load(scope) }
