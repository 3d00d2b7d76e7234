// Package workspace is the WorkspaceService: callers reach the tree of files that
// is theirs, and no other.
package workspace

import (
	"context"
	"io"

	"google.golang.org/grpc"

	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
	"github.com/stint-jobs/stint/internal/api/call"
	"github.com/stint-jobs/stint/internal/api/page"
	"github.com/stint-jobs/stint/internal/auth"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/workspace"
)

// Config is what the service needs. Fields without a word about nil are required.
type Config struct {
	// Workspace has the users' files.
	Workspace *workspace.Workspace
	// Pages makes the page tokens.
	Pages page.Sealer
	// Store has what else users make.
	Store *store.Store
	// Limits are the numbers at which it ends. Nil means those of job.Quotas.
	Limits job.Limits
	// Audited returns how many entries of the audit a caller has made of those of a day, and how many there may be. Nil
	// means that nothing counts them.
	Audited func(p auth.Principal) (used, perDay int64)
	// ReportsToday returns how many problem reports of a user count for the day.
	ReportsToday func(user string) int64
}

// Service is the WorkspaceService.
type Service struct {
	workspacev1.UnimplementedWorkspaceServiceServer
	cfg Config
}

// New returns the WorkspaceService.
func New(cfg Config) *Service { return &Service{cfg: cfg} }

// List returns what is in a folder.
func (s *Service) List(ctx context.Context, req *workspacev1.ListRequest) (*workspacev1.ListResponse, error) {
	p, err := call.Caller(ctx)
	if err != nil {
		return nil, err
	}
	size, err := page.Size(req.GetPageSize(), 1000, 10_000)
	if err != nil {
		return nil, err
	}
	bound := []string{"workspace", p.User, req.GetPath()}
	after := ""
	if req.GetPageToken() != "" {
		plain, err := s.cfg.Pages.OpenBytes(req.GetPageToken(), bound...)
		if err != nil {
			return nil, err
		}
		after = string(plain)
	}
	listing, err := s.cfg.Workspace.List(ctx, p.User, req.GetPath(), workspace.Page{After: after, Size: size})
	if err != nil {
		return nil, err
	}
	usage, err := s.cfg.Workspace.Usage(ctx, p.User)
	if err != nil {
		return nil, err
	}
	resp := &workspacev1.ListResponse{Entries: listing.Entries, Unsorted: listing.Unsorted, UsageBytes: usage.UsedBytes, QuotaBytes: usage.QuotaBytes}
	if listing.Next != "" {
		resp.NextPageToken = s.cfg.Pages.SealBytes([]byte(listing.Next), bound...)
	}
	return resp, nil
}

// Download streams a file.
func (s *Service) Download(req *workspacev1.DownloadRequest, stream grpc.ServerStreamingServer[workspacev1.DownloadResponse]) error {
	if err := page.CheckRange(req.GetOffset(), req.GetLimitBytes()); err != nil {
		return err
	}
	p, err := call.Caller(stream.Context())
	if err != nil {
		return err
	}
	f, err := s.cfg.Workspace.Open(stream.Context(), p.User, req.GetPath())
	if err != nil {
		return err
	}
	defer f.Close()
	if err := stream.Send(&workspacev1.DownloadResponse{Entry: f.Entry, Offset: req.GetOffset()}); err != nil {
		return err
	}
	part := io.NewSectionReader(f, req.GetOffset(), page.SectionLength(req.GetOffset(), req.GetLimitBytes()))
	return page.SendFile(stream.Context(), part, req.GetOffset(), func(offset int64, data []byte) error {
		return stream.Send(&workspacev1.DownloadResponse{Offset: offset, Data: data})
	})
}

// Delete removes a file, or a folder with everything in it if asked to.
func (s *Service) Delete(ctx context.Context, req *workspacev1.DeleteRequest) (*workspacev1.DeleteResponse, error) {
	p, err := call.Caller(ctx)
	if err != nil {
		return nil, err
	}
	n, err := s.cfg.Workspace.Delete(ctx, p.User, req.GetPath(), workspace.DeleteOptions{Recursive: req.GetRecursive()})
	if err != nil {
		return nil, err
	}
	return &workspacev1.DeleteResponse{RemovedFiles: n}, nil
}
