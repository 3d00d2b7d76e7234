package cli

import (
	"context"

	"github.com/spf13/cobra"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// mostShares is how many shares are asked for at a time.
const mostShares = 200

func newSharesCommand(a *app) *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:   "shares [ID]",
		Short: "List what others share with you, or with whom a job is shared",
		Long: `Without an id, list the jobs that others share with you, newest first; "stint get", "stint logs"
and the other verbs take their ids. With the id of a job of yours, list with whom it is shared.`,
		Example: `  stint shares
  stint shares 12`,
		Args:              arguments(0, 1),
		ValidArgsFunction: a.completeFirst(a.completeJobs()),
	}
	f := addFormat(cmd)
	cmd.Flags().IntVar(&limit, "limit", 50, "show at most so many")
	completeFlag(cmd, "limit")
	cmd.RunE = a.verb(func(ctx context.Context, args []string) error {
		if limit < 1 {
			return usagef("--limit must be at least 1")
		}
		id := ""
		if len(args) > 0 {
			id = args[0]
		}
		shares, err := a.sharesOf(ctx, id, limit)
		if err != nil {
			return err
		}
		ans := answer{messages: messagesOf(shares), list: true}
		if id == "" {
			ans.names = namesOf(shares, (*jobsv1.Share).GetJobId)
			ans.table = func() error { a.receivedGrid(shares).print(a.out, a.screen); return nil }
		} else {
			ans.names = namesOf(shares, (*jobsv1.Share).GetUser)
			ans.table = func() error { a.givenGrid(shares).print(a.out, a.screen); return nil }
		}
		return a.show(*f, ans)
	})
	return cmd
}

// sharesOf collects the shares of a job, or without an id those with the caller.
func (a *app) sharesOf(ctx context.Context, id string, limit int) ([]*jobsv1.Share, error) {
	client, err := a.jobs()
	if err != nil {
		return nil, err
	}
	var all []*jobsv1.Share
	for token := ""; ; {
		var page interface {
			GetShares() []*jobsv1.Share
			GetNextPageToken() string
		}
		size := int32(min(limit-len(all), mostShares))
		err := a.call(ctx, func(ctx context.Context) error {
			if id == "" {
				page, err = client.ListSharedWithMe(ctx, &jobsv1.ListSharedWithMeRequest{PageSize: size, PageToken: token})
			} else {
				page, err = client.ListShares(ctx, &jobsv1.ListSharesRequest{Id: id, PageSize: size, PageToken: token})
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		all = append(all, page.GetShares()...)
		if token = page.GetNextPageToken(); token == "" || len(all) >= limit {
			return all, nil
		}
	}
}

// receivedGrid shows what others share with the caller.
func (a *app) receivedGrid(shares []*jobsv1.Share) *grid {
	g := &grid{columns: []column{
		{title: "ID", right: a.screen.tty},
		{title: "STATE", color: stateColor},
		{title: "OWNER", least: 6},
		{title: "RIGHTS", least: 8},
		{title: "SERVICE", least: 8, drop: 2},
		{title: "OUTPUT NAME", least: 10},
		{title: "SHARED", drop: 3},
		{title: "SUBMITTED", drop: 4},
		{title: "COMPLETED", drop: 5},
	}}
	for _, sh := range shares {
		j := sh.GetJob()
		g.add(sh.GetJobId(), stateWord(j.GetState()), j.GetOwner(), rightWords(sh.GetRights()), j.GetService(), j.GetOutputName(),
			a.screen.time(sh.GetCreateTime()), a.screen.time(j.GetSubmitTime()), a.screen.time(j.GetCompleteTime()))
	}
	return g
}

// givenGrid shows with whom a job is shared.
func (a *app) givenGrid(shares []*jobsv1.Share) *grid {
	g := &grid{columns: []column{{title: "USER", least: 6}, {title: "RIGHTS", least: 8}, {title: "SHARED", drop: 1}}}
	for _, sh := range shares {
		g.add(sh.GetUser(), rightWords(sh.GetRights()), a.screen.time(sh.GetCreateTime()))
	}
	return g
}
