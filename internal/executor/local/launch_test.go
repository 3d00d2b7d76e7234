//go:build linux

package local

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/executor/local/shim"
	"github.com/stint-jobs/stint/internal/workdir"
)

func TestLaunchFailuresInPlainWords(t *testing.T) {
	launchFailures(t, testConfig, func(*job, string) {})
}

func TestLaunchFailuresInASandbox(t *testing.T) {
	launchFailures(t, sandboxed, func(j *job, dir string) { j.task.Command.Reads = []string{dir} })
}

func launchFailures(t *testing.T, config func(*testing.T) Config, change func(j *job, dir string)) {
	t.Helper()
	dir := t.TempDir()
	file := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	long := strings.Repeat("x", 1<<20)
	for _, tt := range []struct {
		name    string
		argv    []string
		spoil   func(a workdir.Attempt)
		message string
	}{
		{name: "missing", argv: []string{dir + "/no"}, message: "The program " + dir + "/no was not found."},
		{name: "relative", argv: []string{"sh"}, message: `The command ["sh"] does not begin with the absolute path of a program.`},
		{name: "empty", argv: nil, message: "The command [] does not begin with the absolute path of a program."},
		{name: "not executable", argv: []string{file("plain", "#!/bin/sh\n", 0o644)}, message: "may not be executed."},
		{name: "a folder", argv: []string{dir}, message: "may not be executed."},
		{name: "no interpreter", argv: []string{file("script", "#!/no/such/interpreter\n", 0o755)}, message: "The interpreter that the first line of "},
		{name: "not a program", argv: []string{file("data", "\x00\x01\x02", 0o755)}, message: "is not a program that this machine can run."},
		{name: "too long", argv: []string{"/bin/echo", long}, message: "are too long."},
		{
			name: "no working directory", argv: []string{"/bin/true"}, message: "The working directory of the job is missing",
			spoil: func(a workdir.Attempt) { os.Remove(a.OutputPath()) },
		},
		{
			name: "no folder", argv: []string{"/bin/true"}, message: "The folder of the job is missing.",
			spoil: func(a workdir.Attempt) { os.RemoveAll(a.Path()) },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := newJob(t, config(t), "")
			j.task.Command.Argv = tt.argv
			change(j, dir)
			if tt.spoil != nil {
				tt.spoil(j.task.Dir)
			}
			for range 2 {
				_, err := j.e.Start(t.Context(), j.task)
				var f *executor.Failure
				if !errors.As(err, &f) || f.Reason != jobsv1.Reason_REASON_LAUNCH_FAILED || !strings.Contains(f.Message, tt.message) {
					t.Fatalf("Start() = %v, want %q", err, tt.message)
				}
			}
			if n := j.e.Status().GetActiveJobs(); n != 0 {
				t.Errorf("%d active jobs", n)
			}
			// A server that crashed before it heard learns the same from Wait.
			if h, err := j.e.Find(t.Context(), j.task); err == nil {
				if x := j.wait(h); x.Reason != jobsv1.Reason_REASON_LAUNCH_FAILED || !x.Start.IsZero() || !strings.Contains(x.Message, tt.message) {
					t.Errorf("Wait() = %+v", x)
				}
			} else if !errors.Is(err, executor.ErrNotFound) {
				t.Errorf("Find() = %v", err)
			}
		})
	}
}

// smallDisk puts the folders of jobs on a file system of 4 MiB.
func smallDisk(t *testing.T) Config {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("stint-test", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("a small file system needs the right to mount: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	root, err := workdir.Open(filepath.Join(dir, "jobs"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return Config{Folders: root, Grace: testGrace, HeadBytes: 32 << 20, TailBytes: 1 << 20, Logger: testLogger(t)}
}

func TestCommandThatFillsTheDisk(t *testing.T) {
	j := newJob(t, smallDisk(t), "head -c 10000000 /dev/zero >big")
	x := j.wait(j.start())
	if x.Reason != jobsv1.Reason_REASON_DISK_FULL || x.Code == 0 || !strings.HasPrefix(x.Message, shim.DiskFullMessage) {
		t.Errorf("ended with %+v", x)
	}
	// And what is started there next cannot be.
	a := j.cfg.Folders.Job(2).Attempt(1)
	if err := a.Create(); err != nil {
		if !workdir.IsDiskFull(err) {
			t.Fatal(err)
		}
		return
	}
	task := j.task
	task.Dir = a
	_, err := j.e.Start(t.Context(), task)
	var f *executor.Failure
	if !errors.As(err, &f) || f.Reason != jobsv1.Reason_REASON_DISK_FULL {
		t.Errorf("Start() on a full disk = %v", err)
	}
	if _, err := j.e.Find(t.Context(), task); !errors.Is(err, executor.ErrNotFound) {
		t.Errorf("Find() = %v", err)
	}
}

// A log that the disk has no room for neither blocks nor fails the command, and its loss is told.
func TestOutputThatFillsTheDisk(t *testing.T) {
	j := newJob(t, smallDisk(t), "head -c 10000000 /dev/zero; exit 0")
	x := j.wait(j.start())
	if x.Reason != byItself || x.Code != 0 || !strings.Contains(x.Message, "bytes of its standard output were lost because the disk was full.") {
		t.Errorf("ended with %+v", x)
	}
	if size, err := j.task.Dir.LogSize(workdir.Stdout); err != nil || size < 2<<20 {
		t.Errorf("%d bytes were kept, %v", size, err)
	}
	j = newJob(t, j.cfg, "head -c 10000000 /dev/zero; exit 1")
	a := j.cfg.Folders.Job(1).Attempt(2)
	os.RemoveAll(j.task.Dir.Path())
	if err := a.Create(); err != nil {
		t.Fatal(err)
	}
	j.task.Dir = a
	if x := j.wait(j.start()); x.Reason != jobsv1.Reason_REASON_DISK_FULL || x.Code != 1 {
		t.Errorf("ended with %+v", x)
	}
}
