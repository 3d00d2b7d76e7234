//go:build linux

package local

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/executor/executortest"
	"github.com/stint-jobs/stint/internal/executor/local/proc"
	"github.com/stint-jobs/stint/internal/executor/local/shim"
	"github.com/stint-jobs/stint/internal/workdir"
)

// The test program is also the shim, a server, and a job that attacks.
func TestMain(m *testing.M) {
	if os.Args[0] == shim.Name || len(os.Args) == 2 && os.Args[1] == "inside" {
		unix.Exit(smallShimMain(os.Args[1:]))
	}
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "shim":
			unix.Exit(shim.Main(os.Args[2:])) // os.Exit of the race detector takes a second
		case "server":
			os.Exit(serverMain(os.Args[2:]))
		case "attack":
			os.Exit(attackMain(os.Args[2:]))
		case "once":
			os.Exit(onceMain(os.Args[2:]))
		}
	}
	goleak.VerifyTestMain(m)
}

const testGrace = 200 * time.Millisecond

// testConfig is an executor's on a new folder, of which all shims must have been silent.
func testConfig(t *testing.T) Config {
	t.Helper()
	root, err := workdir.Open(filepath.Join(t.TempDir(), "jobs"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		wantSilentShims(t, root)
		wantNoCgroups(t, root)
		root.Close()
	})
	return Config{Folders: root, Grace: testGrace, HeadBytes: 64 << 10, TailBytes: 16 << 10, Logger: testLogger(t)}
}

func testLogger(t *testing.T) *slog.Logger {
	t.Helper()
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

func wantSilentShims(t *testing.T, root *workdir.Root) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(root.Path(), "*/*/attempts/*", shim.LogFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range logs {
		if said, err := os.ReadFile(path); err != nil || len(said) > 0 {
			t.Errorf("%s: %s (%v)", path, said, err)
		}
	}
}

// wantNoCgroups checks that no attempt left its cgroup.
func wantNoCgroups(t *testing.T, root *workdir.Root) {
	t.Helper()
	parent := findCgroup("")
	launches, err := filepath.Glob(filepath.Join(root.Path(), "*/*/attempts/*", shim.LaunchFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range launches {
		var l shim.Launch
		if data, err := os.ReadFile(path); err != nil || json.Unmarshal(data, &l) != nil {
			t.Fatalf("read %s: %v", path, err)
		}
		if parent.path != "" && exists(shim.CgroupPath(parent.path, l.Token), "cgroup.procs") {
			t.Errorf("the cgroup of %s is still there", path)
		}
	}
}

func newExecutor(tb testing.TB, cfg Config) *Executor {
	tb.Helper()
	e, err := New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

// killShim kills the shim of an attempt.
func killShim(tb testing.TB, a workdir.Attempt) {
	tb.Helper()
	s, err := shim.ReadState(a)
	if err != nil {
		tb.Fatal(err)
	}
	if err := (proc.Process{PID: s.PID, Birth: s.Birth}).Signal(unix.SIGKILL); err != nil {
		tb.Fatal(err)
	}
}

func conform(t *testing.T, change func(*Config)) {
	t.Helper()
	executortest.Run(t, func(t *testing.T) *executortest.Harness {
		t.Helper()
		cfg := testConfig(t)
		change(&cfg)
		return &executortest.Harness{
			New: func(tb testing.TB) executor.Executor {
				tb.Helper()
				return newExecutor(tb, cfg)
			},
			Folders:     cfg.Folders,
			TimeLimit:   100 * time.Millisecond,
			OutputCap:   1 << 20,
			EndsEscaped: true,
			Lose: func(tb testing.TB, _ executor.Handle, a workdir.Attempt) {
				tb.Helper()
				killShim(tb, a)
			},
		}
	})
}

// Without cgroups, which would hide what is wrong with finding processes one by one.
func TestConforms(t *testing.T) { conform(t, func(c *Config) { c.Cgroup = CgroupNone }) }

// In a sandbox the very same holds.
func TestConformsInASandbox(t *testing.T) {
	requireSandbox(t)
	conform(t, func(c *Config) { c.Cgroup, c.Sandbox.Mode = CgroupNone, SandboxRequire })
}

func TestStatus(t *testing.T) {
	cfg := testConfig(t)
	e := newExecutor(t, cfg)
	s := e.Status()
	if s.GetName() != "local" || !s.GetHealthy() || s.GetTotalCpus() < 1 || s.GetTotalMemoryBytes() < 64<<20 || !strings.HasPrefix(s.GetMessage(), "memory is ") {
		t.Errorf("Status() = %v", s)
	}
	cfg.Name, cfg.CPUs, cfg.MemoryBytes, cfg.Cgroup = "box", 3, 1<<30, CgroupNone
	s = newExecutor(t, cfg).Status()
	if s.GetName() != "box" || s.GetTotalCpus() != 3 || s.GetTotalMemoryBytes() != 1<<30 ||
		s.GetMessage() != "memory is accounted, not enforced: cgroups are switched off; jobs run without a sandbox, as the user of the server and with all that this user may see: it is switched off" {
		t.Errorf("Status() = %v", s)
	}
	if _, err := New(Config{}); err == nil {
		t.Error("New() took a Config without Folders")
	}
}

// job is an attempt that runs a shell script.
type job struct {
	t    *testing.T
	cfg  Config
	e    *Executor
	task executor.Task
}

func newJob(t *testing.T, cfg Config, script string) *job {
	t.Helper()
	a := cfg.Folders.Job(1).Attempt(1)
	if err := a.Create(); err != nil {
		t.Fatal(err)
	}
	return &job{t: t, cfg: cfg, e: newExecutor(t, cfg), task: executor.Task{
		Job: &jobsv1.Job{Id: "1"}, Attempt: 1, Dir: a,
		Command: executor.Command{
			Argv:      []string{"/bin/sh", "-c", script},
			Env:       []string{"PATH=/usr/bin:/bin"},
			Resources: &jobsv1.Resources{Cpus: 2, MemoryBytes: 64 << 20},
		},
	}}
}

func (j *job) start() executor.Handle {
	j.t.Helper()
	h, err := j.e.Start(j.t.Context(), j.task)
	if err != nil {
		j.t.Fatal(err)
	}
	return h
}

func (j *job) wait(h executor.Handle) executor.Exit {
	j.t.Helper()
	x, err := j.e.Wait(j.t.Context(), h, func(executor.Observation) {})
	if err != nil {
		j.t.Fatal(err)
	}
	return x
}

// fifo makes a FIFO in output/ and holds it open for both ends, so that
// neither side of it waits for the other to open it.
func (j *job) fifo(name string) *os.File {
	j.t.Helper()
	path := filepath.Join(j.task.Dir.OutputPath(), name)
	if err := unix.Mkfifo(path, 0o600); err != nil {
		j.t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		j.t.Fatal(err)
	}
	j.t.Cleanup(func() { f.Close() })
	return f
}

// line reads a line that the job wrote into a FIFO.
func (j *job) line(f *os.File) string {
	j.t.Helper()
	if err := f.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		j.t.Fatal(err)
	}
	var line []byte
	for b := make([]byte, 1); ; {
		if _, err := f.Read(b); err != nil {
			j.t.Fatalf("waiting for a line of the job: %v", err)
		}
		if b[0] == '\n' {
			return string(line)
		}
		line = append(line, b[0])
	}
}

func (j *job) pid(f *os.File) proc.Process {
	j.t.Helper()
	n, err := strconv.Atoi(j.line(f))
	if err != nil {
		j.t.Fatal(err)
	}
	p, err := proc.Read(n)
	if err != nil {
		j.t.Fatal(err)
	}
	return p
}

// gone reports whether a process has ended.
func gone(p proc.Process) bool {
	now, err := proc.Read(p.PID)
	return err != nil || now.Birth != p.Birth || now.Zombie
}

func (j *job) stdout() string {
	j.t.Helper()
	var b bytes.Buffer
	err := j.task.Dir.ReadLog(j.t.Context(), workdir.Stdout, workdir.LogOptions{}, func(c workdir.LogChunk) error {
		b.Write(c.Data)
		return nil
	})
	if err != nil {
		j.t.Fatal(err)
	}
	return b.String()
}
