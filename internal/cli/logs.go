package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// logOptions are the flags of `stint logs`.
type logOptions struct {
	follow   bool
	stderr   bool
	tail     int32
	attempt  int32
	patience time.Duration
}

func newLogsCommand(a *app) *cobra.Command {
	o := &logOptions{}
	cmd := &cobra.Command{
		Use:   "logs ID",
		Short: "Show what a job prints",
		Long: `Show what a job printed on its standard output, or with --stderr on its standard
error. In a pipe the bytes come as they are. On a terminal colours stay and
everything else that could drive the terminal is left out.

With -f it goes on while the job runs, over lost connections and further attempts, and
ends when the job does; its exit code says nothing of the job (stint watch does).`,
		Example: `  stint logs 12 --stderr --tail 20
  stint logs 12 -f
  stint logs 12 --attempt 1 > first-attempt.txt`,
		Args:              arguments(1, 1),
		ValidArgsFunction: a.completeFirst(a.completeJobs()),
	}
	flags := cmd.Flags()
	flags.BoolVarP(&o.follow, "follow", "f", false, "go on while the job runs")
	flags.BoolVar(&o.stderr, "stderr", false, "show the standard error instead of the standard output")
	flags.Int32Var(&o.tail, "tail", 0, "begin so many lines before the end")
	flags.Int32Var(&o.attempt, "attempt", 0, "show this attempt instead of the latest")
	addPatience(cmd, &o.patience)
	cmd.RunE = a.verb(func(ctx context.Context, args []string) error {
		if o.tail < 0 || o.attempt < 0 {
			return usagef("--tail and --attempt must not be negative")
		}
		return a.logs(ctx, args[0], o)
	})
	return cmd
}

func (a *app) logs(ctx context.Context, id string, o *logOptions) error {
	client, err := a.jobs()
	if err != nil {
		return err
	}
	req := &jobsv1.StreamLogsRequest{
		Id: id, Stream: jobsv1.LogStream_LOG_STREAM_STDOUT, TailLines: o.tail, Follow: o.follow, Attempt: o.attempt,
	}
	if o.stderr {
		req.Stream = jobsv1.LogStream_LOG_STREAM_STDERR
	}
	if o.follow {
		a.afterSignal = "; the " + jobsGoOn([]string{id})
	}
	r := &logReader{app: a, client: client, request: req, out: a.out, patience: o.patience}
	if !a.screen.tty {
		return r.run(ctx)
	}
	filter := &logFilter{out: a.out}
	r.out = filter
	return errors.Join(r.run(ctx), filter.Close())
}

// logReader keeps a log stream alive over lost connections: it goes on at the
// byte behind the last one printed, of the same attempt.
type logReader struct {
	app      *app
	client   jobsv1.JobServiceClient
	request  *jobsv1.StreamLogsRequest
	out      io.Writer
	patience time.Duration

	begun bool // bytes came; from then on the offset counts and not the tail
	lost  bool
	over  bool // the job had ended when the stream was asked for
}

func (r *logReader) run(ctx context.Context) error {
	whole := r.request.GetAttempt() == 0 // not one attempt, but those that follow as well
	if err := r.pinAttempt(ctx); err != nil {
		return err
	}
	back := &backoff{patience: r.patience}
	for {
		err := r.stream(ctx, back)
		if err == nil {
			if !r.request.GetFollow() || !whole || r.over {
				return nil
			}
			if err := r.nextAttempt(ctx); err != nil {
				return err
			}
			if r.over {
				continue // what was written between the stream's end and the job's
			}
		} else if ctx.Err() != nil || !streamLost(err) {
			return err
		}
		delay, again := back.delay()
		if !again {
			return err
		}
		if err != nil && !r.lost {
			r.lost = true
			fmt.Fprintf(r.app.err, "stint: connection to %s lost; reconnecting\n", r.app.link.address())
		}
		if waitErr := r.app.wait(ctx, delay); waitErr != nil {
			return waitErr
		}
	}
}

// nextAttempt is asked when a stream has come to its end. It waits until the
// job runs on or is over: then there is more to read of another attempt, or of
// the same one when the server ended the stream early.
func (r *logReader) nextAttempt(ctx context.Context) error {
	f, err := r.app.follow(&jobsv1.WatchStatusRequest{Ids: []string{r.request.GetId()}, View: jobsv1.WatchView_WATCH_VIEW_CHANGES}, r.patience)
	if err != nil {
		return err
	}
	err = f.run(ctx, func(c change) error {
		now := c.frame.GetJob()
		r.over = now == nil || finalState(now.GetState())
		if !r.over && now.GetState() != jobsv1.State_STATE_RUNNING {
			return nil
		}
		if n := now.GetAttempt(); n > r.request.GetAttempt() {
			if r.begun {
				fmt.Fprintf(r.app.err, "stint: attempt %d:\n", n)
			}
			r.request.Attempt, r.request.Offset, r.request.TailLines = n, 0, 0
		}
		return errEnough
	})
	return err
}

// pinAttempt makes `the latest attempt` a number, so that an offset keeps its
// meaning when another attempt begins while the connection is lost.
func (r *logReader) pinAttempt(ctx context.Context) error {
	j, err := r.app.getJob(ctx, r.request.GetId())
	if n := len(j.GetAttempts()); n > 0 && r.request.GetAttempt() == 0 {
		r.request.Attempt = j.GetAttempts()[n-1].GetNumber()
	}
	return err
}

func (r *logReader) stream(ctx context.Context, back *backoff) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := r.client.StreamLogs(ctx, r.request)
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
		back.reset()
		r.lost = false
		if err := r.take(frame); err != nil {
			return err
		}
	}
}

// take prints a frame's bytes, those that came before left out, and says where
// bytes are missing.
func (r *logReader) take(frame *jobsv1.StreamLogsResponse) error {
	data, offset := frame.GetData(), frame.GetOffset()
	if len(data) == 0 {
		return nil
	}
	if r.begun || r.request.GetTailLines() == 0 {
		switch ahead := offset - r.request.GetOffset(); {
		case ahead > 0:
			fmt.Fprintf(r.app.err, "stint: %s left out here: the output is over its size limit\n", humanBytes(ahead))
		case ahead <= -int64(len(data)):
			return nil
		case ahead < 0:
			data, offset = data[-ahead:], offset-ahead
		}
	}
	r.begun = true
	r.request.TailLines, r.request.Offset = 0, offset+int64(len(data))
	if r.request.GetAttempt() == 0 {
		r.request.Attempt = 1 // there was none when this began, so what came is of the first
	}
	_, err := r.out.Write(data)
	return err
}
