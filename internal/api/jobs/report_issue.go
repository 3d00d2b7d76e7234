package jobs

import (
	"context"
	"strings"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/api/call"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// ReportIssue stores a problem with a job, with the job's facts, and passes it on.
func (s *Service) ReportIssue(ctx context.Context, req *jobsv1.ReportIssueRequest) (*jobsv1.ReportIssueResponse, error) {
	p, err := call.Caller(ctx)
	if err != nil {
		return nil, err
	}
	j, err := s.find(ctx, req.GetId())
	if err != nil {
		return nil, err
	}
	if j.GetState() != jobsv1.State_STATE_FAILED && strings.TrimSpace(req.GetDescription()) == "" {
		return nil, job.Invalid("description", "must say what is wrong, since the job did not fail")
	}
	id, err := job.ParseID(j.GetId())
	if err != nil {
		return nil, err
	}
	if wait, ok := s.reports.Take(p.User); !ok {
		limit := s.cfg.Limits.Of(job.QuotaReportsPerDay)
		full := job.Full(job.Reached{Quota: job.QuotaReportsPerDay, Subject: "user:" + p.User, Limit: limit},
			"You have reported %d problems in a day, which is as many as are taken.", limit)
		full.RetryAfter = wait
		return nil, full
	}
	report := &storev1.Issue{Reporter: p.User, Description: req.GetDescription(), Job: j}
	issue, err := s.cfg.Store.AddIssue(ctx, id, report)
	if err != nil {
		s.reports.GiveBack(p.User) // such as on a full disk
		return nil, err
	}
	if s.cfg.OnIssue != nil {
		s.cfg.OnIssue(issue.String(), report)
	}
	return &jobsv1.ReportIssueResponse{IssueId: issue.String()}, nil
}

// ReportsToday returns how many reports of problems count for a user against those of a day.
func (s *Service) ReportsToday(user string) int64 { return s.reports.Spent(user) }
