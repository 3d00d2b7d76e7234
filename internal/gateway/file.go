package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
	"github.com/stint-jobs/stint/internal/reason"
)

// fileInfo is what a download says of a file before its bytes.
type fileInfo struct {
	path        string
	contentType string
	size        int64
	modified    time.Time
}

// frame is one message of a download.
type frame struct {
	info   *fileInfo // in the first frame only
	offset int64
	data   []byte
}

// frames gives one frame after the other and ends with io.EOF.
type frames func() (frame, error)

// opener starts a download at an offset. A limit of 0 means to the end.
type opener func(ctx context.Context, offset, limit int64) (frames, error)

// resultOpener downloads a result file of a job.
func (g *gateway) resultOpener(id, path string) opener {
	return func(ctx context.Context, offset, limit int64) (frames, error) {
		stream, err := g.jobs.ReadResult(ctx, &jobsv1.ReadResultRequest{Id: id, Path: path, Offset: offset, LimitBytes: limit})
		if err != nil {
			return nil, err
		}
		return func() (frame, error) {
			m, err := stream.Recv()
			f := frame{offset: m.GetOffset(), data: m.GetData()}
			if file := m.GetFile(); file != nil {
				f.info = &fileInfo{file.GetPath(), file.GetContentType(), file.GetSizeBytes(), file.GetModifyTime().AsTime()}
			}
			return f, err
		}, nil
	}
}

// workspaceOpener downloads a file of the caller's workspace.
func (g *gateway) workspaceOpener(path string) opener {
	return func(ctx context.Context, offset, limit int64) (frames, error) {
		stream, err := g.workspace.Download(ctx, &workspacev1.DownloadRequest{Path: path, Offset: offset, LimitBytes: limit})
		if err != nil {
			return nil, err
		}
		return func() (frame, error) {
			m, err := stream.Recv()
			f := frame{offset: m.GetOffset(), data: m.GetData()}
			if entry := m.GetEntry(); entry != nil {
				f.info = &fileInfo{entry.GetPath(), entry.GetContentType(), entry.GetSizeBytes(), entry.GetModifyTime().AsTime()}
			}
			return f, err
		}, nil
	}
}

// Errors of a file that broke off.
var (
	errShort   = errors.New("the stream ended before the file did")
	errChanged = errors.New("the file changed while it was read")
	errGap     = errors.New("the stream left out a part of the file")
)

// file reads a download like a file. It holds at most one stream at a time,
// and starts another one where a seek leads away from it.
type file struct {
	info fileInfo
	// err is the error that Read gave, for those who only see that bytes are missing.
	err error

	open func(offset int64) (frames, error)
	stop func()
	next frames // nil when no stream is open
	at   int64  // where the open stream goes on, less what is in rest
	rest []byte
	pos  int64
}

// openFile starts a download. With all set it expects to be read from the
// start to the end; otherwise it only asks what the file is, and the first Read starts.
func openFile(ctx context.Context, open opener, all bool) (*file, error) {
	f := &file{stop: func() {}}
	f.open = func(offset int64) (frames, error) { return f.start(ctx, open, offset, 0) }
	limit := int64(1)
	if all {
		limit = 0
	}
	next, err := f.start(ctx, open, 0, limit)
	if err != nil {
		return nil, err
	}
	first, err := next()
	if err != nil || first.info == nil {
		f.Close()
		if err == nil || errors.Is(err, io.EOF) {
			return nil, newProblem(reason.Internal, "The server gave no file where it should have.")
		}
		return nil, err
	}
	f.info = *first.info
	if all {
		f.next, f.rest = next, first.data
	} else {
		f.Close()
	}
	return f, nil
}

// start opens a stream in place of the one that is open.
func (f *file) start(ctx context.Context, open opener, offset, limit int64) (frames, error) {
	f.Close()
	ctx, cancel := context.WithCancel(ctx)
	next, err := open(ctx, offset, limit)
	if err != nil {
		cancel()
		return nil, err
	}
	f.stop = cancel
	return next, nil
}

// Close ends the open stream.
func (f *file) Close() {
	f.stop()
	f.stop, f.next, f.rest = func() {}, nil, nil
}

// Read gives bytes of the file as it was when it was opened. A file that
// changes under the reader is an error, never a mixture.
func (f *file) Read(p []byte) (int, error) {
	if f.pos >= f.info.size {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	if err := f.fill(); err != nil {
		f.err = err
		return 0, err
	}
	n := copy(p, f.rest[:min(int64(len(f.rest)), f.info.size-f.pos)])
	f.rest = f.rest[n:]
	f.pos += int64(n)
	f.at += int64(n)
	return n, nil
}

// fill makes rest hold what is at pos.
func (f *file) fill() error {
	if f.next == nil || f.at != f.pos {
		next, err := f.open(f.pos)
		if err != nil {
			return err
		}
		f.next, f.at = next, f.pos
	}
	for len(f.rest) == 0 {
		got, err := f.next()
		switch {
		case errors.Is(err, io.EOF):
			return errShort
		case err != nil:
			return err
		case got.info != nil && (got.info.size != f.info.size || !got.info.modified.Equal(f.info.modified)):
			return errChanged
		case len(got.data) > 0 && got.offset != f.at:
			return errGap
		}
		f.rest = got.data
	}
	return nil
}

// Seek moves the place of the next Read. It costs nothing until then.
func (f *file) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += f.pos
	case io.SeekEnd:
		offset += f.info.size
	}
	if offset < 0 {
		return 0, fmt.Errorf("seek in %s: before its start", f.info.path)
	}
	f.pos = offset
	return offset, nil
}
