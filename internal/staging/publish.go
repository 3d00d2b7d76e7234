package staging

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/workdir"
	"github.com/stint-jobs/stint/internal/workspace"
)

// sameName is how many results of one name a folder takes for one job before that is
// an error. More than two means that somebody made folders by our pattern.
const sameName = 9

// Publish puts what an attempt left in its output folder into the owner's
// workspace and answers the folder there: output_folder/output_name, with the
// job's id appended where that is taken. Called again for the same job it
// answers the same folder and changes nothing. A *executor.Failure says what the job
// fails with; any other error means that ctx ended. Meanwhile tell is called now and then with words for the user on a
// copy that takes long; nil is not called.
//
// The files there are links to those in the output folder only where the executor has recorded that every process of the
// attempt has ended. Otherwise they are clones or copies, so that what still runs cannot change them.
//
// Symbolic links to files become those files where the files are results too. Other links, pipes and what lies too deep
// are left out, and names that the workspace cannot hold become others: note tells the owner of both.
func (a *Area) Publish(ctx context.Context, j *jobsv1.Job, attempt int, tell func(message string)) (folder, note string, err error) {
	folder, note, err = a.publish(ctx, j, attempt, tell)
	if err != nil {
		return "", "", failure(ctx, fmt.Errorf("publish job %s: %w", j.GetId(), err), executor.Failure{
			Reason: jobsv1.Reason_REASON_OUTPUT_FAILED, Message: notStored(err),
		}, diskFullAfter)
	}
	return folder, note, nil
}

func (a *Area) publish(ctx context.Context, j *jobsv1.Job, attempt int, tell func(string)) (folder, note string, err error) {
	id, err := job.ParseID(j.GetId())
	if err != nil {
		return "", "", err
	}
	source, err := openOutput(a.cfg.Folders.Job(id), attempt)
	if err != nil {
		return "", "", err
	}
	defer source.Close()
	exit, _, err := a.cfg.Folders.Job(id).Attempt(attempt).ReadExit()
	if err != nil { // an attempt without a record proves nothing, and one with a damaged record neither
		a.log.WarnContext(ctx, "results are copied, as it is not known whether the attempt has ended", "job", id, "error", err)
	}
	done, err := a.cfg.Workspace.Import(ctx, j.GetOwner(), workspace.Import{
		Source: source, Mark: a.cfg.InstallID + "/" + id.String(), Targets: targets(j, id), Links: exit.Ended,
		Watch: workspace.Watch{Room: a.resultRoom, Copied: telling(tell, "Copying the results into the workspace")},
	})
	if err != nil {
		return "", "", err
	}
	return done.Path, leftOut(done.Skipped), nil
}

// resultRoom reserves room for copies of results.
func (a *Area) resultRoom(bytes int64) (release func(), err error) {
	if a.cfg.ResultRoom == nil {
		return func() {}, nil
	}
	release, err = a.cfg.ResultRoom(bytes)
	if errors.Is(err, job.ErrNoSpace) || errors.Is(err, job.ErrExhausted) {
		return nil, fmt.Errorf("copy %d bytes of results: %w", bytes, syscall.ENOSPC) // without the words, which are about inputs
	}
	return release, err
}

// leftOut says in plain words what of the results is not in the workspace as it was, or "".
func leftOut(s workspace.Skipped) string {
	var words []string
	if s.Count > 0 {
		words = append(words, fmt.Sprintf("Not in the workspace: %s (links that lead out of the results, pipes, or paths that are too long).", some(s.Count, s.Names)))
	}
	if s.Renamed > 0 {
		words = append(words, fmt.Sprintf("Under another name in the workspace, since the own one is no text: %s.", some(s.Renamed, s.NewNames)))
	}
	return strings.Join(words, " ")
}

// some names a few of so many things.
func some(count int, names []string) string {
	const few = 3
	if len(names) > few {
		names = names[:few]
	}
	if more := count - len(names); more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names, ", "), more)
	}
	return strings.Join(names, ", ")
}

// Release removes the copies of its inputs that an attempt got. It has ended.
func (a *Area) Release(j *jobsv1.Job, attempt int) {
	id, err := job.ParseID(j.GetId())
	if err == nil {
		err = a.cfg.Folders.Job(id).Attempt(attempt).RemoveInput()
	}
	if err != nil { // the folder of the job is removed after all
		a.log.Warn("copies of inputs are left", "job", j.GetId(), "attempt", attempt, "error", err)
	}
}

// openOutput opens the output folder of an attempt. One that the command
// replaced by a link is none.
func openOutput(folder workdir.Dir, attempt int) (*os.Root, error) {
	job, err := openJob(folder)
	if err != nil {
		return nil, err
	}
	defer job.Close()
	name, err := filepath.Rel(folder.Path(), folder.Attempt(attempt).OutputPath())
	if err != nil {
		return nil, err
	}
	info, err := job.Lstat(name)
	if err != nil {
		return nil, fmt.Errorf("open output: %w: %w", errNoOutput, err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("open output: %w but %v", errNoOutput, info.Mode().Type())
	}
	return job.OpenRoot(name)
}

// targets are the folders that the results may get, the best first.
func targets(j *jobsv1.Job, id job.ID) []string {
	folder, name := j.GetOutputFolder(), j.GetOutputName()
	if folder == "" {
		folder = job.DefaultOutputFolder
	}
	if name == "" {
		name = job.DefaultOutputName(j.GetService(), id)
	}
	folder += "/" + name
	own := folder + "-" + id.String()
	all := []string{folder, own}
	for i := 2; i <= sameName; i++ {
		all = append(all, own+"-"+strconv.Itoa(i))
	}
	return all
}

var errNoOutput = errors.New("there is no output folder")

// notStored says in plain words why results could not be stored.
func notStored(err error) string {
	const but, kept = "The command succeeded, but its results could not be put into the workspace", "The results are kept with the job."
	switch said := words(err); {
	case errors.Is(err, errNoOutput):
		return "The command removed its output folder, so there are no results."
	case said == "":
		return but + ". " + kept
	default:
		return but + ": " + said + ". " + kept
	}
}
