package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

func newResultsCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "results ID",
		Short: "List the result files of a job, or bring them here",
		Long: `List the files that a job made, also those of a failed or running one.
"stint results get" brings them here.`,
		Example: `  stint results 12
  stint results get 12 contigs.fasta
  stint results get 12 summary.tsv -o - | column -t
  stint results get 12 --all --dir lambda`,
		Args:              arguments(1, 1),
		ValidArgsFunction: a.completeFirst(a.completeJobs()),
	}
	a.listsResults(cmd)
	list := &cobra.Command{
		Use: "list ID", Short: "List the result files of a job", Args: arguments(1, 1),
		ValidArgsFunction: a.completeFirst(a.completeJobs()),
	}
	a.listsResults(list)
	cmd.AddCommand(list, newResultsGetCommand(a))
	return cmd
}

func (a *app) listsResults(cmd *cobra.Command) {
	f := addFormat(cmd)
	cmd.RunE = a.verb(func(ctx context.Context, args []string) error {
		res, err := a.results(ctx, args[0])
		if err != nil {
			return err
		}
		return a.show(*f, answer{
			messages: messagesOf(res.GetFiles()), list: true,
			names: namesOf(res.GetFiles(), (*jobsv1.ResultFile).GetPath),
			table: func() error { resultGrid(res.GetFiles(), a.screen).print(a.out, a.screen); return nil },
		})
	})
}

// results lists the result files of a job, and warns when the list is not complete.
func (a *app) results(ctx context.Context, id string) (*jobsv1.ListResultsResponse, error) {
	client, err := a.jobs()
	if err != nil {
		return nil, err
	}
	var res *jobsv1.ListResultsResponse
	err = a.call(ctx, func(ctx context.Context) error {
		res, err = client.ListResults(ctx, &jobsv1.ListResultsRequest{Id: id})
		return err
	})
	if res.GetTruncated() {
		say(a.err, "stint: warning: there are more files than the server lists")
	}
	if note := res.GetNote(); note != "" {
		say(a.err, "stint: warning: %s", clean(note))
	}
	return res, err
}

func resultGrid(files []*jobsv1.ResultFile, s screen) *grid {
	g := &grid{columns: []column{
		{title: "PATH", least: 20},
		{title: "SIZE", right: s.tty},
		{title: "MODIFIED", drop: 3},
		{title: "TYPE", least: 8, drop: 2},
		{title: "TITLE", least: 8, drop: 1},
	}}
	for _, f := range files {
		g.add(f.GetPath(), s.bytes(f.GetSizeBytes()), s.time(f.GetModifyTime()), f.GetContentType(), f.GetTitle())
	}
	return g
}

func newResultsGetCommand(a *app) *cobra.Command {
	var (
		output, dir string
		all, force  bool
	)
	cmd := &cobra.Command{
		Use:   "get ID [PATH]",
		Short: "Bring result files of a job here",
		Long: `Bring one result file here, under its own name, or with --all every one into a folder.
A file appears whole or not at all. Files that are there are replaced only with
--force, or where -o names the file. Names that lead out of the folder are refused.`,
		Example: `  stint results get 12 contigs.fasta
  stint results get 12 summary.tsv -o -
  stint results get 12 --all --dir lambda`,
		Args:              arguments(1, 2),
		ValidArgsFunction: a.completeWith(a.completeResults),
	}
	flags := cmd.Flags()
	flags.StringVarP(&output, "output", "o", "", "write to this `FILE`, - for standard output")
	flags.BoolVar(&all, "all", false, "bring every file")
	flags.StringVar(&dir, "dir", "", "`FOLDER` for --all, job-ID by default")
	flags.BoolVar(&force, "force", false, "replace files that are there")
	cmd.RunE = a.verb(func(ctx context.Context, args []string) error {
		switch {
		case all && (len(args) == 2 || output != ""):
			return usagef("--all brings every file into --dir; it takes no PATH and no --output")
		case all && dir == "":
			dir = "job-" + args[0]
			fallthrough
		case all:
			return a.getAllResults(ctx, args[0], dir, force)
		case len(args) == 1:
			return usagef("which file? Name its PATH as \"stint results %s\" lists it, or say --all", args[0])
		case dir != "":
			return usagef("--dir is for --all; -o FILE names the file")
		}
		return a.receive(args[1], output, force, func(w io.Writer) error {
			return a.readResult(ctx, args[0], args[1], w)
		})
	})
	return cmd
}

// getAllResults brings every file it can, and says at the end which it could not.
func (a *app) getAllResults(ctx context.Context, id, dir string, force bool) error {
	if _, err := localName(dir); dir == "job-"+id && err != nil {
		return usagef("%q is no id of a job", id)
	}
	res, err := a.results(ctx, id)
	if err != nil {
		return err
	}
	into, err := openFolder(dir, force)
	if err != nil {
		return err
	}
	defer into.close()
	tally := transferTally{app: a, dir: dir}
	for _, f := range res.GetFiles() {
		err := into.receive(f.GetPath(), func(w io.Writer) error { return a.readResult(ctx, id, f.GetPath(), w) })
		if err := tally.note(ctx, f.GetPath(), err); err != nil {
			return err
		}
	}
	if res.GetTruncated() {
		tally.failed++
		where := "the server names no workspace folder that has them"
		if res.GetResultFolder() != "" {
			where = "stint download -r " + res.GetResultFolder() + " brings all"
		}
		say(a.err, "stint: not all files were listed; %s", where)
	}
	return tally.end()
}

// transferTally counts how the files of a transfer fare.
type transferTally struct {
	app          *app
	dir          string
	done, failed int
}

// note tells of a file that could not be brought. What concerns one file only
// does not end the others'; losing the server or a signal does.
func (t *transferTally) note(ctx context.Context, name string, err error) error {
	switch {
	case err == nil:
		t.done++
		return nil
	case ctx.Err() != nil || lostConnection(err):
		return err
	}
	t.failed++
	text, _ := t.app.explain(err)
	say(t.app.err, "stint: %s: %s", clean(name), text)
	return nil
}

func (t *transferTally) end() error {
	say(t.app.out, "%s in %s", plural(int64(t.done), "file"), t.dir)
	if t.failed > 0 {
		return &exitError{code: exitFailed, text: fmt.Sprintf("%s could not be brought", plural(int64(t.failed), "file"))}
	}
	return nil
}

// readResult streams one result file to w.
func (a *app) readResult(ctx context.Context, id, path string, w io.Writer) error {
	client, err := a.jobs()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := client.ReadResult(ctx, &jobsv1.ReadResultRequest{Id: id, Path: path})
	if err != nil {
		return err
	}
	return a.pump(path, w, func() (part, error) {
		frame, err := stream.Recv()
		p := part{offset: frame.GetOffset(), data: frame.GetData(), size: -1}
		if f := frame.GetFile(); f != nil {
			p.size = f.GetSizeBytes()
		}
		return p, err
	})
}

// part is a frame of a file's download; size is -1 where the frame does not say it.
type part struct {
	offset, size int64
	data         []byte
}

// errIncomplete says that a download ended early, or had a hole.
var errIncomplete = errors.New("the download is not complete; try again")

// pump writes a download's frames to w, with a progress bar where w is a file
// and standard error a terminal, and makes sure that nothing is missing.
func (a *app) pump(name string, w io.Writer, next func() (part, error)) error {
	first, err := next()
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	b := &bar{}
	if _, file := w.(*pendingFile); file {
		b = a.bar(name, first.size)
	}
	size, got := first.size, int64(0)
	for p := first; err == nil; p, err = next() {
		if p.offset != got && len(p.data) > 0 {
			err = fmt.Errorf("%s: %w", name, errIncomplete)
			break
		}
		if _, err = io.MultiWriter(w, b).Write(p.data); err != nil {
			break
		}
		got += int64(len(p.data))
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if err == nil && (size < 0 || got < size) {
		err = fmt.Errorf("%s: %w", name, errIncomplete)
	}
	b.end(err)
	return err
}
