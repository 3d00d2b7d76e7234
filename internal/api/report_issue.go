package api

import (
	"context"
	"strings"

	storev1 "github.com/stint-jobs/stint/gen/stint/store/v1"
	stintv1 "github.com/stint-jobs/stint/gen/stint/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// maxDescription is the longest description of a problem in bytes.
const maxDescription = 10_000

// ReportIssue stores a problem with a job, with the job's facts, and passes it on.
func (s *jobs) ReportIssue(ctx context.Context, req *stintv1.ReportIssueRequest) (*stintv1.ReportIssueResponse, error) {
	if err := job.CheckText("description", req.GetDescription(), maxDescription).Err(); err != nil {
		return nil, err
	}
	p, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	j, err := s.find(ctx, req.GetId())
	if err != nil {
		return nil, err
	}
	if j.GetState() != stintv1.State_STATE_FAILED && strings.TrimSpace(req.GetDescription()) == "" {
		return nil, job.Invalid("description", "must say what is wrong, since the job did not fail")
	}
	id, err := job.ParseID(j.GetId())
	if err != nil {
		return nil, err
	}
	report := &storev1.Issue{Reporter: p.User, Description: req.GetDescription(), Job: j}
	issue, err := s.Store.AddIssue(ctx, id, report)
	if err != nil {
		return nil, err
	}
	if s.OnIssue != nil {
		s.OnIssue(issue.String(), report)
	}
	return &stintv1.ReportIssueResponse{IssueId: issue.String()}, nil
}
