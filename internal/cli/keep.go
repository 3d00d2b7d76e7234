package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

func newKeepCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keep ID...",
		Short: "Keep finished jobs with their results, whatever the server deletes by age",
		Long: `Keep finished jobs of yours with their logs and results, although the server deletes old jobs.
What their folders take counts in your workspace quota; "stint quota" shows how many you may
keep. "stint unkeep" takes it back. What is in your workspace is never deleted by age.`,
		Example: `  stint keep 12
  stint keep $(stint list --state completed --label paper=2026 -o name)`,
		Args:              arguments(1, -1),
		ValidArgsFunction: a.completeWith(a.completeJobs()),
	}
	cmd.RunE = a.verb(func(ctx context.Context, ids []string) error {
		client, err := a.jobs()
		if err != nil {
			return err
		}
		for _, id := range ids {
			var res *jobsv1.KeepResponse
			err := a.call(ctx, func(ctx context.Context) error {
				res, err = client.Keep(ctx, &jobsv1.KeepRequest{Id: id})
				return err
			})
			if err != nil {
				return err
			}
			say(a.out, "Job %s is kept: %s count in your quota.", id, humanBytes(res.GetJob().GetKeptBytes()))
		}
		return nil
	})
	return cmd
}

func newUnkeepCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "unkeep ID...",
		Short:             "Take back that jobs are kept; the server may delete them by age again",
		Example:           `  stint unkeep 12`,
		Args:              arguments(1, -1),
		ValidArgsFunction: a.completeWith(a.completeJobs()),
	}
	cmd.RunE = a.verb(func(ctx context.Context, ids []string) error {
		client, err := a.jobs()
		if err != nil {
			return err
		}
		for _, id := range ids {
			var res *jobsv1.UnkeepResponse
			err := a.call(ctx, func(ctx context.Context) error {
				res, err = client.Unkeep(ctx, &jobsv1.UnkeepRequest{Id: id})
				return err
			})
			if err != nil {
				return err
			}
			say(a.out, "Job %s is not kept any more.%s", id, untilWords(res.GetJob(), time.Now()))
		}
		return nil
	})
	return cmd
}

// untilWords say when a job is deleted; nothing where it is not.
func untilWords(j *jobsv1.Job, now time.Time) string {
	if j.GetExpireTime() == nil {
		return ""
	}
	return " It is deleted " + endsIn(j, now) + "."
}

// expireSoon is from when on a list warns that a job is deleted.
const expireSoon = 7 * 24 * time.Hour

// endsIn says in how long a job is deleted.
func endsIn(j *jobsv1.Job, now time.Time) string {
	if left := j.GetExpireTime().AsTime().Sub(now); left > time.Minute {
		return "in " + humanDuration(left)
	}
	return "within a minute"
}

// endsCell is the column ENDS of a list: empty for jobs that stay. On a terminal it warns of those that stay for less than
// a week; otherwise it is the time.
func endsCell(s screen, j *jobsv1.Job, now time.Time) string {
	switch {
	case j.GetKeepTime() != nil:
		return "kept"
	case !s.tty:
		return s.time(j.GetExpireTime())
	case j.GetExpireTime() == nil || j.GetExpireTime().AsTime().Sub(now) > expireSoon:
		return ""
	default:
		return endsIn(j, now)
	}
}
