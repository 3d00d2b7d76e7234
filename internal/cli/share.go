package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// rightFlags are the rights of a job as flags.
type rightFlags struct{ history, logs, results, rerun bool }

// list is what the flags ask for; without any of them, to see all of the job.
func (r rightFlags) list() []jobsv1.ShareRight {
	if r == (rightFlags{}) {
		r = rightFlags{history: true, logs: true, results: true}
	}
	list := []jobsv1.ShareRight{jobsv1.ShareRight_SHARE_RIGHT_HISTORY}
	if r.logs {
		list = append(list, jobsv1.ShareRight_SHARE_RIGHT_LOGS)
	}
	if r.results {
		list = append(list, jobsv1.ShareRight_SHARE_RIGHT_RESULTS)
	}
	if r.rerun {
		list = append(list, jobsv1.ShareRight_SHARE_RIGHT_RERUN)
	}
	return list
}

func newShareCommand(a *app) *cobra.Command {
	var (
		rights  rightFlags
		unknown bool
	)
	cmd := &cobra.Command{
		Use:   "share ID USER",
		Short: "Let another user see a job of yours",
		Long: `Let another user see a job of yours, or parts of it. What they had of it before is
replaced. Without a flag they get --history, --logs and --results. Every right includes
--history. They find it with "stint shares"; "stint unshare" takes it back.`,
		Example: `  stint share 12 maria
  stint share 12 maria --results
  stint share 12 maria --rerun`,
		Args:              arguments(2, 2),
		ValidArgsFunction: a.completeFirst(a.completeJobs()),
	}
	f := addFormat(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&rights.history, "history", false, "its status, history and parameters")
	flags.BoolVar(&rights.logs, "logs", false, "what its command wrote")
	flags.BoolVar(&rights.results, "results", false, "its result files")
	flags.BoolVar(&rights.rerun, "rerun", false, "to start a job of their own like it, with files of their own")
	flags.BoolVar(&unknown, "unknown-user", false, "share also with a name that the server has never seen, which is refused otherwise")
	cmd.RunE = a.verb(func(ctx context.Context, args []string) error {
		client, err := a.jobs()
		if err != nil {
			return err
		}
		var res *jobsv1.ShareResponse
		err = a.call(ctx, func(ctx context.Context) error { // to share twice is to share
			res, err = client.Share(ctx, &jobsv1.ShareRequest{Id: args[0], User: args[1], Rights: rights.list(), UnknownUser: unknown})
			return err
		})
		if s, ok := callStatus(err); ok && errorReason(s) == "USER_UNKNOWN" {
			return &exitError{code: exitFailed, text: "nobody of the name " + args[1] + " was ever seen by the server" +
				"\n  Check its spelling. To share with somebody who is still to come: stint share " + args[0] + " " + args[1] + " --unknown-user"}
		}
		if err != nil {
			return err
		}
		sh := res.GetShare()
		return a.show(*f, answer{
			messages: []proto.Message{sh}, names: []string{sh.GetUser()},
			table: func() error {
				say(a.out, "Job %s is shared with %s: %s.", sh.GetJobId(), sh.GetUser(), rightWords(sh.GetRights()))
				return nil
			},
		})
	})
	return cmd
}

// rightWords names rights as the flags do: "history, logs".
func rightWords(rights []jobsv1.ShareRight) string {
	return strings.Join(namesOf(rights, func(r jobsv1.ShareRight) string {
		return strings.ToLower(strings.TrimPrefix(r.String(), "SHARE_RIGHT_"))
	}), ", ")
}
