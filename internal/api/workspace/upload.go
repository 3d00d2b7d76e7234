package workspace

import (
	"encoding/hex"
	"errors"
	"io"

	"google.golang.org/grpc"

	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
	"github.com/stint-jobs/stint/internal/api/call"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/workspace"
)

// maxUploadFrame is the most bytes in one frame of an upload, as the API says.
const maxUploadFrame = 1 << 20

func checkFrame(data []byte) error {
	if len(data) > maxUploadFrame {
		return job.Invalid("data", "has more than %d bytes in one message", maxUploadFrame)
	}
	return nil
}

// sumOf reads a SHA-256 in hexadecimal digits; nil where none is given.
func sumOf(digits string) ([]byte, error) {
	if digits == "" {
		return nil, nil
	}
	sum, err := hex.DecodeString(digits)
	if err != nil {
		return nil, job.Invalid("sha256", "must have 64 hexadecimal digits")
	}
	return sum, nil
}

// Upload stores a file whole or not at all.
func (s *Service) Upload(stream grpc.ClientStreamingServer[workspacev1.UploadRequest, workspacev1.UploadResponse]) error {
	p, err := call.Caller(stream.Context())
	if err != nil {
		return err
	}
	first, err := stream.Recv()
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	target := first.GetTarget()
	if target == nil {
		return job.Invalid("target", "must come in the first message and name the path")
	}
	opts := workspace.PutOptions{Overwrite: target.GetOverwrite()}
	if target.SizeBytes != nil {
		opts.Size = target.SizeBytes
	}
	if opts.SHA256, err = sumOf(target.GetSha256()); err != nil {
		return err
	}
	e, err := s.cfg.Workspace.Put(stream.Context(), p.User, target.GetPath(), &uploadReader{stream: stream}, opts)
	if err != nil {
		return err
	}
	return stream.SendAndClose(&workspacev1.UploadResponse{Entry: e})
}

// uploadReader reads the bytes of an upload.
type uploadReader struct {
	stream grpc.ClientStreamingServer[workspacev1.UploadRequest, workspacev1.UploadResponse]
	rest   []byte
}

// Read reads the next bytes of the stream.
func (r *uploadReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		m, err := r.stream.Recv()
		if err != nil {
			return 0, err // io.EOF is the end of the file
		}
		if m.GetTarget() != nil {
			return 0, job.Invalid("target", "may come in the first message only")
		}
		if err := checkFrame(m.GetData()); err != nil {
			return 0, err
		}
		r.rest = m.GetData()
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}
