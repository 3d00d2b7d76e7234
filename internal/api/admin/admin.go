// Package admin is the AdminService, the QueueService and the StatusService: they
// show and run the server, and change no job.
package admin

import (
	"context"
	"encoding/binary"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	"github.com/stint-jobs/stint/internal/api/page"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
)

// backupFrame is the most bytes of a backup in one frame.
const backupFrame = 1 << 20

// Scheduler is what the services ask of the scheduler.
type Scheduler interface {
	// Status returns the health of all executors.
	Status() []*adminv1.ExecutorStatus
	// Orphans returns what runs on the engines and is not known here, and which executors could not be asked.
	Orphans(ctx context.Context) (orphans []*adminv1.Orphan, unreachable []string)
	// CancelOrphan asks an engine to end an orphan; one that is none is job.ErrNotFound.
	CancelOrphan(ctx context.Context, executor, engineID string) error
}

// Config is what the services need. All of it is required.
type Config struct {
	// Store has the jobs, the settings and the audit.
	Store *store.Store
	// Scheduler knows the executors.
	Scheduler Scheduler
	// Pages makes the page tokens.
	Pages page.Sealer
	// Version of the server.
	Version string
}

// Services are those of the domain.
type Services struct {
	// Admin is the AdminService.
	Admin adminv1.AdminServiceServer
	// Queue is the QueueService.
	Queue adminv1.QueueServiceServer
	// Status is the StatusService.
	Status adminv1.StatusServiceServer
}

// New returns the services.
func New(cfg Config) Services {
	return Services{Admin: &admin{cfg: cfg}, Queue: &queue{cfg: cfg}, Status: &serverStatus{cfg: cfg}}
}

// admin is the AdminService. The interceptor lets only those in whom the table gives a reason to come.
type admin struct {
	adminv1.UnimplementedAdminServiceServer
	cfg Config
}

// SetSubmissions opens or closes the server for new jobs.
func (s *admin) SetSubmissions(ctx context.Context, req *adminv1.SetSubmissionsRequest) (*adminv1.SetSubmissionsResponse, error) {
	if err := job.CheckText("message", req.GetMessage(), job.MaxReason).Err(); err != nil {
		return nil, err
	}
	set := proto.CloneOf(s.cfg.Store.Settings())
	set.SubmissionsClosed, set.Message = !req.GetOpen(), req.GetMessage()
	if err := s.cfg.Store.SetSettings(ctx, set); err != nil {
		return nil, err
	}
	return &adminv1.SetSubmissionsResponse{}, nil
}

// Backup streams a consistent copy of the database while the server runs.
func (s *admin) Backup(_ *adminv1.BackupRequest, stream grpc.ServerStreamingServer[adminv1.BackupResponse]) error {
	snap, err := s.cfg.Store.Snapshot()
	if err != nil {
		return err
	}
	defer snap.Close()
	_, err = snap.WriteTo(&backupWriter{stream: stream, size: snap.Size()})
	return err
}

// backupWriter sends what is written to it as frames.
type backupWriter struct {
	stream grpc.ServerStreamingServer[adminv1.BackupResponse]
	size   int64
}

// Write sends p.
func (w *backupWriter) Write(p []byte) (int, error) {
	sent := 0
	for sent < len(p) {
		end := min(sent+backupFrame, len(p))
		if err := w.stream.Send(&adminv1.BackupResponse{Data: append([]byte(nil), p[sent:end]...), SizeBytes: w.size}); err != nil {
			return sent, err
		}
		sent = end
	}
	return sent, nil
}

// ListIssues returns the problem reports of users, newest first.
func (s *admin) ListIssues(_ context.Context, req *adminv1.ListIssuesRequest) (*adminv1.ListIssuesResponse, error) {
	limit, err := page.Size(req.GetPageSize(), page.Default, page.Max)
	if err != nil {
		return nil, err
	}
	var before uint64
	if req.GetPageToken() != "" {
		plain, err := s.cfg.Pages.OpenBytes(req.GetPageToken(), "issues")
		if err != nil || len(plain) != 8 {
			return nil, page.ErrToken
		}
		before = binary.BigEndian.Uint64(plain)
	}
	issues, more, err := s.cfg.Store.Issues(before, limit)
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
		resp.NextPageToken = s.cfg.Pages.SealBytes(binary.BigEndian.AppendUint64(nil, last), "issues")
	}
	return resp, nil
}
