package jobs

import (
	"context"

	"google.golang.org/grpc"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/notify"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/workdir"
)

// StreamLogs streams what the command wrote, and goes on while it writes if asked to follow.
func (s *Service) StreamLogs(req *jobsv1.StreamLogsRequest, stream grpc.ServerStreamingServer[jobsv1.StreamLogsResponse]) error {
	ctx := stream.Context()
	which, err := checkLogs(req)
	if err != nil {
		return err
	}
	j, err := s.find(ctx, req.GetId())
	if err != nil {
		return err
	}
	id, still, err := s.holds(ctx, j)
	if err != nil {
		return err
	}
	opts := workdir.LogOptions{Offset: req.GetOffset(), TailLines: int(req.GetTailLines()), Limit: req.GetLimitBytes()}
	attempt := int(req.GetAttempt())
	if attempt == 0 {
		attempt = int(job.Attempt(j).GetNumber())
	}
	if req.GetFollow() {
		var stop context.CancelCauseFunc
		ctx, stop = context.WithCancelCause(ctx)
		defer stop(nil)
		f := &follower{Service: s, id: id, still: still, attempt: attempt}
		if err := f.begin(ctx); err != nil {
			return err
		}
		attempt, opts.Done, opts.KeepAlive = f.attempt, f.watch(ctx, stop), s.cfg.Heartbeat
	}
	if attempt == 0 {
		return nil // nothing was written yet
	}
	err = s.cfg.Folders.Job(id).Attempt(attempt).ReadLog(ctx, which, opts, func(c workdir.LogChunk) error {
		if err := still(); err != nil {
			return err
		}
		return stream.Send(&jobsv1.StreamLogsResponse{Offset: c.Offset, Data: c.Data, SizeBytes: c.Size})
	})
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return cause
	}
	return err
}

func checkLogs(req *jobsv1.StreamLogsRequest) (workdir.Stream, error) {
	var v job.Violations
	which := workdir.Stdout
	switch req.GetStream() {
	case jobsv1.LogStream_LOG_STREAM_STDOUT:
	case jobsv1.LogStream_LOG_STREAM_STDERR:
		which = workdir.Stderr
	default:
		v.Add("stream", "must be stdout or stderr")
	}
	if req.GetTailLines() > 0 && req.GetOffset() > 0 {
		v.Add("tailLines", "cannot be given together with offset")
	}
	if req.GetLimitBytes() > 0 && req.GetFollow() {
		v.Add("limitBytes", "cannot be given together with follow")
	}
	return which, v.Err()
}

// follower knows when an attempt whose log is followed has ended.
type follower struct {
	*Service
	id      job.ID
	still   func() error
	attempt int // 0 until the job has one
	sub     *notify.Subscription[store.Key]
}

// begin waits until the job has an attempt to follow, or never will.
func (f *follower) begin(ctx context.Context) error {
	f.sub = f.cfg.Store.Hub().Subscribe(store.KeyJob(f.id))
	for {
		rec, err := f.record()
		if err != nil {
			f.sub.Close()
			return err
		}
		if f.attempt == 0 {
			f.attempt = int(job.Attempt(rec.GetJob()).GetNumber())
		}
		if f.attempt != 0 || f.over(rec) {
			return nil
		}
		if err := f.next(ctx); err != nil {
			f.sub.Close()
			return err
		}
	}
}

// watch returns a channel that is closed once the attempt has ended. When that
// cannot be known any more it stops the reading with the reason.
func (f *follower) watch(ctx context.Context, stop context.CancelCauseFunc) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer f.sub.Close()
		for {
			rec, err := f.record()
			if err == nil && f.over(rec) {
				close(done)
				return
			}
			if err == nil {
				err = f.next(ctx)
			}
			if err != nil {
				stop(err)
				return
			}
		}
	}()
	return done
}

// record is the job as long as the caller may read its log.
func (f *follower) record() (*storev1.Record, error) {
	if err := f.still(); err != nil {
		return nil, err
	}
	return f.cfg.Store.Record(store.Everyone, f.id)
}

func (f *follower) next(ctx context.Context) error {
	select {
	case <-f.sub.C():
		return nil
	case <-f.draining:
		return job.Userf(job.ErrUnavailable, "The server is about to stop; read on from the last offset.")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// over reports whether nothing more will be written by the attempt.
func (f *follower) over(rec *storev1.Record) bool {
	if job.Terminal(rec.GetJob().GetState()) {
		return true
	}
	for _, a := range rec.GetJob().GetAttempts() {
		if int(a.GetNumber()) == f.attempt {
			return a.GetCompleteTime() != nil
		}
	}
	return f.attempt != 0 && f.attempt < int(job.Attempt(rec.GetJob()).GetNumber()) // so old that it is forgotten
}
