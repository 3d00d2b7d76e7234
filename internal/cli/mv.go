package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"

	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
)

func newMvCommand(a *app) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "mv PATH... NEWPATH",
		Short: "Give files and folders of your workspace other paths",
		Long: `Give files and folders of your workspace other paths. NEWPATH is the new path; where a
folder is there, with a slash at its end, or with several paths, it is the folder that
they go into. Missing folders are made.`,
		Example: `  stint mv /reads/sample1.fastq /reads/liver.fastq
  stint mv /reads/a.fastq /reads/b.fastq /old/`,
		Args:              arguments(2, -1),
		ValidArgsFunction: a.completeWith(a.completePaths),
	}
	cmd.Flags().BoolVar(&force, "force", false, "replace files that are there")
	cmd.RunE = a.verb(func(ctx context.Context, args []string) error {
		return a.eachTarget(ctx, args, func(client workspacev1.WorkspaceServiceClient, from, to string) error {
			// Not repeated: after a lost response the second try would say that nothing is there.
			return a.once(ctx, func(ctx context.Context) error {
				_, err := client.Move(ctx, &workspacev1.MoveRequest{Path: from, To: to, Overwrite: force})
				return err
			})
		})
	})
	return cmd
}

func newCpCommand(a *app) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "cp PATH... NEWPATH",
		Short: "Copy files and folders of your workspace",
		Long: `Copy files and folders of your workspace, folders with everything in them. NEWPATH is the
path of the copy; where a folder is there, with a slash at its end, or with several
paths, it is the folder that the copies go into. Missing folders are made. A copy appears
whole or not at all. Where the disk of the server has clones it takes no room by itself.`,
		Example: `  stint cp /reads/sample1.fastq /reads/sample1-trimmed.fastq
  stint cp /jobs/lambda /archive/`,
		Args:              arguments(2, -1),
		ValidArgsFunction: a.completeWith(a.completePaths),
	}
	cmd.Flags().BoolVar(&force, "force", false, "replace files that are there")
	cmd.RunE = a.verb(func(ctx context.Context, args []string) error {
		return a.eachTarget(ctx, args, func(client workspacev1.WorkspaceServiceClient, from, to string) error {
			return a.copyEntry(ctx, client, &workspacev1.CopyRequest{Path: from, To: to, Overwrite: force})
		})
	})
	return cmd
}

// copyEntry copies one file or folder, with a progress bar on a terminal.
func (a *app) copyEntry(ctx context.Context, client workspacev1.WorkspaceServiceClient, req *workspacev1.CopyRequest) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the copy where it has not ended
	stream, err := client.Copy(ctx, req)
	if err != nil {
		return err
	}
	progress := &bar{}
	for {
		frame, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("copy %s: %w", req.GetPath(), errIncomplete)
		}
		if err != nil || frame.GetEntry() != nil {
			progress.end(err)
			if n := frame.GetSkipped(); n > 0 {
				say(a.err, "stint: left out of %s: %d, which are links that lead to no file of the workspace, or neither files nor folders", req.GetTo(), n)
			}
			return err
		}
		if progress.tracker == nil && frame.GetTotalBytes() > 0 {
			progress = a.bar("Copying "+path.Base(req.GetPath()), frame.GetTotalBytes())
		}
		progress.at(frame.GetCopiedBytes())
	}
}

// eachTarget does something with each path but the last, and the path that it gets there, and
// prints that.
func (a *app) eachTarget(ctx context.Context, args []string, do func(client workspacev1.WorkspaceServiceClient, from, to string) error) error {
	client, err := a.workspace()
	if err != nil {
		return err
	}
	froms, to := args[:len(args)-1], args[len(args)-1]
	into := strings.HasSuffix(to, "/") || len(froms) > 1
	if !into {
		e, err := a.stat(ctx, to)
		if s, ok := callStatus(err); err != nil && !(ok && s.Code() == codes.NotFound) {
			return err
		}
		into = e.GetFolder()
	}
	for _, from := range froms {
		target := to
		if into {
			target = path.Join(to, path.Base(from))
		}
		if err := do(client, from, target); err != nil {
			return err
		}
		fmt.Fprintln(a.out, clean(target))
	}
	return nil
}

func newMkdirCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "mkdir PATH...",
		Short:             "Make folders in your workspace",
		Long:              "Make folders in your workspace, and those above them. What is there already stays as it is.",
		Example:           `  stint mkdir /reads/2026`,
		Args:              arguments(1, -1),
		ValidArgsFunction: a.completeWith(a.completePaths),
	}
	cmd.RunE = a.verb(func(ctx context.Context, args []string) error {
		for _, p := range args {
			if err := a.makeFolder(ctx, p); err != nil {
				return err
			}
			fmt.Fprintln(a.out, clean(p))
		}
		return nil
	})
	return cmd
}

func (a *app) makeFolder(ctx context.Context, p string) error {
	client, err := a.workspace()
	if err != nil {
		return err
	}
	return a.call(ctx, func(ctx context.Context) error {
		_, err := client.MakeFolder(ctx, &workspacev1.MakeFolderRequest{Path: p})
		return err
	})
}
