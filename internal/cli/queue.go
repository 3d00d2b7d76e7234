package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
)

// mostQueueRows is how many rows are asked for at a time.
const mostQueueRows = 500

func newQueueCommand(a *app) *cobra.Command {
	var (
		limit int
		state string
	)
	cmd := &cobra.Command{
		Use:   "queue",
		Short: "Show the waiting and running jobs of all users",
		Long: `Show the waiting and running jobs of all users, in the order in which they were submitted.
Of jobs that are neither yours nor shared with you it shows their state, since when, and about how
much they ask for: times to the minute, amounts rounded up to a power of two.`,
		Example: `  stint queue
  stint queue --state running`,
		Args: arguments(0, 0),
	}
	f := addFormat(cmd)
	cmd.Flags().StringVar(&state, "state", "", "only jobs in this `STATE`: queued or running")
	cmd.Flags().IntVar(&limit, "limit", 100, "show at most so many")
	completeFlag(cmd, "state", "queued", "running")
	completeFlag(cmd, "limit")
	cmd.RunE = a.verb(func(ctx context.Context, _ []string) error {
		if limit < 1 {
			return usagef("--limit must be at least 1")
		}
		req := &adminv1.ListQueueRequest{}
		switch state {
		case "":
		case "queued", "running":
			states, err := parseStates([]string{state})
			if err != nil {
				return err
			}
			req.State = states[0]
		default:
			return usagef("--state must be queued or running, not %q", state)
		}
		page, err := a.queue(ctx, req, limit)
		if err != nil {
			return err
		}
		return a.show(*f, answer{
			messages: messagesOf(page.GetRows()), list: true, names: ownRows(page.GetRows()),
			table: func() error {
				a.queueGrid(page.GetRows()).print(a.out, a.screen)
				if a.screen.tty {
					if slices.ContainsFunc(page.GetRows(), (*adminv1.QueueRow).GetMasked) {
						fmt.Fprintln(a.out, a.screen.paint(faint, maskedFooter))
					}
					fmt.Fprintln(a.out, a.screen.paint(faint, queueFooter(page)))
				}
				return nil
			},
		})
	})
	return cmd
}

// queue collects pages into one. The totals are those of the first.
func (a *app) queue(ctx context.Context, req *adminv1.ListQueueRequest, limit int) (*adminv1.ListQueueResponse, error) {
	client, err := a.queueService()
	if err != nil {
		return nil, err
	}
	var all *adminv1.ListQueueResponse
	for {
		req.PageSize = int32(min(limit-len(all.GetRows()), mostQueueRows))
		var page *adminv1.ListQueueResponse
		err := a.call(ctx, func(ctx context.Context) error {
			page, err = client.ListQueue(ctx, req)
			return err
		})
		if err != nil {
			return nil, err
		}
		if all == nil {
			all = page
		} else {
			all.Rows, all.NextPageToken = append(all.Rows, page.GetRows()...), page.GetNextPageToken()
		}
		if req.PageToken = page.GetNextPageToken(); req.PageToken == "" || len(all.GetRows()) >= limit {
			return all, nil
		}
	}
}

// ownRows are the ids of the rows that have one.
func ownRows(rows []*adminv1.QueueRow) []string {
	var ids []string
	for _, r := range rows {
		if !r.GetMasked() {
			ids = append(ids, r.GetId())
		}
	}
	return ids
}

func (a *app) queueGrid(rows []*adminv1.QueueRow) *grid {
	g := &grid{columns: []column{
		{title: "ID", right: a.screen.tty},
		{title: "STATE", color: stateColor},
		{title: "OWNER", least: 6},
		{title: "SERVICE", least: 8},
		{title: "OUTPUT NAME", least: 10, drop: 5},
		{title: "REASON", least: 10, drop: 6},
		{title: "AHEAD", right: a.screen.tty, drop: 9},
		{title: "EXPECTED START", drop: 9},
		{title: "SUBMITTED", drop: 1},
		{title: "STARTED", drop: 4},
		{title: "CPUS", right: a.screen.tty, drop: 2},
		{title: "MEMORY", right: a.screen.tty, drop: 3},
		{title: "TIME LIMIT", right: a.screen.tty, drop: 7},
		{title: "EXECUTOR", drop: 8},
	}}
	for _, r := range rows {
		owner := r.GetOwner()
		if r.GetMasked() && a.screen.tty {
			owner = "(hidden)"
		}
		asked := r.GetResources()
		g.add(r.GetId(), stateWord(r.GetState()), owner, r.GetService(), r.GetOutputName(), reasonWord(r.GetReason()),
			aheadWord(r.GetQueuePosition()), a.screen.time(r.GetExpectedStartTime()),
			a.screen.time(r.GetSubmitTime()), a.screen.time(r.GetStartTime()), strconv.Itoa(int(asked.GetCpus())),
			a.screen.bytes(asked.GetMemoryBytes()), humanDurationOf(asked.GetTimeLimit()), r.GetExecutor())
	}
	return g
}

// maskedFooter says why rows of others have no reason, no place and no expected start.
const maskedFooter = "(hidden): of jobs of others it is not said why or when."

// queueFooter says how long the queue is, and whether there is more than was shown.
func queueFooter(page *adminv1.ListQueueResponse) string {
	text := fmt.Sprintf("%s waiting, %s running", humanCount(page.GetTotalQueued()), humanCount(page.GetTotalRunning()))
	if page.GetNextPageToken() != "" {
		text += fmt.Sprintf("; %s shown (--limit N shows more)", humanCount(int64(len(page.GetRows()))))
	}
	return text
}
