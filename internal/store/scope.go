package store

import (
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/file"
	"github.com/stint-jobs/stint/internal/store/index"
	"github.com/stint-jobs/stint/internal/store/kv"
)

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
	j.OutputFolder, j.ResultFolder, j.ParentId, j.RerunOf = "", "", "", ""
	return true, nil
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
