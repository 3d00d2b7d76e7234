package cli

import (
	"context"

	"github.com/spf13/cobra"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
)

func newIssuesCommand(a *app) *cobra.Command {
	var limit int
	cmd := &cobra.Command{Use: "issues", Short: "List users' reports of problems, newest first", Args: arguments(0, 0)}
	cmd.AddCommand(newIssuesDeleteCommand(a))
	f := addFormat(cmd)
	cmd.Flags().IntVar(&limit, "limit", 50, "show at most so many")
	cmd.RunE = a.verb(func(ctx context.Context, _ []string) error {
		if limit < 1 {
			return usagef("--limit must be at least 1")
		}
		issues, err := a.issues(ctx, limit)
		if err != nil {
			return err
		}
		g := &grid{columns: []column{
			{title: "ISSUE"},
			{title: "REPORTED", drop: 2},
			{title: "REPORTER", least: 6, drop: 1},
			{title: "JOB"},
			{title: "SERVICE", least: 8, drop: 4},
			{title: "STATE", color: stateColor},
			{title: "REASON", drop: 3},
			{title: "DESCRIPTION", least: 12, wrap: true},
		}}
		for _, i := range issues {
			g.add(i.GetId(), a.screen.time(i.GetCreateTime()), i.GetReporter(), i.GetJob().GetId(), i.GetJob().GetService(),
				stateWord(i.GetJob().GetState()), reasonWord(i.GetJob().GetReason()), i.GetDescription())
		}
		return a.show(*f, answer{
			messages: messagesOf(issues), list: true, names: namesOf(issues, (*adminv1.Issue).GetId),
			table: func() error { g.print(a.out, a.screen); return nil },
		})
	})
	return cmd
}

func (a *app) issues(ctx context.Context, limit int) ([]*adminv1.Issue, error) {
	client, err := a.admin()
	if err != nil {
		return nil, err
	}
	var all []*adminv1.Issue
	for token := ""; ; {
		var page *adminv1.ListIssuesResponse
		err := a.call(ctx, func(ctx context.Context) error {
			page, err = client.ListIssues(ctx, &adminv1.ListIssuesRequest{PageSize: int32(min(limit-len(all), 100)), PageToken: token})
			return err
		})
		if err != nil {
			return nil, err
		}
		all = append(all, page.GetIssues()...)
		if token = page.GetNextPageToken(); token == "" || len(all) >= limit {
			return all, nil
		}
	}
}

func newIssuesDeleteCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete ISSUE...", Short: "Delete reports that were dealt with, so that their reporters may make others",
		Args: arguments(1, -1), Example: "  stint admin issues delete 12-3",
	}
	cmd.RunE = a.verb(func(ctx context.Context, ids []string) error {
		client, err := a.admin()
		if err != nil {
			return err
		}
		for _, id := range ids {
			err := a.call(ctx, func(ctx context.Context) error {
				_, err := client.DeleteIssue(ctx, &adminv1.DeleteIssueRequest{Id: id})
				return err
			})
			if err != nil {
				return err
			}
			say(a.out, "Report %s is deleted.", id)
		}
		return nil
	})
	return cmd
}
