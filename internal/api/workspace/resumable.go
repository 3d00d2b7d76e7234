package workspace

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"

	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
	"github.com/stint-jobs/stint/internal/api/call"
	"github.com/stint-jobs/stint/internal/api/page"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/workspace"
)

// CreateUpload begins an upload that can be continued, or finds one that is not finished.
func (s *Service) CreateUpload(ctx context.Context, req *workspacev1.CreateUploadRequest) (*workspacev1.CreateUploadResponse, error) {
	p, err := call.Caller(ctx)
	if err != nil {
		return nil, err
	}
	o := workspace.UploadOptions{ResumeKey: req.GetResumeKey()}
	o.Overwrite, o.Size = req.GetOverwrite(), req.SizeBytes
	if o.SHA256, err = sumOf(req.GetSha256()); err != nil {
		return nil, err
	}
	u, err := s.cfg.Workspace.CreateUpload(ctx, p.User, req.GetPath(), o)
	if err != nil {
		return nil, err
	}
	return &workspacev1.CreateUploadResponse{Upload: u}, nil
}

// AppendUpload adds bytes to an upload, and finishes it with the last of them.
func (s *Service) AppendUpload(stream grpc.ClientStreamingServer[workspacev1.AppendUploadRequest, workspacev1.AppendUploadResponse]) error {
	p, err := call.Caller(stream.Context())
	if err != nil {
		return err
	}
	first, err := stream.Recv()
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	part := first.GetPart()
	if part == nil {
		return job.Invalid("part", "must come in the first message, and name the upload and its offset")
	}
	r := &appendReader{stream: stream}
	u, err := s.cfg.Workspace.AppendUpload(stream.Context(), p.User, part.GetId(), workspace.Part{
		Offset: part.GetOffset(), Size: part.SizeBytes, Content: r, SHA256: func() []byte { return r.sha256 },
	})
	if err != nil {
		return err
	}
	return stream.SendAndClose(&workspacev1.AppendUploadResponse{Upload: u})
}

// appendReader reads the bytes of an append, and keeps what is said at its end.
type appendReader struct {
	stream grpc.ClientStreamingServer[workspacev1.AppendUploadRequest, workspacev1.AppendUploadResponse]
	rest   []byte
	sha256 []byte // nil where none is said
	ended  bool
}

// Read reads the next bytes of the stream.
func (r *appendReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		m, err := r.stream.Recv()
		if err != nil {
			return 0, err // io.EOF is the end of the part
		}
		if err := r.take(m); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// take takes in a frame behind the first one.
func (r *appendReader) take(m *workspacev1.AppendUploadRequest) (err error) {
	switch {
	case r.ended:
		return job.Invalid("end", "must be in the last message")
	case m.GetPart() != nil:
		return job.Invalid("part", "may come in the first message only")
	case m.GetEnd() != nil:
		r.ended = true
		r.sha256, err = sumOf(m.GetEnd().GetSha256())
		return err
	}
	r.rest = m.GetData()
	return checkFrame(r.rest)
}

// GetUpload returns an upload of the caller.
func (s *Service) GetUpload(ctx context.Context, req *workspacev1.GetUploadRequest) (*workspacev1.GetUploadResponse, error) {
	p, err := call.Caller(ctx)
	if err != nil {
		return nil, err
	}
	u, err := s.cfg.Workspace.GetUpload(ctx, p.User, req.GetId())
	if err != nil {
		return nil, err
	}
	return &workspacev1.GetUploadResponse{Upload: u}, nil
}

// ListUploads returns the caller's uploads that are not finished.
func (s *Service) ListUploads(ctx context.Context, req *workspacev1.ListUploadsRequest) (*workspacev1.ListUploadsResponse, error) {
	p, err := call.Caller(ctx)
	if err != nil {
		return nil, err
	}
	size, err := page.Size(req.GetPageSize(), 100, 1000)
	if err != nil {
		return nil, err
	}
	bound := []string{"uploads", p.User}
	after := ""
	if req.GetPageToken() != "" {
		plain, err := s.cfg.Pages.OpenBytes(req.GetPageToken(), bound...)
		if err != nil {
			return nil, err
		}
		after = string(plain)
	}
	list := s.cfg.Workspace.ListUploads(p.User, workspace.Page{After: after, Size: size})
	resp := &workspacev1.ListUploadsResponse{Uploads: list.Uploads}
	if list.Next != "" {
		resp.NextPageToken = s.cfg.Pages.SealBytes([]byte(list.Next), bound...)
	}
	return resp, nil
}

// EndUpload gives an upload of the caller up.
func (s *Service) EndUpload(ctx context.Context, req *workspacev1.EndUploadRequest) (*workspacev1.EndUploadResponse, error) {
	p, err := call.Caller(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.cfg.Workspace.EndUpload(ctx, p.User, req.GetId()); err != nil {
		return nil, err
	}
	return &workspacev1.EndUploadResponse{}, nil
}
