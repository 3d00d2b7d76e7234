package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// mostDescription is the longest report read, a little more than the server takes.
const mostDescription = 64 << 10

func newReportCommand(a *app) *cobra.Command {
	var message string
	cmd := &cobra.Command{
		Use:   "report ID",
		Short: "Tell the operators of a problem with a job",
		Long: `Tell the operators of a problem with a job. The job's facts go with the report. Say
what is wrong with -m; for a failed job the report may come without words.`,
		Example: `  stint report 12 -m "the assembly is empty although the reads are fine"
  stint report 12 -m - < description.txt`,
		Args:              arguments(1, 1),
		ValidArgsFunction: a.completeFirst(a.completeJobs()),
	}
	f := addFormat(cmd)
	cmd.Flags().StringVarP(&message, "message", "m", "", "what is wrong; - reads it from standard input")
	cmd.RunE = a.verb(func(ctx context.Context, args []string) error {
		if message == "-" {
			text, err := io.ReadAll(io.LimitReader(a.stdin(ctx), mostDescription))
			if err != nil {
				return fmt.Errorf("read the report: %w", err)
			}
			message = string(text)
		}
		client, err := a.jobs()
		if err != nil {
			return err
		}
		var res *jobsv1.ReportIssueResponse
		// Not repeated after a lost answer: that would make two reports.
		err = a.once(ctx, func(ctx context.Context) error {
			res, err = client.ReportIssue(ctx, &jobsv1.ReportIssueRequest{Id: args[0], Description: message})
			return err
		})
		if err != nil {
			return err
		}
		return a.show(*f, answer{
			messages: []proto.Message{res},
			names:    []string{res.GetIssueId()},
			table: func() error {
				say(a.out, "Reported as %s.", res.GetIssueId())
				return nil
			},
		})
	})
	return cmd
}
