package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// watchOptions are the flags of `stint watch`.
type watchOptions struct {
	owner    string
	all      bool
	after    string
	patience time.Duration
	format   *format
}

func newWatchCommand(a *app) *cobra.Command {
	o := &watchOptions{}
	cmd := &cobra.Command{
		Use:   "watch [ID...]",
		Short: "Follow jobs until they end; without ids, all of yours until Ctrl-C",
		Long: `Follow jobs and print every change: what they are found in first, then each change
once and in order, also when the connection or the server goes away in between.

With ids it ends when all of them have: 0 they completed, 1 one failed or is gone,
3 one was cancelled and none failed. Ctrl-C ends the watch (130), never the jobs.

"-o jsonl" prints the API's frames, a line each. Those behind what the jobs are found
in have a cursor; --after CURSOR goes on strictly behind it.`,
		Example: `  stint watch 12
  stint watch $(stint list --state running,queued -o name)
  stint watch -o jsonl | jq -r '.job | select(.state == "STATE_FAILED") | .id'`,
		Args:              arguments(0, -1),
		ValidArgsFunction: a.completeWith(a.completeJobs(jobsv1.State_STATE_QUEUED, jobsv1.State_STATE_RUNNING)),
	}
	o.format = addFormat(cmd)
	addOwnerFlags(cmd, &o.owner, &o.all)
	cmd.Flags().StringVar(&o.after, "after", "", "go on strictly behind this `CURSOR`, without what the jobs are found in")
	addPatience(cmd, &o.patience)
	cmd.RunE = a.verb(func(ctx context.Context, ids []string) error { return a.watch(ctx, o, ids) })
	return cmd
}

func (a *app) watch(ctx context.Context, o *watchOptions, ids []string) error {
	owner, err := ownerOf(o.owner, o.all)
	if err != nil {
		return err
	}
	ids = unique(ids)
	if len(ids) > 0 && owner != "" {
		return usagef("--owner and --all are for watching without ids")
	}
	printer := &changePrinter{w: a.out, screen: a.screen, format: *o.format, live: a.screen.cursor, tabs: !a.screen.tty}
	defer printer.clear()
	if len(ids) == 0 {
		f, err := a.follow(o.request(owner, nil), o.patience)
		if err != nil {
			return err
		}
		return f.run(ctx, printer.print)
	}
	a.afterSignal = "; the " + jobsGoOn(ids)
	v := newVerdict(ids)
	err = a.followAll(ctx, o, ids, func(c change) error {
		if err := printer.print(c); err != nil {
			return err
		}
		if err := v.note(c); !errors.Is(err, errEnough) { // each stream has its own end
			return err
		}
		return nil
	})
	printer.clear()
	if err != nil {
		return err
	}
	return v.err()
}

func (o *watchOptions) request(owner string, ids []string) *jobsv1.WatchStatusRequest {
	return &jobsv1.WatchStatusRequest{
		Ids: ids, Owner: owner, AfterCursor: o.after, View: jobsv1.WatchView_WATCH_VIEW_CHANGES, UntilFinal: len(ids) > 0,
	}
}

// followAll follows jobs until all have ended, by as many streams as the API needs for so many. handle is
// called by one of them at a time.
func (a *app) followAll(ctx context.Context, o *watchOptions, ids []string, handle func(change) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var turn sync.Mutex
	ended := make(chan error, len(ids)/mostIDs+1)
	streams := 0
	for part := range slices.Chunk(ids, mostIDs) {
		f, err := a.follow(o.request("", part), o.patience)
		if err != nil {
			return err
		}
		f.quiet = streams > 0 // one of them reports a lost connection
		streams++
		v := newVerdict(part)
		go func() {
			ended <- f.run(ctx, func(c change) error {
				turn.Lock()
				defer turn.Unlock()
				if err := handle(c); err != nil {
					return err
				}
				return v.note(c)
			})
		}()
	}
	var first error
	for range streams {
		if err := <-ended; err != nil && first == nil {
			first = err
			cancel()
		}
	}
	return first
}

// unique leaves out what is there twice.
func unique(list []string) []string {
	var once []string
	for _, s := range list {
		if !slices.Contains(once, s) {
			once = append(once, s)
		}
	}
	return once
}

// jobsGoOn says what becomes of watched jobs after Ctrl-C.
func jobsGoOn(ids []string) string {
	if len(ids) == 1 {
		return fmt.Sprintf("job goes on (stint watch %s follows it, stint cancel %s ends it)", ids[0], ids[0])
	}
	return "jobs go on (stint cancel ends them)"
}

// verdict collects how watched jobs end, and with that the exit code.
type verdict struct {
	open      map[string]bool
	asked     int
	last      *jobsv1.Job // of the first that did not complete
	gone      []string
	failed    int
	cancelled int
}

func newVerdict(ids []string) *verdict {
	v := &verdict{open: make(map[string]bool)}
	for _, id := range ids {
		v.open[id] = true
	}
	v.asked = len(v.open)
	return v
}

// note takes a change into account; errEnough once all jobs have ended.
func (v *verdict) note(c change) error {
	id, s := changedID(c.frame), c.frame.GetJob()
	if !v.open[id] || s != nil && !finalState(s.GetState()) {
		return nil
	}
	delete(v.open, id)
	switch s.GetState() {
	case jobsv1.State_STATE_COMPLETED:
	case jobsv1.State_STATE_CANCELLED:
		v.cancelled++
	case jobsv1.State_STATE_FAILED:
		v.failed++
	default:
		v.gone = append(v.gone, id)
	}
	if s != nil && s.GetState() != jobsv1.State_STATE_COMPLETED && (v.last == nil || v.failed == 1 && v.last.GetState() != jobsv1.State_STATE_FAILED) {
		v.last = s
	}
	if len(v.open) == 0 {
		return errEnough
	}
	return nil
}

// err is nil when all completed, and otherwise says which did not and gives the exit code.
func (v *verdict) err() error {
	var parts []string
	code := exitFailed
	switch {
	case len(v.gone)+v.failed+v.cancelled == 0:
		return nil
	case v.asked == 1 && len(v.gone) == 1:
		return fmt.Errorf("there is no job %s, or it is not yours", v.gone[0])
	case v.asked == 1 && v.failed == 1:
		return &exitError{code: exitFailed, text: failedWords(v.last)}
	case v.asked == 1:
		return &exitError{code: exitCancelled, text: fmt.Sprintf("job %s was cancelled", v.last.GetId())}
	case v.failed+len(v.gone) == 0:
		code = exitCancelled
	}
	if v.failed > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", v.failed))
	}
	if v.cancelled > 0 {
		parts = append(parts, fmt.Sprintf("%d were cancelled", v.cancelled))
	}
	if len(v.gone) > 0 {
		parts = append(parts, "not there: "+strings.Join(v.gone, " "))
	}
	return &exitError{code: code, text: fmt.Sprintf("of %d jobs, %s", v.asked, strings.Join(parts, ", "))}
}

// failedWords says why a job failed and where to look.
func failedWords(s *jobsv1.Job) string {
	words := fmt.Sprintf("job %s failed", s.GetId())
	if r := reasonWord(s.GetReason()); r != "" {
		words += " (" + r + ")"
	}
	if m := s.GetMessage(); m != "" {
		words += ": " + clean(m)
	}
	return words + fmt.Sprintf("\n  stint logs %s --stderr shows what it printed.", s.GetId())
}
