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
		Short: "Show what you use and where it ends",
		Long: `Show how much you use of what has a number at which it ends, and that number. In the workspace each file and folder
counts 4 KiB beside its size. Where nothing is said to be used, the limit is that of each job or path.`,
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
	g := &grid{columns: []column{{title: "WHAT"}, {title: "USED", right: a.screen.tty}, {title: "LIMIT", right: a.screen.tty}}}
	for _, q := range u.GetQuotas() {
		amount := func(n int64) string {
			if q.GetBytes() {
				return a.screen.bytes(n)
			}
			return strconv.FormatInt(n, 10)
		}
		used, limit := "", "none"
		if q.Used != nil {
			used = amount(q.GetUsed())
		}
		if q.GetMax() > 0 {
			limit = amount(q.GetMax())
		}
		g.add(q.GetTitle(), used, limit)
	}
	g.print(a.out, a.screen)
}
