package jobs

import (
	"context"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/api/call"
	"github.com/stint-jobs/stint/internal/auth"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/workdir"
)

// Report takes in what the command of a job tells of itself. It changes nothing
// but the progress: an event makes the executor look, which alone knows what is true. It is over
// with the attempt that the token was made for.
func (s *Service) Report(ctx context.Context, req *jobsv1.ReportRequest) (*jobsv1.ReportResponse, error) {
	p, err := call.Caller(ctx)
	if err != nil {
		return nil, err
	}
	id, err := job.ParseID(req.GetId())
	if err != nil || id != p.Job {
		return nil, noJob(req.GetId()) // also when it exists
	}
	progress, err := reported(req)
	if err != nil {
		return nil, err
	}
	rec, err := s.cfg.Store.Record(store.Everyone, id) // the token is for this job alone
	if err != nil {
		return nil, orNoJob(err, req.GetId())
	}
	if err := attemptGoesOn(rec.GetJob(), p); err != nil {
		return nil, err
	}
	s.cfg.Scheduler.Report(id, p.Attempt, req.GetEvent(), progress)
	return &jobsv1.ReportResponse{}, nil
}

// attemptGoesOn refuses the token of an attempt that has ended, and one that
// does not belong to the job, as after the database was restored from an old copy.
func attemptGoesOn(j *jobsv1.Job, p auth.Principal) error {
	a := job.Attempt(j)
	if j.GetOwner() != p.User || job.Terminal(j.GetState()) || int(a.GetNumber()) != p.Attempt || a.GetCompleteTime() != nil {
		return auth.JobOver()
	}
	return nil
}

// reported is the progress in a request, checked; nil when it has none.
func reported(req *jobsv1.ReportRequest) (*workdir.Progress, error) {
	said := req.GetProgress()
	if said == nil {
		return nil, nil //nolint:nilnil // nothing was said
	}
	percent := -1
	if said.Percent != nil {
		percent = int(said.GetPercent())
	}
	progress, ok := workdir.ToldProgress(percent, said.GetMessage())
	if !ok {
		return nil, job.Invalid("progress", "must have a percent, or a message of 1 to 1024 bytes")
	}
	return &progress, nil
}
