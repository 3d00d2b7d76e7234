package cli

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// waitFor follows a job that was just submitted until it ends, and shows its
// result files. With a format for programs, what happens goes to standard error
// and standard output gets the job as it ended.
func (a *app) waitFor(ctx context.Context, o *submitOptions, res accepted) error {
	job := res.GetJob()
	ids := []string{job.GetId()}
	a.afterSignal = "; the " + jobsGoOn(ids)
	people := *o.format == asTable
	printer := &changePrinter{w: a.out, screen: a.screen, format: asTable, live: a.screen.cursor}
	if !people {
		printer.w, printer.live, printer.screen.color = a.err, a.screen.errTTY, false
	}
	say(printer.w, "%s", acceptedWords(job, res.GetDeduplicated()))
	v := newVerdict(ids)
	if err := a.followOne(ctx, o, res, func(c change) error {
		if err := printer.print(c); err != nil {
			return err
		}
		return v.note(c)
	}); err != nil {
		printer.clear()
		if signalled(ctx) == nil {
			say(a.err, "stint: the %s", jobsGoOn(ids))
		}
		return err
	}
	printer.clear()
	ended, err := a.getJob(ctx, job.GetId())
	if err != nil {
		return err
	}
	err = a.show(*o.format, answer{
		messages: []proto.Message{ended},
		names:    ids,
		table:    func() error { return a.showOutcome(ctx, ended) },
	})
	if err != nil {
		return err
	}
	return v.err()
}

// followOne hands every change behind the submit to handle. A job that was
// there before may have ended already.
func (a *app) followOne(ctx context.Context, o *submitOptions, res accepted, handle func(change) error) error {
	job := res.GetJob()
	if finalState(job.GetState()) {
		err := handle(change{frame: &jobsv1.WatchStatusResponse{
			Event: &jobsv1.WatchStatusResponse_Job{Job: job},
		}})
		if err == errEnough { //nolint:errorlint // it is never wrapped
			return nil
		}
		return err
	}
	f, err := a.follow(&jobsv1.WatchStatusRequest{
		Ids: []string{job.GetId()}, AfterCursor: res.GetCursor(), View: jobsv1.WatchView_WATCH_VIEW_CHANGES, UntilFinal: true,
	}, o.patience)
	if err != nil {
		return err
	}
	f.known[job.GetId()] = job
	return f.run(ctx, handle)
}

// showOutcome shows the result files of a job that ended, for people.
func (a *app) showOutcome(ctx context.Context, job *jobsv1.Job) error {
	res, err := a.results(ctx, job.GetId())
	if err != nil {
		return err
	}
	if len(res.GetFiles()) == 0 {
		fmt.Fprintln(a.out, "No result files.")
		return nil
	}
	head := "Result files:"
	if f := job.GetResultFolder(); f != "" {
		head = "Result files, also in your workspace at " + clean(f) + ":"
	}
	fmt.Fprintln(a.out, head)
	resultGrid(res.GetFiles(), a.screen).print(a.out, a.screen)
	if a.screen.tty {
		say(a.out, "  stint results get %s --all brings them here.", job.GetId())
	}
	return nil
}
