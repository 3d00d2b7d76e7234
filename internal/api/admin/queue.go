package admin

import (
	"context"
	"strconv"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/api/call"
	"github.com/stint-jobs/stint/internal/api/page"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
)

// queue is the QueueService.
type queue struct {
	adminv1.UnimplementedQueueServiceServer
	cfg Config
}

// ListQueue returns the waiting and running jobs of all users, in the order in
// which they were submitted. The store masks those that the caller may not see. A page token
// is the sealed id of the last row, so that all tokens are of one length.
func (s *queue) ListQueue(ctx context.Context, req *adminv1.ListQueueRequest) (*adminv1.ListQueueResponse, error) {
	p, err := call.Caller(ctx)
	if err != nil {
		return nil, err
	}
	scope, err := call.Reach(ctx)
	if err != nil {
		return nil, err
	}
	switch req.GetState() {
	case jobsv1.State_STATE_UNSPECIFIED, jobsv1.State_STATE_QUEUED, jobsv1.State_STATE_RUNNING:
	default:
		return nil, job.Invalid("state", "must be QUEUED or RUNNING: jobs in other states are not in the queue")
	}
	limit, err := page.Size(req.GetPageSize(), page.Default, page.Max)
	if err != nil {
		return nil, err
	}
	bound := []string{"queue", p.User, strconv.FormatBool(scope.All), req.GetState().String()}
	q := store.QueueQuery{Scope: scope.With(jobsv1.ShareRight_SHARE_RIGHT_HISTORY), State: req.GetState(), Limit: limit}
	after, err := s.cfg.Pages.OpenNumber(req.GetPageToken(), bound...)
	if err != nil {
		return nil, err
	}
	q.After = job.ID(after)
	found, err := s.cfg.Store.Queue(q)
	if err != nil {
		return nil, err
	}
	s.explain(found.Rows)
	resp := &adminv1.ListQueueResponse{Rows: found.Rows, TotalQueued: found.Queued, TotalRunning: found.Running}
	if found.Next != 0 {
		resp.NextPageToken = s.cfg.Pages.SealNumber(uint64(found.Next), bound...)
	}
	return resp, nil
}

// explain says in the rows of waiting jobs why each waits now and what is before it. Masked rows, which have no id, have none of that.
func (s *queue) explain(rows []*adminv1.QueueRow) {
	for _, r := range rows {
		id, err := job.ParseID(r.GetId())
		if err != nil || r.GetState() != jobsv1.State_STATE_QUEUED {
			continue
		}
		expected := &jobsv1.Job{
			Id: r.GetId(), Service: r.GetService(), Executor: r.GetExecutor(), State: r.GetState(), ExpectedStartTime: r.GetExpectedStartTime(),
		}
		s.cfg.Scheduler.Expect(expected)
		r.QueuePosition, r.ExpectedStartTime = expected.GetQueuePosition(), expected.GetExpectedStartTime()
		if reason, _ := s.cfg.Scheduler.Why(id, r.GetExecutor()); reason != jobsv1.Reason_REASON_UNSPECIFIED {
			r.Reason = reason
		}
	}
}
