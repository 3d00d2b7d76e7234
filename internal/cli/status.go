package cli

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

func newStatusCommand(a *app) *cobra.Command {
	var (
		owner string
		all   bool
	)
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Count jobs by state and service",
		Long:  "Count jobs by state and service. The counts are exact. For one job see: stint get ID.",
		Example: `  stint status
  stint status -o json | jq .total.running`,
		Args: arguments(0, 0),
	}
	f := addFormat(cmd)
	addOwnerFlags(cmd, &owner, &all)
	cmd.RunE = a.verb(func(ctx context.Context, _ []string) error {
		whose, err := ownerOf(owner, all)
		if err != nil {
			return err
		}
		client, err := a.jobs()
		if err != nil {
			return err
		}
		var res *jobsv1.SummarizeResponse
		err = a.call(ctx, func(ctx context.Context) error {
			res, err = client.Summarize(ctx, &jobsv1.SummarizeRequest{Owner: whose})
			return err
		})
		if err != nil {
			return err
		}
		sum := res.GetSummary()
		return a.show(*f, answer{
			messages: []proto.Message{sum},
			names:    sortedKeys(sum.GetServices()),
			table:    func() error { summaryGrid(sum, a.screen.tty).print(a.out, a.screen); return nil },
		})
	})
	return cmd
}

// summaryGrid shows a line for each service and one for the sum.
func summaryGrid(sum *jobsv1.Summary, tty bool) *grid {
	g := &grid{columns: []column{
		{title: "SERVICE", least: 8},
		{title: "QUEUED", right: tty},
		{title: "RUNNING", right: tty, color: colorOfCount(blue)},
		{title: "COMPLETED", right: tty, color: colorOfCount(green)},
		{title: "FAILED", right: tty, color: colorOfCount(red)},
		{title: "CANCELLED", right: tty, color: colorOfCount(yellow)},
	}}
	line := func(name string, c *jobsv1.StateCounts) {
		cells := []string{name}
		for _, n := range []int64{c.GetQueued(), c.GetRunning(), c.GetCompleted(), c.GetFailed(), c.GetCancelled()} {
			cells = append(cells, strconv.FormatInt(n, 10))
		}
		g.add(cells...)
	}
	for _, name := range sortedKeys(sum.GetServices()) {
		line(name, sum.GetServices()[name])
	}
	line("TOTAL", sum.GetTotal())
	return g
}

func colorOfCount(color string) func(string) string {
	return func(cell string) string {
		if cell == "0" {
			return ""
		}
		return color
	}
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	return slices.Sorted(maps.Keys(m))
}
