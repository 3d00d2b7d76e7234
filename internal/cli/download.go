package cli

import (
	"context"
	"io"
	"path"
	"strings"

	"github.com/spf13/cobra"

	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
)

func newDownloadCommand(a *app) *cobra.Command {
	var (
		output, dir      string
		recursive, force bool
	)
	cmd := &cobra.Command{
		Use:   "download PATH",
		Short: "Bring a file, or with -r a folder, of your workspace here",
		Long: `Bring a file of your workspace here, under its own name, or with -r a folder with
everything in it. A file appears whole or not at all. Files that are there are
replaced only with --force, or where -o names the file.`,
		Example: `  stint download /jobs/lambda/contigs.fasta
  stint download /jobs/lambda/summary.tsv -o -
  stint download -r /jobs/lambda --dir lambda`,
		Args:              arguments(1, 1),
		ValidArgsFunction: a.completeFirst(a.completePaths),
	}
	flags := cmd.Flags()
	flags.StringVarP(&output, "output", "o", "", "write to this `FILE`, - for standard output")
	flags.BoolVarP(&recursive, "recursive", "r", false, "bring a folder with everything in it")
	flags.StringVar(&dir, "dir", "", "`FOLDER` for -r; the name of the workspace's folder by default")
	flags.BoolVar(&force, "force", false, "replace files that are there")
	cmd.RunE = a.verb(func(ctx context.Context, args []string) error {
		remote := args[0]
		switch {
		case recursive && output != "":
			return usagef("-r brings files into --dir; it takes no --output")
		case recursive:
			return a.downloadFolder(ctx, remote, dir, force)
		case dir != "":
			return usagef("--dir is for -r; -o FILE names the file")
		}
		return a.receive(remote, output, force, func(w io.Writer) error { return a.download(ctx, remote, w) })
	})
	return cmd
}

// download streams one file of the workspace to w.
func (a *app) download(ctx context.Context, remote string, w io.Writer) error {
	client, err := a.workspace()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := client.Download(ctx, &workspacev1.DownloadRequest{Path: remote})
	if err != nil {
		return err
	}
	return a.pump(path.Base(remote), w, func() (part, error) {
		frame, err := stream.Recv()
		p := part{offset: frame.GetOffset(), data: frame.GetData(), size: -1}
		if e := frame.GetEntry(); e != nil {
			p.size = e.GetSizeBytes()
		}
		return p, err
	})
}

// downloadFolder brings a folder and those below it.
func (a *app) downloadFolder(ctx context.Context, remote, dir string, force bool) error {
	remote = path.Clean("/" + remote)
	if dir == "" {
		name, err := localName(path.Base(remote))
		if err != nil {
			return usagef("name a folder for it with --dir")
		}
		dir = name
	}
	into, err := openFolder(dir, force)
	if err != nil {
		return err
	}
	defer into.close()
	tally := transferTally{app: a, dir: dir}
	prefix := strings.TrimSuffix(remote, "/") + "/"
	for folders := []string{remote}; len(folders) > 0; {
		var next string
		next, folders = folders[0], folders[1:]
		res, err := a.listFolder(ctx, next)
		if err != nil {
			return err
		}
		for _, e := range res.GetEntries() {
			below, ok := strings.CutPrefix(e.GetPath(), prefix)
			if e.GetFolder() && ok && strings.HasPrefix(e.GetPath(), strings.TrimSuffix(next, "/")+"/") {
				folders = append(folders, e.GetPath())
				continue
			}
			err := into.receive(below, func(w io.Writer) error { return a.download(ctx, e.GetPath(), w) })
			if err := tally.note(ctx, e.GetPath(), err); err != nil {
				return err
			}
		}
	}
	return tally.end()
}
