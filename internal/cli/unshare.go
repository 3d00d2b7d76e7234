package cli

import (
	"context"

	"github.com/spf13/cobra"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

func newUnshareCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "unshare ID USER...",
		Short: "Take back what users were given of a job",
		Long: `Take back all that users were given of a job of yours. It counts at once: what they follow
or download of it breaks off. For somebody who had nothing of it that is no error.`,
		Example: `  stint unshare 12 maria
  stint unshare 12 $(stint shares 12 -o name)`,
		Args:              arguments(2, -1),
		ValidArgsFunction: a.completeWith(a.completeShared),
	}
	cmd.RunE = a.verb(func(ctx context.Context, args []string) error {
		client, err := a.jobs()
		if err != nil {
			return err
		}
		for _, user := range args[1:] {
			err := a.call(ctx, func(ctx context.Context) error {
				_, err := client.Unshare(ctx, &jobsv1.UnshareRequest{Id: args[0], User: user})
				return err
			})
			if err != nil {
				return err
			}
			say(a.out, "Job %s is not shared with %s.", args[0], user)
		}
		return nil
	})
	return cmd
}

// completeShared finds a job first, and then those with whom it is shared.
func (a *app) completeShared(ctx context.Context, before []string, typed string) []string {
	if len(before) == 0 {
		return a.completeJobs()(ctx, before, typed)
	}
	client, err := a.jobs()
	if err != nil {
		return nil
	}
	res, err := client.ListShares(ctx, &jobsv1.ListSharesRequest{Id: before[0], PageSize: mostShares})
	if err != nil {
		return nil
	}
	return namesOf(res.GetShares(), func(sh *jobsv1.Share) string { return described(sh.GetUser(), rightWords(sh.GetRights())) })
}
