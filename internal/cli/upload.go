package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

func newUploadCommand(a *app) *cobra.Command {
	var force, recursive bool
	cmd := &cobra.Command{
		Use:   "upload FILE... PATH",
		Short: "Put files from here into your workspace",
		Long: `Put files from here into your workspace. PATH is the file's path there; with a slash at
its end, or with several files, it is the folder that they go into. Missing folders
are made. A file appears whole or not at all. "-" is standard input.

An upload goes on after a lost connection and after a restart of the server, for ten
minutes. The same command goes on with what an earlier one left: "stint uploads list".

Links are followed. What of a folder cannot be uploaded, such as pipes, links that lead
nowhere and names that are not UTF-8, is told at the end, and the exit code is 1 then.`,
		Example: `  stint upload reads.fastq /reads/sample1.fastq
  stint upload *.fasta /genomes/
  stint upload -r run7 /runs/
  zcat reads.fastq.gz | stint upload - /reads/sample1.fastq`,
		Args: arguments(2, -1),
	}
	cmd.Annotations = map[string]string{localArguments: "names of files"}
	cmd.Flags().BoolVar(&force, "force", false, "replace files that are there")
	cmd.Flags().BoolVarP(&recursive, "recursive", "r", false, "upload folders with everything in them")
	cmd.RunE = a.verb(func(ctx context.Context, args []string) error {
		locals, remote := args[:len(args)-1], args[len(args)-1]
		if !strings.HasPrefix(remote, "/") {
			return usagef("%q is no path in the workspace: it begins with a slash, for example %s", remote, path.Clean("/"+remote))
		}
		pairs, left, err := planUpload(locals, remote, recursive)
		if err != nil {
			return err
		}
		for _, p := range pairs {
			if p.folder {
				if err := a.makeFolder(ctx, p.remote); err != nil {
					return err
				}
				fmt.Fprintln(a.out, clean(p.remote)+"/")
				continue
			}
			want := wanted{path: p.remote, overwrite: force, again: "the same command goes on with the upload"}
			if p.local == "-" {
				err = a.uploadStdin(ctx, a.stdin(ctx), want)
			} else {
				err = a.uploadFile(ctx, p.local, want)
			}
			if err != nil {
				return err
			}
			fmt.Fprintln(a.out, clean(p.remote))
		}
		for _, l := range left {
			say(a.err, "stint: left out: %q %s", l.local, l.why)
		}
		if len(left) > 0 && a.out.err == nil {
			return fmt.Errorf("%d of %d files and folders were not uploaded", len(left), len(left)+len(pairs))
		}
		return a.out.err
	})
	return cmd
}

// pair is a file to upload, or an empty folder to make, and where it goes.
type pair struct {
	local, remote string
	folder        bool
}

// leftOut is something that cannot be uploaded, and why.
type leftOut struct{ local, why string }

// planUpload says what goes where, before anything is uploaded, and what of folders goes nowhere.
func planUpload(locals []string, remote string, recursive bool) ([]pair, []leftOut, error) {
	if !utf8.ValidString(remote) {
		return nil, nil, notText(fmt.Sprintf("the path %q", remote))
	}
	into := strings.HasSuffix(remote, "/") || len(locals) > 1
	var pairs []pair
	var left []leftOut
	for _, local := range locals {
		if local == "-" {
			if into {
				return nil, nil, usagef("standard input has no name: give the PATH of a file, without a slash at its end")
			}
			pairs = append(pairs, pair{local: local, remote: remote})
			continue
		}
		info, err := os.Stat(local)
		switch {
		case err != nil:
			return nil, nil, usagef("%v", err)
		case info.IsDir() && !recursive:
			return nil, nil, usagef("%s is a folder; -r uploads it with everything in it", local)
		case info.IsDir():
			more, less, err := planFolder(local, remote, into)
			if err != nil {
				return nil, nil, err
			}
			pairs, left = append(pairs, more...), append(left, less...)
		case !info.Mode().IsRegular():
			return nil, nil, usagef("%s is no regular file", local)
		case into && !utf8.ValidString(filepath.Base(local)):
			return nil, nil, usagef("the name %q is not UTF-8, which paths in the workspace are: upload it alone, and give the PATH with a name", local)
		case into:
			pairs = append(pairs, pair{local: local, remote: path.Join(remote, filepath.Base(local))})
		default:
			pairs = append(pairs, pair{local: local, remote: remote})
		}
	}
	return pairs, left, nil
}

// planFolder goes through a folder, and through what links in it lead to.
func planFolder(local, remote string, into bool) ([]pair, []leftOut, error) {
	if into {
		abs, err := filepath.Abs(local)
		if err != nil {
			return nil, nil, fmt.Errorf("upload %s: %w", local, err)
		}
		remote = path.Join(remote, filepath.Base(abs))
	}
	if !utf8.ValidString(remote) {
		return nil, nil, usagef("the name %q is not UTF-8, which paths in the workspace are: rename the folder", local)
	}
	p := folderPlan{}
	if err := p.folder(local, remote); err != nil {
		return nil, nil, fmt.Errorf("upload %s: %w", local, err)
	}
	return p.pairs, p.left, nil
}

// folderPlan collects what is in a folder.
type folderPlan struct {
	pairs []pair
	left  []leftOut
	above []fs.FileInfo // folders on the way, so that a link to one of them is not followed for ever
}

func (p *folderPlan) folder(local, remote string) error {
	info, err := os.Stat(local)
	if err != nil {
		return err
	}
	for _, above := range p.above {
		if os.SameFile(above, info) {
			p.leave(local, "is a link to a folder that it is in")
			return nil
		}
	}
	entries, err := os.ReadDir(local)
	if err != nil {
		return err
	}
	if len(entries) == 0 {
		p.pairs = append(p.pairs, pair{local: local, remote: remote, folder: true})
	}
	p.above = append(p.above, info)
	defer func() { p.above = p.above[:len(p.above)-1] }()
	for _, e := range entries {
		if err := p.entry(filepath.Join(local, e.Name()), path.Join(remote, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func (p *folderPlan) entry(local, remote string) error {
	info, err := os.Stat(local) // of what a link leads to
	switch {
	case !utf8.ValidString(filepath.Base(local)):
		p.leave(local, "has a name that is not UTF-8: rename it, or upload it alone to a PATH with a name")
	case errors.Is(err, fs.ErrNotExist):
		p.leave(local, "is a link that leads nowhere")
	case errors.Is(err, syscall.ELOOP):
		p.leave(local, "is a link that leads back to itself")
	case err != nil:
		return err
	case info.IsDir():
		return p.folder(local, remote)
	case !info.Mode().IsRegular():
		p.leave(local, "is neither a file nor a folder")
	default:
		p.pairs = append(p.pairs, pair{local: local, remote: remote})
	}
	return nil
}

func (p *folderPlan) leave(local, why string) { p.left = append(p.left, leftOut{local, why}) }
