package cli

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
)

func newOrphansCommand(a *app) *cobra.Command {
	var end []string
	cmd := &cobra.Command{
		Use:   "orphans",
		Short: "List jobs on the engines that this installation started and does not know",
		Long: `List jobs on the engines that carry this installation's name and that no record knows of,
for example after the database was restored from an old copy. Nothing is done about
them unless --cancel names one.`,
		Example: `  stint admin orphans
  stint admin orphans --cancel slurm/4711`,
		Args: arguments(0, 0),
	}
	f := addFormat(cmd)
	cmd.Flags().StringSliceVar(&end, "cancel", nil, "end these, each given as EXECUTOR/ENGINE-ID")
	cmd.RunE = a.verb(func(ctx context.Context, _ []string) error {
		client, err := a.admin()
		if err != nil {
			return err
		}
		if len(end) > 0 {
			return a.cancelOrphans(ctx, client, end)
		}
		orphans, unreachable, err := a.allOrphans(ctx, client)
		if err != nil {
			return err
		}
		for _, name := range unreachable {
			say(a.err, "stint: the executor %s could not be asked", name)
		}
		return a.show(*f, answer{
			messages: messagesOf(orphans), list: true, names: namesOf(orphans, orphanName),
			table: func() error { a.orphanTable(orphans); return nil },
		})
	})
	return cmd
}

// allOrphans collects the orphans of all pages, and the names of the executors that could not be asked when the last was made.
func (a *app) allOrphans(ctx context.Context, client adminv1.AdminServiceClient) (all []*adminv1.Orphan, unreachable []string, _ error) {
	for token := ""; ; {
		var resp *adminv1.ListOrphansResponse
		err := a.call(ctx, func(ctx context.Context) (err error) {
			resp, err = client.ListOrphans(ctx, &adminv1.ListOrphansRequest{PageSize: 1000, PageToken: token})
			return err
		})
		if err != nil {
			return nil, nil, err
		}
		all = append(all, resp.GetOrphans()...)
		if token = resp.GetNextPageToken(); token == "" {
			return all, resp.GetUnreachable(), nil
		}
	}
}

func orphanName(o *adminv1.Orphan) string { return o.GetExecutor() + "/" + o.GetEngineId() }

func (a *app) orphanTable(orphans []*adminv1.Orphan) {
	g := &grid{columns: []column{
		{title: "ORPHAN"}, {title: "JOB"}, {title: "ATTEMPT", drop: 2}, {title: "STATE"}, {title: "NODE", drop: 3}, {title: "SUBMITTED", drop: 1},
	}}
	for _, o := range orphans {
		g.add(orphanName(o), o.GetJobId(), strconv.Itoa(int(o.GetAttempt())), o.GetEngineState(), o.GetNode(), a.screen.time(o.GetSubmitTime()))
	}
	g.print(a.out, a.screen)
}

// cancelOrphans asks for each, and goes on to the next when one cannot be had.
func (a *app) cancelOrphans(ctx context.Context, client adminv1.AdminServiceClient, names []string) error {
	var failed error
	for _, name := range names {
		executor, id, ok := strings.Cut(name, "/")
		if !ok {
			return usagef("--cancel takes EXECUTOR/ENGINE-ID, not %q", name)
		}
		err := a.call(ctx, func(ctx context.Context) error {
			_, err := client.CancelOrphan(ctx, &adminv1.CancelOrphanRequest{Executor: executor, EngineId: id})
			return err
		})
		if err != nil {
			failed = err
			continue
		}
		say(a.out, "%s was asked to end.", name)
	}
	return failed
}
