package cli

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
)

func newUploadCommand(a *app) *cobra.Command {
	var force, recursive bool
	cmd := &cobra.Command{
		Use:   "upload FILE... PATH",
		Short: "Put files from here into your workspace",
		Long: `Put files from here into your workspace. PATH is the file's path there; with a slash at
its end, or with several files, it is the folder that they go into. Missing folders
are made. A file appears whole or not at all. "-" is standard input.`,
		Example: `  stint upload reads.fastq /reads/sample1.fastq
  stint upload *.fasta /genomes/
  stint upload -r run7 /runs/
  zcat reads.fastq.gz | stint upload - /reads/sample1.fastq`,
		Args: arguments(2, -1),
	}
	cmd.Flags().BoolVar(&force, "force", false, "replace files that are there")
	cmd.Flags().BoolVarP(&recursive, "recursive", "r", false, "upload folders with everything in them")
	cmd.RunE = a.verb(func(ctx context.Context, args []string) error {
		locals, remote := args[:len(args)-1], args[len(args)-1]
		if !strings.HasPrefix(remote, "/") {
			return usagef("%q is no path in the workspace: it begins with a slash, for example %s", remote, path.Clean("/"+remote))
		}
		pairs, err := planUpload(locals, remote, recursive)
		if err != nil {
			return err
		}
		for _, p := range pairs {
			target := &workspacev1.UploadTarget{Path: p.remote, Overwrite: force}
			if p.local == "-" {
				_, err = a.upload(ctx, a.stdin(ctx), target)
			} else {
				err = a.uploadFile(ctx, p.local, target)
			}
			if err != nil {
				return err
			}
			fmt.Fprintln(a.out, clean(p.remote))
		}
		return a.out.err
	})
	return cmd
}

// pair is a file to upload and where it goes.
type pair struct{ local, remote string }

// planUpload says what goes where, before anything is uploaded.
func planUpload(locals []string, remote string, recursive bool) ([]pair, error) {
	into := strings.HasSuffix(remote, "/") || len(locals) > 1
	var pairs []pair
	for _, local := range locals {
		if local == "-" {
			if into {
				return nil, usagef("standard input has no name: give the PATH of a file, without a slash at its end")
			}
			pairs = append(pairs, pair{local, remote})
			continue
		}
		info, err := os.Stat(local)
		switch {
		case err != nil:
			return nil, usagef("%v", err)
		case info.IsDir() && !recursive:
			return nil, usagef("%s is a folder; -r uploads it with everything in it", local)
		case info.IsDir():
			more, err := planFolder(local, remote, into)
			if err != nil {
				return nil, err
			}
			pairs = append(pairs, more...)
		case !info.Mode().IsRegular():
			return nil, usagef("%s is no regular file", local)
		case into:
			pairs = append(pairs, pair{local, path.Join(remote, filepath.Base(local))})
		default:
			pairs = append(pairs, pair{local, remote})
		}
	}
	return pairs, nil
}

// planFolder goes through a folder. Links and special files in it are left alone.
func planFolder(local, remote string, into bool) ([]pair, error) {
	if into {
		abs, err := filepath.Abs(local)
		if err != nil {
			return nil, fmt.Errorf("upload %s: %w", local, err)
		}
		remote = path.Join(remote, filepath.Base(abs))
	}
	var pairs []pair
	err := filepath.WalkDir(local, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		below, err := filepath.Rel(local, name)
		pairs = append(pairs, pair{name, path.Join(remote, filepath.ToSlash(below))})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("upload %s: %w", local, err)
	}
	return pairs, nil
}
