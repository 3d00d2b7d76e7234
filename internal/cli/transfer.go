package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/jedib0t/go-pretty/v6/progress"
	"github.com/jedib0t/go-pretty/v6/text"

	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
)

// uploadChunk is how much one frame of an upload carries.
const uploadChunk = 256 << 10

// uploadFile uploads a local file to where target says, with a progress bar on a terminal.
func (a *app) uploadFile(ctx context.Context, name string, target *workspacev1.UploadTarget) error {
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("upload: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("upload: %w", err)
	}
	size := info.Size()
	target.SizeBytes = &size
	bar := a.bar("Uploading "+info.Name(), size)
	n, err := a.upload(ctx, io.TeeReader(f, bar), target)
	bar.end(err)
	if err == nil && n != size {
		err = fmt.Errorf("upload %s: %w", name, errChanged)
	}
	return err
}

// upload streams r into the workspace and answers how many bytes that were. The
// file is there whole, or not at all.
func (a *app) upload(ctx context.Context, r io.Reader, target *workspacev1.UploadTarget) (int64, error) {
	client, err := a.workspace()
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // gives the upload up where it has not ended
	stream, err := client.Upload(ctx)
	if err != nil {
		return 0, err
	}
	sent, err := sendFile(stream, r, target)
	if err != nil && !errors.Is(err, io.EOF) {
		return sent, fmt.Errorf("upload to %s: %w", target.GetPath(), err)
	}
	// io.EOF from a send says that the server answered early; the answer says why.
	early := err != nil
	res, err := stream.CloseAndRecv()
	if early && err == nil { // it has the content already
		return res.GetEntry().GetSizeBytes(), nil
	}
	return sent, err
}

type uploadStream interface {
	Send(*workspacev1.UploadRequest) error
}

func sendFile(stream uploadStream, r io.Reader, target *workspacev1.UploadTarget) (int64, error) {
	if err := stream.Send(&workspacev1.UploadRequest{Content: &workspacev1.UploadRequest_Target{Target: target}}); err != nil {
		return 0, err
	}
	var sent int64
	buf := make([]byte, uploadChunk)
	for {
		n, err := io.ReadFull(r, buf)
		if n > 0 {
			if err := stream.Send(&workspacev1.UploadRequest{Content: &workspacev1.UploadRequest_Data{Data: buf[:n]}}); err != nil {
				return sent, err
			}
			sent += int64(n)
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return sent, nil
		case err != nil:
			return sent, err
		}
	}
}

// bar is a progress bar for one transfer. Where standard error is no terminal it does nothing.
type bar struct {
	tracker *progress.Tracker
	done    chan struct{}
}

// bar starts a progress bar; end must be called.
func (a *app) bar(label string, size int64) *bar {
	if !a.screen.errTTY {
		return &bar{}
	}
	columns, _ := a.screen.size()
	w := progress.NewWriter()
	w.SetOutputWriter(a.err)
	w.SetAutoStop(true)
	w.SetUpdateFrequency(100 * time.Millisecond)
	w.SetTrackerLength(max(8, min(30, columns/4)))
	w.SetMessageLength(max(12, min(40, columns/3)))
	w.SetStyle(progress.StyleBlocks)
	w.Style().Visibility.ETA = columns >= 80
	w.Style().Visibility.Speed = columns >= 80
	b := &bar{
		tracker: &progress.Tracker{Message: text.Snip(clean(label), max(12, min(40, columns/3)), "…"), Total: size, Units: progress.UnitsBytes, AutoStopDisabled: true},
		done:    make(chan struct{}),
	}
	w.AppendTracker(b.tracker)
	go func() {
		defer close(b.done)
		w.Render()
	}()
	return b
}

// Write counts bytes that were transferred.
func (b *bar) Write(p []byte) (int, error) {
	if b.tracker != nil {
		b.tracker.Increment(int64(len(p)))
	}
	return len(p), nil
}

// end shows how it ended and waits until that is drawn.
func (b *bar) end(err error) {
	if b.tracker == nil {
		return
	}
	if err != nil {
		b.tracker.MarkAsErrored()
	} else {
		b.tracker.MarkAsDone()
	}
	<-b.done
}
