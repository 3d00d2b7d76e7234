package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/grpc/status"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

func newCancelCommand(a *app) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "cancel ID...",
		Short: "End jobs",
		Long: `Ask for jobs to be ended and print the answer for each. A running job gets a moment
to end by itself; "stint watch" shows when it has. For a job that had ended before the
answer is its state, which is no error.

An operator who ends another user's job must say why; on a terminal they are asked.`,
		Example: `  stint cancel 12 13
  stint cancel $(stint list --state queued -o name) --reason "wrong reads"`,
		Args:              arguments(1, -1),
		ValidArgsFunction: a.completeWith(a.completeJobs(jobsv1.State_STATE_QUEUED, jobsv1.State_STATE_RUNNING)),
	}
	f := addFormat(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "why, for whoever reads it later")
	cmd.RunE = a.verb(func(ctx context.Context, ids []string) error {
		results, err := a.cancelAll(ctx, ids, reason)
		if err == nil {
			err = a.cancelWithReason(ctx, results)
		}
		if err != nil {
			return err
		}
		if err := a.show(*f, cancelAnswer(a, results)); err != nil {
			return err
		}
		refused := 0
		for _, r := range results {
			if r.GetError() != nil {
				refused++
			}
		}
		if refused > 0 {
			return &exitError{code: exitFailed, text: fmt.Sprintf("%d of %s could not be cancelled", refused, plural(int64(len(results)), "job"))}
		}
		return nil
	})
	return cmd
}

// cancelAll asks in batches. That is safe to repeat.
func (a *app) cancelAll(ctx context.Context, ids []string, reason string) ([]*jobsv1.CancelResult, error) {
	client, err := a.jobs()
	if err != nil {
		return nil, err
	}
	var all []*jobsv1.CancelResult
	for chunk := range slices.Chunk(ids, mostIDs) {
		var res *jobsv1.BatchCancelResponse
		err := a.call(ctx, func(ctx context.Context) error {
			res, err = client.BatchCancel(ctx, &jobsv1.BatchCancelRequest{Ids: chunk, Reason: reason})
			return err
		})
		if err != nil {
			return all, err
		}
		all = append(all, res.GetResults()...)
	}
	return all, nil
}

// cancelWithReason asks why and again for those of the jobs that are other users', and puts their answers in place.
func (a *app) cancelWithReason(ctx context.Context, results []*jobsv1.CancelResult) error {
	var ids []string
	for _, r := range results {
		if lacksReason(status.FromProto(r.GetError())) {
			ids = append(ids, r.GetId())
		}
	}
	if len(ids) == 0 {
		return nil
	}
	reason, err := a.askReason(ctx, "end", ids...)
	if err != nil || reason == "" {
		return err
	}
	again, err := a.cancelAll(ctx, ids, reason)
	for i, r := range results {
		if len(again) > 0 && r.GetId() == again[0].GetId() {
			results[i], again = again[0], again[1:]
		}
	}
	return err
}

func cancelAnswer(a *app, results []*jobsv1.CancelResult) answer {
	g := &grid{columns: []column{
		{title: "ID"},
		{title: "STATE", color: stateColor},
		{title: "ANSWER", least: 20, color: func(cell string) string {
			if strings.HasPrefix(cell, "refused") {
				return red
			}
			return ""
		}},
	}}
	var names []string
	for _, r := range results {
		if r.GetError() != nil {
			g.add(r.GetId(), "", "refused: "+refusal(r))
			continue
		}
		names = append(names, r.GetId())
		g.add(r.GetId(), stateWord(r.GetJob().GetState()), cancelWords(r.GetJob()))
	}
	return answer{
		messages: messagesOf(results), list: true, names: names,
		table: func() error { g.print(a.out, a.screen); return nil },
	}
}

func refusal(r *jobsv1.CancelResult) string {
	if m := r.GetError().GetMessage(); m != "" {
		return m
	}
	return code.Code(r.GetError().GetCode()).String()
}

// cancelWords says what a stored wish to cancel came to.
func cancelWords(j *jobsv1.Job) string {
	switch {
	case j.GetState() == jobsv1.State_STATE_CANCELLED:
		return "cancelled"
	case finalState(j.GetState()):
		return "had ended before"
	default:
		return "asked to end"
	}
}
