// Package admin is the AdminService, the UserService, the QueueService and the StatusService: they
// show and run the server, and change no job.
package admin

import (
	"context"

	"google.golang.org/protobuf/proto"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/api/page"
	"github.com/stint-jobs/stint/internal/auth"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/workspace"
)

// Scheduler is what the services ask of the scheduler.
type Scheduler interface {
	// Status returns the health of all executors.
	Status() []*adminv1.ExecutorStatus
	// Why returns why a queued job waits now. The reason is unspecified where what is stored says it.
	Why(id job.ID, executor string) (jobsv1.Reason, string)
	// Expect sets what is expected of jobs that are not final: their places, starts and ends, or why these cannot be said.
	Expect(jobs ...*jobsv1.Job)
	// Orphans returns what runs on the engines and is not known here, and which executors could not be asked.
	Orphans(ctx context.Context) (orphans []*adminv1.Orphan, unreachable []string)
	// CancelOrphan asks an engine to end an orphan; one that is none is job.ErrNotFound.
	CancelOrphan(ctx context.Context, executor, engineID string) error
}

// Config is what the services need. Fields without a word about zero are required.
type Config struct {
	// Store has the jobs, the settings and the audit.
	Store *store.Store
	// Scheduler knows the executors.
	Scheduler Scheduler
	// Users ends what users have to sign in with.
	Users *auth.Users
	// Workspace has the users' files.
	Workspace *workspace.Workspace
	// Pages makes the page tokens.
	Pages page.Sealer
	// Version of the server.
	Version string
	// Scratch is the folder for the copies of the database that Backup streams. Empty means that of the system.
	Scratch string
	// Room returns an error if the folder of Scratch has no room for so many bytes more. Nil means that it has.
	Room func(bytes int64) error
	// Diagnose returns the checks of the server and of what it depends on. Nil makes none.
	Diagnose func(ctx context.Context) []*adminv1.Check
}

// Services are those of the domain.
type Services struct {
	// Admin is the AdminService.
	Admin adminv1.AdminServiceServer
	// Users is the UserService.
	Users adminv1.UserServiceServer
	// Queue is the QueueService.
	Queue adminv1.QueueServiceServer
	// Status is the StatusService.
	Status adminv1.StatusServiceServer
}

// New returns the services.
func New(cfg Config) Services {
	return Services{
		Admin: &admin{cfg: cfg, copies: make(chan struct{}, maxCopies)}, Users: &users{cfg: cfg},
		Queue: &queue{cfg: cfg}, Status: &serverStatus{cfg: cfg},
	}
}

// admin is the AdminService. The interceptor lets only those in whom the table gives a reason to come.
type admin struct {
	adminv1.UnimplementedAdminServiceServer
	cfg    Config
	copies chan struct{} // holds one for each copy of the database that is being read
}

// SetSubmissions opens or closes the server for new jobs.
func (s *admin) SetSubmissions(ctx context.Context, req *adminv1.SetSubmissionsRequest) (*adminv1.SetSubmissionsResponse, error) {
	set := proto.CloneOf(s.cfg.Store.Settings())
	set.SubmissionsClosed, set.Message = !req.GetOpen(), req.GetMessage()
	if err := s.cfg.Store.SetSettings(ctx, set); err != nil {
		return nil, err
	}
	return &adminv1.SetSubmissionsResponse{}, nil
}

// ListIssues returns the problem reports of users, newest first.
func (s *admin) ListIssues(_ context.Context, req *adminv1.ListIssuesRequest) (*adminv1.ListIssuesResponse, error) {
	limit, err := page.Size(req.GetPageSize(), page.Default, page.Max)
	if err != nil {
		return nil, err
	}
	before, err := s.cfg.Pages.OpenNumber(req.GetPageToken(), "issues")
	if err != nil {
		return nil, err
	}
	issues, more, err := s.cfg.Store.Issues(before, limit, page.Bound)
	if err != nil {
		return nil, err
	}
	resp := &adminv1.ListIssuesResponse{}
	for _, i := range issues {
		resp.Issues = append(resp.Issues, &adminv1.Issue{
			Id: i.ID.String(), Reporter: i.Report.GetReporter(), Description: i.Report.GetDescription(),
			CreateTime: i.Report.GetCreateTime(), Job: i.Report.GetJob(),
		})
	}
	if more {
		last := issues[len(issues)-1].ID.Seq
		resp.NextPageToken = s.cfg.Pages.SealNumber(last, "issues")
	}
	return resp, nil
}

// DeleteIssue deletes a problem report.
func (s *admin) DeleteIssue(ctx context.Context, req *adminv1.DeleteIssueRequest) (*adminv1.DeleteIssueResponse, error) {
	id, err := store.ParseIssueID(req.GetId())
	if err != nil {
		return nil, err
	}
	if err := s.cfg.Store.DeleteIssue(ctx, id); err != nil {
		return nil, err
	}
	return &adminv1.DeleteIssueResponse{}, nil
}
