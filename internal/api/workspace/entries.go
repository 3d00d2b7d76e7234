package workspace

import (
	"context"
	"time"

	"google.golang.org/grpc"

	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
	"github.com/stint-jobs/stint/internal/api/call"
	"github.com/stint-jobs/stint/internal/workspace"
)

// copyNews is how often the caller of Copy is told how far it is.
const copyNews = time.Second

// Stat returns what is at a path.
func (s *Service) Stat(ctx context.Context, req *workspacev1.StatRequest) (*workspacev1.StatResponse, error) {
	p, err := call.Caller(ctx)
	if err != nil {
		return nil, err
	}
	e, err := s.cfg.Workspace.Stat(ctx, p.User, req.GetPath())
	if err != nil {
		return nil, err
	}
	return &workspacev1.StatResponse{Entry: e}, nil
}

// MakeFolder makes a folder and those above it.
func (s *Service) MakeFolder(ctx context.Context, req *workspacev1.MakeFolderRequest) (*workspacev1.MakeFolderResponse, error) {
	p, err := call.Caller(ctx)
	if err != nil {
		return nil, err
	}
	e, made, err := s.cfg.Workspace.MakeFolder(ctx, p.User, req.GetPath())
	if err != nil {
		return nil, err
	}
	return &workspacev1.MakeFolderResponse{Entry: e, Made: made}, nil
}

// Move gives a file or folder another path.
func (s *Service) Move(ctx context.Context, req *workspacev1.MoveRequest) (*workspacev1.MoveResponse, error) {
	p, err := call.Caller(ctx)
	if err != nil {
		return nil, err
	}
	e, err := s.cfg.Workspace.Move(ctx, p.User, workspace.Transfer{Path: req.GetPath(), To: req.GetTo(), Overwrite: req.GetOverwrite()})
	if err != nil {
		return nil, err
	}
	return &workspacev1.MoveResponse{Entry: e}, nil
}

// Copy makes a file or folder a second time, and tells how far it is.
func (s *Service) Copy(req *workspacev1.CopyRequest, stream grpc.ServerStreamingServer[workspacev1.CopyResponse]) error {
	ctx, cancel := context.WithCancelCause(stream.Context())
	defer cancel(nil)
	p, err := call.Caller(ctx)
	if err != nil {
		return err
	}
	var news time.Time
	var last workspacev1.CopyResponse
	e, skipped, err := s.cfg.Workspace.Duplicate(ctx, p.User, workspace.Transfer{Path: req.GetPath(), To: req.GetTo(), Overwrite: req.GetOverwrite()},
		func(done, total int64) {
			last.CopiedBytes, last.TotalBytes = done, total
			if now := time.Now(); now.Sub(news) >= copyNews {
				news = now
				if err := stream.Send(&workspacev1.CopyResponse{CopiedBytes: done, TotalBytes: total}); err != nil {
					cancel(err) // the caller is gone, so the copy ends
				}
			}
		})
	if err != nil {
		return err
	}
	last.Entry, last.Skipped = e, int64(skipped.Count)
	return stream.Send(&last)
}
