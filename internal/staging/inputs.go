package staging

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/catalog"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/workdir"
	"github.com/stint-jobs/stint/internal/workspace"
)

// stage puts the inputs of an attempt where its command reads them, and their paths there into the
// parameters that they were found in.
//
// What the workspace has at the first attempt stays in the job's own input folder, as links to the
// same files: nothing ever writes to these. A command reads them there only where its executor
// shows them to it read-only. Otherwise it gets copies in the folder of the attempt, which it may
// change without changing anything for others or for the next attempt.
//
// The note says what was left out of folders, by this attempt or the one that staged them.
func (a *Area) stage(ctx context.Context, s stageOf) (note string, err error) {
	own := a.cfg.Sealed == nil || !a.cfg.Sealed(s.job.GetExecutor())
	if err := s.folder.RemoveInputs(s.attempt); err != nil { // of earlier attempts, which have ended
		return "", err
	}
	if len(s.inputs) == 0 {
		return "", nil
	}
	root, err := openJob(s.folder)
	if err != nil {
		return "", err
	}
	defer root.Close()
	defer func() {
		if err != nil { // an attempt that waits for room takes none
			err = errors.Join(err, s.folder.Attempt(s.attempt).RemoveInput())
		}
	}()
	note, err = s.folder.ReadInputNote()
	if err != nil {
		return "", err
	}
	note = clipped(note) // the commands of earlier attempts could write there
	names := stagedNames(s.inputs)
	for i, in := range s.inputs {
		watch := workspace.Watch{Room: a.room, Copied: s.copying(in)}
		ex := workspace.Export{Path: in.Path, Kind: workspace.KindFile, Target: root, Name: names[i], Watch: watch}
		if in.Kind == catalog.Folder {
			ex.Kind = workspace.KindFolder
		}
		skipped, err := a.cfg.Workspace.Export(ctx, s.job.GetOwner(), ex)
		if err != nil {
			return "", inputError(in, err)
		}
		if words := notGiven(in, skipped); words != "" {
			note = clipped(strings.TrimSpace(note + " " + words))
			if err := s.folder.WriteInputNote(note); err != nil {
				return "", err
			}
		}
		at := names[i]
		if own {
			at = path.Join("attempts", strconv.Itoa(s.attempt), names[i])
			err := workspace.MakeCopy(ctx, workspace.Copy{Source: root, From: names[i], Target: root, Name: at, Watch: watch})
			if err != nil {
				return "", fmt.Errorf("copy %s: %w", in.Field, err)
			}
		}
		in.Replace(filepath.Join(s.folder.Path(), filepath.FromSlash(at)))
	}
	return note, nil
}

// maxNote bounds the note on a job's inputs in bytes: a job may have many folders.
const maxNote = 4 << 10

// clipped returns a note within its bound, as valid text.
func clipped(note string) string {
	if len(note) > maxNote {
		note = note[:maxNote-len("...")] + "..."
	}
	return strings.ToValidUTF8(note, "")
}

// notGiven says in plain words what of a folder the command is not given, or "".
func notGiven(in catalog.Input, s workspace.Skipped) string {
	if s.Count == 0 {
		return ""
	}
	return fmt.Sprintf("Left out of the folder %s, given for the parameter %s: %s (links that lead out of the folder, to a folder or nowhere, pipes, and names that the workspace does not show).",
		in.Path, in.Field, some(s.Count, s.Names))
}

// room reserves room for copies.
func (a *Area) room(bytes int64) (release func(), err error) {
	if a.cfg.Room == nil {
		return func() {}, nil
	}
	if release, err = a.cfg.Room(bytes); errors.Is(err, job.ErrExhausted) {
		err = fmt.Errorf("%w: %w", errNeverRoom, err)
	}
	return release, err
}

// stageOf is what is staged.
type stageOf struct {
	job     *jobsv1.Job
	folder  workdir.Dir
	attempt int
	inputs  []catalog.Input
	tell    func(message string)
}

// copying reports a copy that takes a while.
func (s stageOf) copying(in catalog.Input) func(done, total int64) {
	return telling(s.tell, fmt.Sprintf("Copying the %s %s", in.Kind, in.Path))
}

// telling reports a copy that takes a while, in words that begin with what is copied. A nil tell is not called.
func telling(tell func(string), what string) func(done, total int64) {
	last := time.Now()
	return func(done, total int64) {
		if now := time.Now(); tell != nil && now.Sub(last) >= tellEvery && done < total {
			last = now
			tell(fmt.Sprintf("%s: %s of %s.", what, workspace.FormatSize(done), workspace.FormatSize(total)))
		}
	}
}

const defaultTellEvery = time.Second

// tellEvery is the interval between reports of a copy. A copy that ends sooner has none. Only tests change it.
var tellEvery = defaultTellEvery

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
