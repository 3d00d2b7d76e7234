package store

import (
	"fmt"
	"math"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/file"
	"github.com/stint-jobs/stint/internal/store/index"
	"github.com/stint-jobs/stint/internal/store/kv"
	"github.com/stint-jobs/stint/internal/weight"
)

// Get returns a job in full. Of one that is seen only because it was shared, what leads
// to other things of its owner is left out; see reader.seen.
func (s *Store) Get(scope Scope, id job.ID) (*jobsv1.Job, error) {
	found, err := read(s, func(tx *kv.ReadTx) (*jobsv1.Job, error) { return jobIn(tx, scope, id, jobsv1.JobView_JOB_VIEW_FULL) })
	if err == nil && found == nil {
		err = file.NotFound(id)
	}
	return found, err
}

// GetMany returns several jobs in the order of ids, and the ids of those that do not exist for the scope. Where they are
// more than the bound together they are refused before they are decoded.
func (s *Store) GetMany(scope Scope, ids []job.ID, view jobsv1.JobView, bound weight.Bound) (jobs []*jobsv1.Job, missing []job.ID, _ error) {
	err := s.view(func(tx *kv.ReadTx) error {
		room := weight.NewBudget(bound)
		for _, id := range ids {
			if !room.Add(file.Stored(tx, id, view)...) {
				return job.Userf(job.ErrTooLarge, "These jobs are larger than what is sent at once. Ask for fewer at a time, or for the basic view.")
			}
		}
		for _, id := range ids {
			j, err := jobIn(tx, scope, id, view)
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

// GetPart returns the jobs of the first ids, as many as the bound allows and one at least. taken is how many ids that are; those of
// them that do not exist for the scope are left out.
func (s *Store) GetPart(scope Scope, ids []job.ID, view jobsv1.JobView, bound weight.Bound) (jobs []*jobsv1.Job, taken int, _ error) {
	err := s.view(func(tx *kv.ReadTx) error {
		room := weight.NewBudget(bound)
		for i, id := range ids {
			if !room.Add(file.Stored(tx, id, view)...) {
				return nil
			}
			j, err := jobIn(tx, scope, id, view)
			if err != nil {
				return err
			}
			if taken = i + 1; j != nil {
				jobs = append(jobs, j)
			}
		}
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read %d jobs: %w", len(ids), err)
	}
	return jobs, taken, nil
}

// Record returns a job's hot record, with job.id and job.etag set. It is the caller's own.
func (s *Store) Record(scope Scope, id job.ID) (*storev1.Record, error) {
	rec, err := read(s, func(tx *kv.ReadTx) (*storev1.Record, error) {
		rec, err := file.Get(tx, id)
		if err != nil || rec == nil {
			return nil, err
		}
		if ok, err := seen(tx, scope, id, rec.GetJob()); !ok || err != nil {
			return nil, err
		}
		return rec, nil
	})
	if err == nil && rec == nil {
		err = file.NotFound(id)
	}
	return rec, err
}

// Active returns the ids of the jobs that are not final, in the order of ids. It reads the index alone, so a
// record that cannot be read is named too, unless it was put aside when the store was opened.
func (s *Store) Active() []job.ID {
	return s.mem.index.Active(jobsv1.State_STATE_UNSPECIFIED, 0, math.MaxInt).IDs
}

// Summarize returns the exact counts of the jobs in the scope by service and state.
func (s *Store) Summarize(scope Scope) *jobsv1.Summary {
	sum, _ := s.SummarizeAt(scope)
	return sum
}

// SummarizeAt is Summarize, and returns also the revision that the counts hold at.
func (s *Store) SummarizeAt(scope Scope) (*jobsv1.Summary, uint64) {
	return s.mem.index.Summarize(scope)
}

// Load returns how many jobs of the scope are queued and how many are running.
func (s *Store) Load(scope Scope) (queued, running int) { return s.mem.index.Load(scope) }

// ErrDamaged is for a record that is there and cannot be decoded.
var ErrDamaged = file.ErrDamaged

// Brief is what of a job's record says where the job waits.
type Brief = file.Brief

// Briefs reads several jobs in the order of ids, in one transaction and of each record only the header.
func (s *Store) Briefs(ids []job.ID) ([]Brief, error) {
	return read(s, func(tx *kv.ReadTx) ([]Brief, error) { return file.Briefs(tx, ids), nil })
}

// Scope is whose jobs a caller may see. Every read takes one, and a job outside
// of it does not exist: job.ErrNotFound. The zero value sees nothing.
type Scope = index.Scope

// Everyone sees all jobs. It is for operators and for the server itself.
var Everyone = Scope{All: true}

// OwnedBy returns the scope that sees the jobs of one owner.
func OwnedBy(owner string) Scope { return Scope{Owner: owner} }

// seen reports whether a job is in the scope. From one that is only because it
// was shared it takes what leads to other things of its owner: folders of
// their workspace, and the jobs that it belongs to and repeats.
func seen(tx *kv.ReadTx, scope Scope, id job.ID, j *jobsv1.Job) (bool, error) {
	if scope.Includes(j.GetOwner()) {
		return true, nil
	}
	if scope.Owner == "" || scope.Right == jobsv1.ShareRight_SHARE_RIGHT_UNSPECIFIED {
		return false, nil
	}
	raw := tx.Get(file.Shares, file.ShareKey(id, scope.Owner))
	if raw == nil {
		return false, nil
	}
	sh, err := file.DecodeShare(id, raw)
	if err != nil || !index.RightsOf(sh.GetRights()).Has(scope.Right) {
		return false, err
	}
	hideFromOthers(j)
	return true, nil
}

// hideFromOthers takes from a job what they do not see with whom it is shared.
func hideFromOthers(j *jobsv1.Job) {
	j.OutputFolder, j.ResultFolder, j.ParentId, j.RerunOf, j.InputNote = "", "", "", "", ""
}

// jobIn decodes a job. It returns nil when there is none in the scope.
func jobIn(tx *kv.ReadTx, scope Scope, id job.ID, view jobsv1.JobView) (*jobsv1.Job, error) {
	j, err := file.GetJob(tx, id, view)
	if err != nil || j == nil {
		return nil, err
	}
	if ok, err := seen(tx, scope, id, j); !ok || err != nil {
		return nil, err
	}
	return j, nil
}
