package cli

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
)

func newQuotaCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "quota",
		Short: "Show what your workspace takes and may take",
		Long:  "Show what your workspace takes and may take. Each file and folder counts 4 KiB beside its size.",
		Example: `  stint quota
  stint quota -o json`,
		Args: arguments(0, 0),
	}
	f := addFormat(cmd)
	cmd.RunE = a.verb(func(ctx context.Context, _ []string) error {
		client, err := a.workspace()
		if err != nil {
			return err
		}
		var u *workspacev1.GetUsageResponse
		err = a.call(ctx, func(ctx context.Context) error {
			u, err = client.GetUsage(ctx, &workspacev1.GetUsageRequest{})
			return err
		})
		if err != nil {
			return err
		}
		return a.show(*f, answer{messages: []proto.Message{u}, table: func() error { a.printUsage(u); return nil }})
	})
	return cmd
}

func (a *app) printUsage(u *workspacev1.GetUsageResponse) {
	limit := func(n int64, text string) string {
		if n == 0 {
			return "none"
		}
		return text
	}
	g := &grid{columns: []column{{title: "WHAT"}, {title: "USED", right: a.screen.tty}, {title: "LIMIT", right: a.screen.tty}}}
	g.add("bytes", a.screen.bytes(u.GetUsedBytes()), limit(u.GetMaxBytes(), a.screen.bytes(u.GetMaxBytes())))
	g.add("files and folders", strconv.FormatInt(u.GetUsedEntries(), 10), limit(u.GetMaxEntries(), strconv.FormatInt(u.GetMaxEntries(), 10)))
	g.add("names in a path", "", limit(int64(u.GetMaxDepth()), strconv.Itoa(int(u.GetMaxDepth()))))
	g.print(a.out, a.screen)
}
