package cli

import (
	"context"

	"github.com/spf13/cobra"

	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
)

func newRmCommand(a *app) *cobra.Command {
	var recursive bool
	cmd := &cobra.Command{
		Use:   "rm PATH...",
		Short: "Remove files from your workspace",
		Long:  "Remove files from your workspace; with -r also folders with everything in them.",
		Example: `  stint rm /reads/sample1.fastq
  stint rm -r /jobs/lambda`,
		Args:              arguments(1, -1),
		ValidArgsFunction: a.completeWith(a.completePaths),
	}
	cmd.Flags().BoolVarP(&recursive, "recursive", "r", false, "remove folders with everything in them")
	cmd.RunE = a.verb(func(ctx context.Context, args []string) error {
		client, err := a.workspace()
		if err != nil {
			return err
		}
		var removed int64
		for _, p := range args {
			var res *workspacev1.DeleteResponse
			// Not repeated: after a lost answer the second try would say that nothing is there.
			err := a.once(ctx, func(ctx context.Context) error {
				res, err = client.Delete(ctx, &workspacev1.DeleteRequest{Path: p, Recursive: recursive})
				return err
			})
			if err != nil {
				return err
			}
			removed += res.GetRemovedFiles()
		}
		say(a.out, "%s removed", plural(removed, "file"))
		return nil
	})
	return cmd
}
