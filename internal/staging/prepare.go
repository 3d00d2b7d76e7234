package staging

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/catalog"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/workdir"
)

const appSpecName = "app_spec.json"

// Prepare makes an attempt ready to start: its folder, the job's inputs,
// params.json, command line and environment. j has its parameters as they were
// stored at submit. A *executor.Failure says what the job fails with, or with the reason DISK_FULL what it waits for;
// any other error means that ctx ended. Meanwhile tell is called now and then with words for the user on what takes so long.
//
// The inputs are those of the first attempt also when the workspace or an earlier attempt has changed them since.
func (a *Area) Prepare(ctx context.Context, j *jobsv1.Job, attempt int, tell func(message string)) (executor.Task, error) {
	t, err := a.prepare(ctx, j, attempt, tell)
	if err != nil {
		return executor.Task{}, failure(ctx, fmt.Errorf("prepare job %s: %w", j.GetId(), err), executor.Failure{
			Reason: jobsv1.Reason_REASON_LAUNCH_FAILED, Message: "The job's folder could not be made ready.",
		}, diskFullBefore)
	}
	return t, nil
}

func (a *Area) prepare(ctx context.Context, j *jobsv1.Job, attempt int, tell func(string)) (executor.Task, error) {
	id, err := job.ParseID(j.GetId())
	if err != nil {
		return executor.Task{}, err
	}
	s, err := a.cfg.Catalog.Catalog().FindFor(j)
	if err != nil {
		return executor.Task{}, launchFailed("The service %s is no longer offered.", j.GetService())
	}
	folder := a.cfg.Folders.Job(id)
	t := executor.Task{Job: j, Attempt: attempt, Dir: folder.Attempt(attempt)}
	held, err := hold(folder, attempt)
	if err != nil {
		return executor.Task{}, err
	}
	defer held.release()
	local := proto.CloneOf(j.GetParameters())
	t.InputNote, err = a.stage(ctx, stageOf{job: j, folder: folder, attempt: attempt, inputs: s.Files(local), tell: tell})
	if err != nil {
		return executor.Task{}, err
	}
	params, err := encode(local)
	if err != nil {
		return executor.Task{}, err
	}
	if err := held.job.WriteParams(params); err != nil {
		return executor.Task{}, err
	}
	t.Command.Reads, t.Command.Network = s.Reads(), s.Network()
	call := catalog.Call{ParamsFile: folder.ParamsPath()}
	if spec := s.AppSpec(); spec != nil {
		call.AppSpecFile = filepath.Join(t.Dir.Path(), appSpecName)
		if err := held.attempt.WriteFile(appSpecName, spec); err != nil {
			return executor.Task{}, err
		}
		t.Command.Reads = append(t.Command.Reads, call.AppSpecFile)
	}
	if t.Command.Argv, err = s.Command(call); err != nil {
		return executor.Task{}, launchFailed("%s.", capital(words(err)))
	}
	t.Command.Resources = resources(job.Given(j))
	t.Command.Env = a.environment(t, s, local)
	return t, nil
}

// held are the folders of a job and an attempt, open while they are made ready.
type held struct {
	job     workdir.Dir
	attempt workdir.Attempt
}

func (h held) release() {
	h.attempt.Release()
	h.job.Release()
}

// hold makes the folders where they are missing.
func hold(folder workdir.Dir, attempt int) (h held, err error) {
	if err := folder.Create(); err != nil {
		return held{}, err
	}
	if h.job, err = folder.Hold(); err != nil {
		return held{}, err
	}
	if h.attempt, err = h.job.CreateAttempt(attempt); err != nil {
		h.job.Release()
		return held{}, err
	}
	return h, nil
}

func launchFailed(format string, args ...any) error {
	return &executor.Failure{Reason: jobsv1.Reason_REASON_LAUNCH_FAILED, Message: fmt.Sprintf(format, args...)}
}

func capital(s string) string {
	if s == "" {
		return "The command cannot be run"
	}
	return string(bytes.ToUpper([]byte(s[:1]))) + s[1:]
}

// resources are those that an attempt is given, which Submit has filled in.
func resources(asked *jobsv1.Resources) *jobsv1.Resources {
	r := proto.CloneOf(asked)
	if r == nil {
		r = &jobsv1.Resources{}
	}
	r.Cpus = max(1, r.GetCpus())
	return r
}

// encode writes parameters as commands read them. Keys are sorted, and what is
// written is the same each time.
func encode(params *structpb.Struct) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // nothing of it goes into a page
	e.SetIndent("", "  ")
	if err := e.Encode(params.AsMap()); err != nil {
		return nil, fmt.Errorf("encode parameters: %w", err)
	}
	return b.Bytes(), nil
}
