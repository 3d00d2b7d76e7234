package cli

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
)

func newLsCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ls [PATH]",
		Short: "List a folder of your workspace",
		Example: `  stint ls
  stint ls /jobs/lambda
  stint ls /reads -o name
  stint ls -d /reads/sample1.fastq`,
		Args:              arguments(0, 1),
		ValidArgsFunction: a.completeFirst(a.completePaths),
	}
	f := addFormat(cmd)
	var itself bool
	cmd.Flags().BoolVarP(&itself, "directory", "d", false, "show what is at PATH itself, a file or a folder, and not what is in it")
	cmd.RunE = a.verb(func(ctx context.Context, args []string) error {
		folder := "/"
		if len(args) == 1 {
			folder = args[0]
		}
		if itself {
			return a.showEntry(ctx, folder, *f)
		}
		res, err := a.listFolder(ctx, folder)
		if err != nil {
			return err
		}
		return a.show(*f, answer{
			messages: messagesOf(res.GetEntries()), list: true,
			names: namesOf(res.GetEntries(), entryPath),
			table: func() error { a.printEntries(res); return nil },
		})
	})
	return cmd
}

// showEntry shows one file or folder.
func (a *app) showEntry(ctx context.Context, p string, f format) error {
	e, err := a.stat(ctx, p)
	if err != nil {
		return err
	}
	return a.show(f, answer{
		messages: []proto.Message{e}, names: []string{entryPath(e)},
		table: func() error { a.printRows([]*workspacev1.WorkspaceEntry{e}); return nil },
	})
}

// stat asks what is at a path.
func (a *app) stat(ctx context.Context, p string) (*workspacev1.WorkspaceEntry, error) {
	client, err := a.workspace()
	if err != nil {
		return nil, err
	}
	var res *workspacev1.StatResponse
	err = a.call(ctx, func(ctx context.Context) error {
		res, err = client.Stat(ctx, &workspacev1.StatRequest{Path: p})
		return err
	})
	return res.GetEntry(), err
}

// entryPath is the path of an entry, with a slash behind a folder.
func entryPath(e *workspacev1.WorkspaceEntry) string {
	if e.GetFolder() {
		return e.GetPath() + "/"
	}
	return e.GetPath()
}

// listFolder collects all pages of a folder.
func (a *app) listFolder(ctx context.Context, folder string) (*workspacev1.ListResponse, error) {
	client, err := a.workspace()
	if err != nil {
		return nil, err
	}
	all := &workspacev1.ListResponse{}
	for {
		var page *workspacev1.ListResponse
		err := a.call(ctx, func(ctx context.Context) error {
			page, err = client.List(ctx, &workspacev1.ListRequest{Path: folder, PageToken: all.GetNextPageToken()})
			return err
		})
		if err != nil {
			return nil, err
		}
		all.Entries, all.NextPageToken = append(all.Entries, page.GetEntries()...), page.GetNextPageToken()
		all.UsageBytes, all.QuotaBytes = page.GetUsageBytes(), page.GetQuotaBytes()
		if all.NextPageToken == "" {
			if page.GetUnsorted() {
				slices.SortFunc(all.Entries, foldersFirst)
			}
			return all, nil
		}
	}
}

// foldersFirst is the order in which the server lists all but the largest folders.
func foldersFirst(a, b *workspacev1.WorkspaceEntry) int {
	if a.GetFolder() != b.GetFolder() {
		return map[bool]int{true: -1, false: 1}[a.GetFolder()]
	}
	return strings.Compare(a.GetPath(), b.GetPath())
}

func (a *app) printRows(entries []*workspacev1.WorkspaceEntry) {
	g := &grid{columns: []column{
		{title: "NAME", least: 20, color: func(cell string) string {
			if strings.HasSuffix(cell, "/") {
				return blue
			}
			return ""
		}},
		{title: "SIZE", right: a.screen.tty},
		{title: "MODIFIED", drop: 1},
		{title: "TYPE", least: 8, drop: 2},
	}}
	for _, e := range entries {
		name, size := path.Base(e.GetPath()), a.screen.bytes(e.GetSizeBytes())
		if e.GetFolder() {
			name, size = name+"/", ""
		}
		g.add(name, size, a.screen.time(e.GetModifyTime()), e.GetContentType())
	}
	g.print(a.out, a.screen)
}

func (a *app) printEntries(res *workspacev1.ListResponse) {
	a.printRows(res.GetEntries())
	if !a.screen.tty {
		return
	}
	usage := humanBytes(res.GetUsageBytes()) + " used"
	if q := res.GetQuotaBytes(); q > 0 {
		usage += " of " + humanBytes(q)
	}
	fmt.Fprintln(a.out, a.screen.paint(faint, usage))
}
