package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// addPatience gives a verb that follows something the flag --patience.
func addPatience(cmd *cobra.Command, patience *time.Duration) {
	cmd.Flags().DurationVar(patience, "patience", 10*time.Minute, "how long to go on reconnecting when the server is lost")
}

// follower keeps a watch alive over lost connections. Every change reaches the
// handler once and in order: the watch goes on strictly after the last cursor
// that was handled, what comes a second time is left out, and a snapshot that
// the server sends in place of changes it no longer has is compared with what
// is known.
type follower struct {
	app      *app
	client   jobsv1.JobServiceClient
	request  *jobsv1.WatchStatusRequest
	patience time.Duration

	known map[string]*jobsv1.Job
	// gone has the jobs of which it was told that they are gone.
	gone map[string]bool
	// seen has the jobs of the snapshot that is coming in; nil when none is.
	seen map[string]bool
	lost bool // the user was told that the connection is lost
	// quiet leaves that to whoever draws over the screen.
	quiet bool
}

// change is what a follower's handler gets. frame holds a changed or a removed event.
type change struct {
	frame *jobsv1.WatchStatusResponse
	// before is what was known of the job; nil when nothing was.
	before *jobsv1.Job
}

// errEnough is answered by a handler that has seen enough.
var errEnough = errors.New("seen enough")

// handlerError tells the handler's errors from those of the stream.
type handlerError struct{ err error }

func (e *handlerError) Error() string { return e.err.Error() }

func (a *app) follow(request *jobsv1.WatchStatusRequest, patience time.Duration) (*follower, error) {
	client, err := a.jobs()
	if err != nil {
		return nil, err
	}
	return &follower{
		app: a, client: client, request: request, patience: patience,
		known: make(map[string]*jobsv1.Job), gone: make(map[string]bool),
	}, nil
}

// run hands changes to handle until it answers errEnough, or an error, or the
// server is gone for longer than the patience.
func (f *follower) run(ctx context.Context, handle func(change) error) error {
	var total time.Duration
	for _, d := range retryDelays {
		total += d
	}
	back := &backoff{patience: total} // until there was a connection once
	for {
		err := f.stream(ctx, back, handle)
		var mine *handlerError
		switch {
		case errors.As(err, &mine) && errors.Is(mine.err, errEnough):
			return nil
		case errors.As(err, &mine):
			return mine.err
		case ctx.Err() != nil || err != nil && !streamLost(err):
			return err
		}
		delay, again := back.delay()
		if !again {
			if err == nil {
				err = errors.New("the server ends the watch again and again")
			}
			return err
		}
		f.tellLost(back)
		if waitErr := f.app.wait(ctx, delay); waitErr != nil {
			return waitErr
		}
	}
}

// stream runs one connection's part of the watch. The server ending it is no error.
func (f *follower) stream(ctx context.Context, back *backoff, handle func(change) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f.seen = nil
	stream, err := f.client.WatchStatus(ctx, f.request)
	if err != nil {
		return err
	}
	for {
		frame, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		back.patience = f.patience
		back.reset()
		f.tellBack()
		if err := f.take(frame, handle); err != nil {
			return &handlerError{err}
		}
	}
}

// tellLost says once on standard error that the connection is lost.
func (f *follower) tellLost(back *backoff) {
	if !f.quiet && !f.lost && back.patience == f.patience {
		f.lost = true
		fmt.Fprintf(f.app.err, "stint: connection to %s lost; reconnecting\n", f.app.link.address())
	}
}

func (f *follower) tellBack() {
	if f.lost {
		f.lost = false
		fmt.Fprintln(f.app.err, "stint: connected again")
	}
}

// take handles one frame. The cursor to resume after moves on only once the
// frame is handled. Frames within a snapshot have none: half of one is worth nothing.
func (f *follower) take(frame *jobsv1.WatchStatusResponse, handle func(change) error) error {
	switch event := frame.GetEvent().(type) {
	case *jobsv1.WatchStatusResponse_SnapshotBegin:
		f.seen = make(map[string]bool)
		return nil
	case *jobsv1.WatchStatusResponse_SnapshotEnd:
		if err := f.endSnapshot(frame.GetCursor(), handle); err != nil {
			return err
		}
	case *jobsv1.WatchStatusResponse_Job:
		id, before := event.Job.GetId(), f.known[event.Job.GetId()]
		if f.seen != nil {
			f.seen[id] = true
		}
		if !f.knew(before, event.Job) {
			f.known[id], f.gone[id] = event.Job, false
			if err := handle(change{frame: frame, before: before}); err != nil {
				return err
			}
		}
	case *jobsv1.WatchStatusResponse_Removed:
		if err := f.remove(frame, handle); err != nil {
			return err
		}
	case *jobsv1.WatchStatusResponse_Restarted:
		return nil // the snapshot that follows says more
	}
	if frame.GetCursor() != "" {
		f.request.AfterCursor = frame.GetCursor()
	}
	return nil
}

// knew reports whether a job says nothing new. After a connection was lost
// right behind a snapshot, changes can come that the snapshot showed already: it
// is newer than the revision at its end where jobs changed while it was read. A
// snapshot itself may be older than what is known, where the server was restored from a backup.
func (f *follower) knew(before, now *jobsv1.Job) bool {
	switch {
	case before == nil:
		return false
	case finalState(before.GetState()), before.GetRevision() == now.GetRevision():
		return true
	default:
		return f.seen == nil && now.GetRevision() < before.GetRevision()
	}
}

// endSnapshot finds what the snapshot lacks: jobs asked for by id, and jobs
// that were known and not final. They are gone.
func (f *follower) endSnapshot(cursor string, handle func(change) error) error {
	var gone []string
	for id, s := range f.known {
		if !f.seen[id] && !finalState(s.GetState()) {
			gone = append(gone, id)
		}
	}
	for _, id := range f.request.GetIds() {
		if !f.seen[id] && f.known[id] == nil {
			gone = append(gone, id)
		}
	}
	slices.Sort(gone)
	f.seen = nil
	for _, id := range gone {
		removed := &jobsv1.WatchStatusResponse{
			Cursor: cursor,
			Event:  &jobsv1.WatchStatusResponse_Removed{Removed: &jobsv1.Removed{Id: id}},
		}
		if err := f.remove(removed, handle); err != nil {
			return err
		}
	}
	return nil
}

func (f *follower) remove(frame *jobsv1.WatchStatusResponse, handle func(change) error) error {
	id := frame.GetRemoved().GetId()
	if f.gone[id] {
		return nil
	}
	before := f.known[id]
	delete(f.known, id)
	f.gone[id] = true
	return handle(change{frame: frame, before: before})
}
