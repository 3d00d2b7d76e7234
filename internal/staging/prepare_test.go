package staging

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/proto"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/catalog"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/workspace"
)

const (
	inputMissing = jobsv1.Reason_REASON_INPUT_MISSING
	launchFail   = jobsv1.Reason_REASON_LAUNCH_FAILED
	diskFull     = jobsv1.Reason_REASON_DISK_FULL
	outputFailed = jobsv1.Reason_REASON_OUTPUT_FAILED
)

func TestPrepareLetsTheCommandTellOfItself(t *testing.T) {
	s := newStation(t)
	s.cfg.Report = func(j *jobsv1.Job, attempt int) (url, token string) {
		if attempt == 2 {
			return "", "" // where the server cannot be reached it gets no token either
		}
		return "http://127.0.0.1:1/v1/jobs/" + j.GetId() + ":report", "stintjob_x"
	}
	j := newJob(t, "Cat", nil)
	for attempt, want := range map[int][]string{1: {"STINT_REPORT_URL=http://127.0.0.1:1/v1/jobs/17:report", "STINT_JOB_TOKEN=stintjob_x"}, 2: nil} {
		task, err := s.Prepare(t.Context(), j, attempt, nil)
		must(t, err)
		got := slices.DeleteFunc(task.Command.Env, func(v string) bool {
			return !strings.HasPrefix(v, "STINT_REPORT_URL=") && !strings.HasPrefix(v, "STINT_JOB_TOKEN=")
		})
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
	}
}

func TestPrepareMakesAnAttemptReadyToRun(t *testing.T) {
	t.Setenv("STINT_DATABASE_PASSWORD", "of the server")
	s := newStation(t)
	s.put(t, "/reads/a b.fq", "ACGT\n")
	j := newJob(t, "Cat", map[string]any{"read": "reads//a b.fq", "text": "x\nPATH=/evil", "number": 1.5, "flag": true})
	before := proto.CloneOf(j)
	task, err := s.Prepare(t.Context(), j, 1, nil)
	must(t, err)
	if !proto.Equal(before, j) {
		t.Fatal("the job was changed")
	}
	jobDir := filepath.Join(s.dir, "jobs", "0", "17")
	attempt := filepath.Join(jobDir, "attempts", "1")
	staged := filepath.Join(attempt, "input", "read", "a b.fq")
	want := []string{
		"PATH=" + programs, "HOME=" + attempt + "/tmp", "TMPDIR=" + attempt + "/tmp", "LANG=C.UTF-8", "TZ=UTC", "OMP_NUM_THREADS=2",
		"STINT_JOB_ID=17", "STINT_ATTEMPT=k3x9ab-17-1", "STINT_SERVICE=Cat", "STINT_OWNER=" + alice, "STINT_OUTPUT_NAME=run",
		"STINT_OUTPUT_DIR=" + attempt + "/output", "STINT_PARAMS=" + jobDir + "/params.json", "STINT_PROGRESS=" + attempt + "/progress",
		"STINT_CPUS=2", "STINT_MEMORY_BYTES=1073741824",
		"STINT_PARAM_read=" + staged, "STINT_PARAM_text=x\nPATH=/evil", "STINT_PARAM_number=1.5", "STINT_PARAM_flag=true",
	}
	if diff := cmp.Diff(want, task.Command.Env); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{filepath.Join(s.services, "Cat")}, task.Command.Reads); diff != "" || task.Command.Network {
		t.Errorf("it reads %s, network %v", diff, task.Command.Network)
	}
	run := filepath.Join(s.services, "Cat", "run")
	if diff := cmp.Diff([]string{run, "first", run}, task.Command.Argv); diff != "" {
		t.Error(diff)
	}
	if task.Job != j || task.Attempt != 1 || task.Dir.Path() != attempt || task.Command.Resources.GetCpus() != 2 {
		t.Errorf("the task is %+v", task)
	}
	out := execute(t, task)
	if out["copy"] != "ACGT\n" {
		t.Errorf("the command read %q", out["copy"])
	}
	var params map[string]any
	must(t, json.Unmarshal([]byte(out["params"]), &params))
	if diff := cmp.Diff(map[string]any{"read": staged, "text": "x\nPATH=/evil", "number": 1.5, "flag": true}, params); diff != "" {
		t.Error(diff)
	}
}

// execute runs the command as an executor would and answers its output files.
func execute(t *testing.T, task executor.Task) map[string]string {
	t.Helper()
	c := exec.CommandContext(t.Context(), task.Command.Argv[0], task.Command.Argv[1:]...)
	c.Dir, c.Env = task.Dir.OutputPath(), task.Command.Env
	if said, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	files := map[string]string{}
	for _, name := range onDisk(t, task.Dir.OutputPath()) {
		b, err := os.ReadFile(filepath.Join(task.Dir.OutputPath(), name))
		must(t, err)
		files[name] = string(b)
	}
	return files
}

func TestEveryInputHasAPlaceOfItsOwn(t *testing.T) {
	s := newStation(t)
	for _, p := range []string{"/1/a.fq", "/2/a.fq", "/3/a.fq", "/ref/x", "/ref/sub/y"} {
		s.put(t, p, "in "+p)
	}
	task, err := s.Prepare(t.Context(), newJob(t, "Cat", map[string]any{
		"read":  "/1/a.fq",
		"reads": []any{"/1/a.fq", "/2/a.fq"},
		"dir":   "/ref",
		"libs":  []any{map[string]any{"read1": "/3/a.fq", "name": "n"}, map[string]any{"read1": "/1/a.fq"}},
	}), 1, nil)
	must(t, err)
	input := filepath.Join(s.dir, "jobs/0/17/attempts/1/input")
	want := []string{
		"dir", "dir/ref", "dir/ref/sub", "dir/ref/sub/y", "dir/ref/x", "libs", "libs/0", "libs/0/read1", "libs/0/read1/a.fq",
		"libs/1", "libs/1/read1", "libs/1/read1/a.fq", "read", "read/a.fq", "reads", "reads/0", "reads/0/a.fq", "reads/1", "reads/1/a.fq",
	}
	if diff := cmp.Diff(want, onDisk(t, input)); diff != "" {
		t.Fatal(diff)
	}
	var params map[string]any
	b, err := os.ReadFile(filepath.Join(s.dir, "jobs/0/17/params.json"))
	must(t, err, json.Unmarshal(b, &params))
	if diff := cmp.Diff(map[string]any{
		"read":  input + "/read/a.fq",
		"reads": []any{input + "/reads/0/a.fq", input + "/reads/1/a.fq"},
		"dir":   input + "/dir/ref",
		"libs":  []any{map[string]any{"read1": input + "/libs/0/read1/a.fq", "name": "n"}, map[string]any{"read1": input + "/libs/1/read1/a.fq"}},
	}, params); diff != "" {
		t.Fatal(diff)
	}
	for place, p := range map[string]string{"reads/1/a.fq": "/2/a.fq", "libs/0/read1/a.fq": "/3/a.fq", "dir/ref/sub/y": "/ref/sub/y"} {
		if b, err := os.ReadFile(filepath.Join(input, place)); err != nil || string(b) != "in "+p {
			t.Errorf("%s is %q, %v", place, b, err)
		}
	}
	if i := slices.IndexFunc(task.Command.Env, func(v string) bool { return strings.HasPrefix(v, "STINT_PARAM_dir=") }); i < 0 {
		t.Error("the folder is in no variable")
	}
}

func TestAWholeWorkspaceCanBeAnInput(t *testing.T) {
	s := newStation(t)
	s.put(t, "/a", "x")
	_, err := s.Prepare(t.Context(), newJob(t, "Cat", map[string]any{"dir": "/"}), 1, nil)
	must(t, err)
	if got := onDisk(t, filepath.Join(s.dir, "jobs/0/17/input")); !slices.Equal(got, []string{"dir", "dir/workspace", "dir/workspace/a"}) {
		t.Fatalf("staged %q", got)
	}
}

func TestAppSpecsGetTheirArguments(t *testing.T) {
	s := newStation(t)
	s.put(t, "/in", "x")
	task, err := s.Prepare(t.Context(), newJob(t, "Spec", map[string]any{"a-b": "/in", "a_b": "/in"}), 3, nil)
	must(t, err)
	jobDir := filepath.Join(s.dir, "jobs/0/17")
	spec := jobDir + "/attempts/3/app_spec.json"
	want := []string{filepath.Join(s.services, "App-Spec"), "", spec, jobDir + "/params.json"}
	if diff := cmp.Diff(want, task.Command.Argv); diff != "" {
		t.Fatal(diff)
	}
	b, err := os.ReadFile(spec)
	if err != nil || !json.Valid(b) {
		t.Fatalf("the spec is %q, %v", b, err)
	}
	if got := onDisk(t, jobDir+"/input"); !slices.Equal(got, []string{"a-b", "a-b/in", "a_b", "a_b/in"}) {
		t.Fatalf("staged %q", got)
	}
}

func TestNoIdLeadsAnInputOutOfItsFolder(t *testing.T) {
	var inputs []catalog.Input
	for _, field := range []string{
		"a", "../../x", "a/../../b", "..", ".", "", "[0]", "a[../../b]", "/etc", "a\x00b", "ä", "a.b", "a[0].b", "a[0]", strings.Repeat("x", 5000), strings.Repeat("x", 5001),
	} {
		inputs = append(inputs, catalog.Input{Field: field, Path: "/reads/in"})
	}
	seen := map[string]bool{}
	for i, name := range stagedNames(inputs) {
		if !fs.ValidPath(name) || !strings.HasPrefix(name, "input/") || path.Base(name) != "in" || name == "input/in" || len(name) > 500 || seen[name] {
			t.Errorf("%q is staged at %q", inputs[i].Field, name)
		}
		seen[name] = true
	}
}

func TestAnInputThatIsGoneFailsTheJobByName(t *testing.T) {
	s := newStation(t)
	outside := t.TempDir()
	s.put(t, "/folder/x", "x")
	must(t,
		os.WriteFile(filepath.Join(outside, "secret"), []byte("x"), 0o644),
		os.Symlink(filepath.Join(outside, "secret"), filepath.Join(s.dir, "workspace", alice, "link")),
		os.Symlink(outside, filepath.Join(s.dir, "workspace", alice, "links")),
	)
	for _, c := range []struct {
		params map[string]any
		words  []string
	}{
		{map[string]any{"read": "/none.fq"}, []string{"/none.fq", "read"}},
		{map[string]any{"read": "/link"}, []string{"/link", "read"}},
		{map[string]any{"dir": "/links"}, []string{"/links", "dir"}},
		{map[string]any{"read": "/links/secret"}, []string{"/links/secret"}},
		{map[string]any{"read": "/../bob/x"}, []string{"/../bob/x"}},
		{map[string]any{"read": "/folder"}, []string{"/folder", "needs a file"}},
		{map[string]any{"dir": "/folder/x"}, []string{"/folder/x", "needs a folder"}},
		{map[string]any{"libs": []any{map[string]any{"read1": "/none.fq"}}}, []string{"/none.fq", "libs[0].read1"}},
	} {
		_, err := s.Prepare(t.Context(), newJob(t, "Cat", c.params), 1, nil)
		wantFailure(t, err, inputMissing, c.words...)
	}
	bob := newJob(t, "Cat", map[string]any{"read": "/folder/x"})
	bob.Owner = "bob"
	_, err := s.Prepare(t.Context(), bob, 1, nil)
	wantFailure(t, err, inputMissing)
}

func TestARetryRunsOnTheFilesOfTheFirstAttempt(t *testing.T) {
	s := newStation(t)
	s.put(t, "/a", "old")
	s.put(t, "/d/x", "old")
	j := newJob(t, "Cat", map[string]any{"read": "/a", "dir": "/d"})
	_, err := s.Prepare(t.Context(), j, 1, nil)
	must(t, err)
	s.put(t, "/a", "new")
	_, err = s.cfg.Workspace.Delete(t.Context(), alice, "/d/x", workspace.DeleteOptions{})
	must(t, err)
	s.open(t, workspace.Options{}) // by the next process
	task, err := s.Prepare(t.Context(), j, 2, nil)
	must(t, err)
	if out := execute(t, task); out["copy"] != "old" {
		t.Fatalf("the second attempt reads %q", out["copy"])
	}
	if b, err := os.ReadFile(filepath.Join(s.dir, "jobs/0/17/input/dir/d/x")); err != nil || string(b) != "old" {
		t.Fatalf("the folder has %q, %v", b, err)
	}
}

func TestAServiceThatIsGoneFailsTheJob(t *testing.T) {
	s := newStation(t)
	j := newJob(t, "Cat", nil)
	must(t, os.RemoveAll(filepath.Join(s.services, "Cat")))
	_, err := s.cfg.Catalog.Reload()
	must(t, err)
	_, err = s.Prepare(t.Context(), j, 1, nil)
	wantFailure(t, err, launchFail, "The service Cat is no longer offered.")
	_, err = s.Prepare(t.Context(), newJob(t, "NeedsMore", nil), 1, nil)
	wantFailure(t, err, launchFail, "The service NeedsMore", "no-such-program-here")
}

func TestAFullDiskFailsTheJobPlainly(t *testing.T) {
	s := newStation(t)
	s.put(t, "/big", strings.Repeat("x", 1<<20))
	jobs := filepath.Join(s.dir, "small")
	smallDisk(t, jobs)
	must(t, s.cfg.Folders.Close(), os.Remove(filepath.Join(s.dir, "jobs")), os.Symlink(jobs, filepath.Join(s.dir, "jobs")))
	s.open(t, workspace.Options{})
	_, err := s.Prepare(t.Context(), newJob(t, "Cat", map[string]any{"read": "/big"}), 1, nil)
	wantFailure(t, err, diskFull, "disk", "full")
	s.put(t, "/small", "fits")
	j := newJob(t, "Cat", map[string]any{"read": "/small"})
	j.Id = "18"
	task, err := s.Prepare(t.Context(), j, 1, nil) // by a copy, and the failed one left nothing that takes room
	must(t, err)
	if out := execute(t, task); out["copy"] != "fits" {
		t.Fatalf("the command read %q", out["copy"])
	}
}

func TestTheEndOfThisProcessSaysNothingAboutTheJob(t *testing.T) {
	s := newStation(t)
	s.put(t, "/d/x", "x")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Prepare(ctx, newJob(t, "Cat", map[string]any{"dir": "/d"}), 1, nil)
	var f *executor.Failure
	if !errors.Is(err, context.Canceled) || errors.As(err, &f) {
		t.Fatalf("got %v", err)
	}
}

func TestStagingFollowsNoLinkThatAnAttemptLeft(t *testing.T) {
	s := newStation(t)
	s.put(t, "/a", "x")
	j := newJob(t, "Cat", map[string]any{"read": "/a"})
	_, err := s.Prepare(t.Context(), j, 1, nil)
	must(t, err)
	outside := t.TempDir()
	input := filepath.Join(s.dir, "jobs/0/17/input")
	must(t, os.RemoveAll(input), os.Symlink(outside, input))
	if _, err := s.Prepare(t.Context(), j, 2, nil); err == nil {
		t.Fatal("prepared through a link")
	} else if f := new(executor.Failure); errors.As(err, &f) && f.Reason == inputMissing {
		t.Fatalf("the user's file is blamed: %v", err)
	}
	if got := onDisk(t, outside); len(got) > 0 {
		t.Fatalf("left %q outside", got)
	}
}

func TestParametersAreWrittenTheSameEachTime(t *testing.T) {
	s := newStation(t)
	j := newJob(t, "Cat", map[string]any{"text": "<a & b>", "number": 1e6, "flag": false})
	for attempt := 1; attempt < 4; attempt++ {
		_, err := s.Prepare(t.Context(), j, attempt, nil)
		must(t, err)
		b, err := os.ReadFile(filepath.Join(s.dir, "jobs/0/17/params.json"))
		must(t, err)
		if want := "{\n  \"flag\": false,\n  \"number\": 1000000,\n  \"text\": \"<a & b>\"\n}\n"; string(b) != want {
			t.Fatalf("got %s", b)
		}
	}
	_, err := s.Prepare(t.Context(), newJob(t, "Cat", nil), 1, nil)
	must(t, err)
	if b, err := os.ReadFile(filepath.Join(s.dir, "jobs/0/17/params.json")); err != nil || string(b) != "{}\n" {
		t.Fatalf("no parameters are %q, %v", b, err)
	}
}
