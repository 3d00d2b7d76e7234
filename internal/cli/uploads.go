package cli

import (
	"context"

	"github.com/spf13/cobra"

	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
)

// newUploadsCommand holds the verbs for uploads that were broken off.
func newUploadsCommand(a *app) *cobra.Command {
	return group("uploads", "List uploads that are not finished, and give them up", newUploadsListCommand(a), newUploadsEndCommand(a))
}

func newUploadsListCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List uploads that are not finished",
		Long: `List uploads that are not finished. "stint upload" with the same file and path goes on with one,
and so does whatever client began it. Until then it takes room of your quota.`,
		Args: arguments(0, 0),
	}
	f := addFormat(cmd)
	cmd.RunE = a.verb(func(ctx context.Context, _ []string) error {
		all, err := a.listUploads(ctx)
		if err != nil {
			return err
		}
		g := &grid{columns: []column{
			{title: "ID", drop: 1},
			{title: "PATH", least: 20},
			{title: "STORED", right: a.screen.tty},
			{title: "SIZE", right: a.screen.tty},
			{title: "BEGUN", drop: 3},
			{title: "UNTIL", drop: 2},
		}}
		for _, u := range all {
			size := ""
			if u.SizeBytes != nil {
				size = a.screen.bytes(u.GetSizeBytes())
			}
			g.add(u.GetId(), u.GetPath(), a.screen.bytes(u.GetOffset()), size, a.screen.time(u.GetCreateTime()), a.screen.time(u.GetExpireTime()))
		}
		return a.show(*f, answer{
			messages: messagesOf(all), list: true, names: namesOf(all, (*workspacev1.Upload).GetId),
			table: func() error { g.print(a.out, a.screen); return nil },
		})
	})
	return cmd
}

// listUploads collects all pages.
func (a *app) listUploads(ctx context.Context) ([]*workspacev1.Upload, error) {
	client, err := a.workspace()
	if err != nil {
		return nil, err
	}
	var all []*workspacev1.Upload
	for token := ""; ; {
		var page *workspacev1.ListUploadsResponse
		err := a.call(ctx, func(ctx context.Context) error {
			page, err = client.ListUploads(ctx, &workspacev1.ListUploadsRequest{PageToken: token})
			return err
		})
		if err != nil {
			return nil, err
		}
		all = append(all, page.GetUploads()...)
		if token = page.GetNextPageToken(); token == "" {
			return all, nil
		}
	}
}

func newUploadsEndCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "end ID...", Short: "Give uploads up, and remove what the server has of them", Args: arguments(1, -1)}
	cmd.RunE = a.verb(func(ctx context.Context, ids []string) error {
		client, err := a.workspace()
		if err != nil {
			return err
		}
		for _, id := range ids {
			err := a.once(ctx, func(ctx context.Context) error {
				_, err := client.EndUpload(ctx, &workspacev1.EndUploadRequest{Id: id})
				return err
			})
			if err != nil {
				return err
			}
			say(a.out, "%s ended", id)
		}
		return nil
	})
	return cmd
}
