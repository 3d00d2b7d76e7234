package staging

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/catalog"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/workdir"
	"github.com/stint-jobs/stint/internal/workspace"
)

// stage puts the inputs into the job's folder and their paths there into the
// parameters that they were found in.
func (a *Area) stage(ctx context.Context, owner string, folder workdir.Dir, inputs []catalog.Input) error {
	if len(inputs) == 0 {
		return nil
	}
	root, err := openJob(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	names := stagedNames(inputs)
	for i, in := range inputs {
		ex := workspace.Export{Path: in.Path, Kind: workspace.KindFile, Target: root, Name: names[i]}
		if in.Kind == catalog.Folder {
			ex.Kind = workspace.KindFolder
		}
		skipped, err := a.cfg.Workspace.Export(ctx, owner, ex)
		if err != nil {
			return inputError(in, err)
		}
		if skipped.Count > 0 {
			a.log.WarnContext(ctx, "input was left out", "job", folder.ID(), "parameter", in.Field, "count", skipped.Count, "names", skipped.Names)
		}
		in.Replace(filepath.Join(folder.Path(), filepath.FromSlash(names[i])))
	}
	return nil
}

// inputError blames the input when it is not there; what else goes wrong is not the user's.
func inputError(in catalog.Input, err error) error {
	const missing = jobsv1.Reason_REASON_INPUT_MISSING
	_, invalid := errors.AsType[*job.InvalidError](err)
	switch {
	case errors.Is(err, job.ErrNotFound), invalid:
		return &executor.Failure{Reason: missing, Err: err, Message: fmt.Sprintf(
			"The %s %s, given for the parameter %s, is not in the workspace any more. Put it back, or run the job again with another one.", in.Kind, in.Path, in.Field)}
	case errors.Is(err, job.ErrConflict):
		return &executor.Failure{Reason: missing, Err: err, Message: fmt.Sprintf(
			"The parameter %s needs a %s, and %s is no longer one.", in.Field, in.Kind, in.Path)}
	default:
		return fmt.Errorf("stage %s: %w", in.Field, err)
	}
}

// stagedNames are the paths of the inputs below the job's folder, for example
// `input/read1/a.fastq` and `input/libs/0/read1/b.fastq`: the file keeps its
// name, which programs go by, and the parameter keeps equal names apart.
// They depend on nothing but the parameters, so that another attempt finds what the first one staged.
func stagedNames(inputs []catalog.Input) []string {
	names := make([]string, len(inputs))
	taken := make(map[string]bool)
	for i, in := range inputs {
		base := path.Base(path.Clean("/" + in.Path))
		if base == "/" {
			base = "workspace" // a whole one
		}
		place := placeOf(in.Field)
		for taken[place] { // two ids may differ only in characters that no path should have
			place += "_"
		}
		taken[place] = true
		names[i] = path.Join("input", place, base)
	}
	return names
}

// placeOf makes a path of a field like `libs[0].read1`. Ids of an app spec may hold anything.
func placeOf(field string) string {
	var segments []string
	for part := range strings.SplitSeq(field, ".") {
		name, index, listed := strings.Cut(part, "[")
		segments = append(segments, safe(name))
		if listed {
			segments = append(segments, safe(strings.TrimSuffix(index, "]")))
		}
	}
	return path.Join(segments...)
}

// safe keeps letters, digits, _ and - of a name, and writes all else as its code.
func safe(name string) string {
	const most = 100
	var b strings.Builder
	for _, r := range name {
		switch {
		case b.Len() >= most:
		case r == '_', r == '-', '0' <= r && r <= '9', 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z':
			b.WriteRune(r)
		default:
			b.WriteString("~" + strconv.FormatInt(int64(r), 16))
		}
	}
	if b.Len() == 0 {
		return "~"
	}
	return b.String()
}
