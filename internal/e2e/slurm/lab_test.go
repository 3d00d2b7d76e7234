package slurm_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/executor/batch"
	"github.com/stint-jobs/stint/internal/executor/slurm"
	"github.com/stint-jobs/stint/internal/executor/slurm/slurmtest"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/workdir"
)

// lab is an installation of Stint, as far as executors see it, on a cluster.
type lab struct {
	t       testing.TB
	cluster *slurmtest.Cluster
	root    *workdir.Root
	install string
	change  func(*slurm.Config) // what is special about it
}

var (
	lastInstall atomic.Uint64
	lastJob     atomic.Uint64
)

func newLab(tb testing.TB, c *slurmtest.Cluster) *lab {
	tb.Helper()
	root, err := workdir.Open(filepath.Join(tb.TempDir(), "jobs"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { root.Close() })
	return &lab{t: tb, cluster: c, root: root, install: "lab" + job.ID(lastInstall.Add(1)).String()}
}

// config is that of an executor in more of a hurry than one in production.
func (l *lab) config() slurm.Config {
	cfg := slurm.Config{
		Name: "slurm", Folders: l.root, InstallID: l.install, SlurmConf: l.cluster.Conf, Commands: map[string]string{}, Services: map[string]slurm.Options{},
		Pace: batch.Pace{
			Fastest: 300 * time.Millisecond, Hot: 20 * time.Second, Usual: time.Second, Idle: 2 * time.Second, Accounting: 500 * time.Millisecond, Rest: 1,
		},
		Patience: batch.Patience{
			Confirm: 3 * time.Second, Settle: 10 * time.Second, Usage: 15 * time.Second, Lost: 20 * time.Second, Never: 2 * time.Second,
		},
		Logger: slog.New(slog.NewTextHandler(testWriter{l.t}, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	if l.change != nil {
		l.change(&cfg)
	}
	return cfg
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Logf("%s", strings.TrimSpace(string(p)))
	return len(p), nil
}

// running makes an executor whose loop runs until stop is called, or the test ends.
func running(tb testing.TB, cfg slurm.Config) (c *batch.Cluster, stop func()) {
	tb.Helper()
	c, err := slurm.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			tb.Errorf("Run() = %v", err)
		}
	}
	tb.Cleanup(stop)
	return c, stop
}

// order is what to run.
type order struct {
	script  string
	service string
	change  func(*executor.Task)
}

// task prepares an attempt of a job that runs a shell script.
func (l *lab) task(id job.ID, attempt int, o order) executor.Task {
	l.t.Helper()
	a := l.root.Job(id).Attempt(attempt)
	if err := errors.Join(l.root.Job(id).Create(), a.Create()); err != nil {
		l.t.Fatal(err)
	}
	r := &jobsv1.Resources{Cpus: 1, MemoryBytes: 64 << 20}
	t := executor.Task{
		Job: &jobsv1.Job{Id: id.String(), Service: o.service, Resources: r}, Attempt: attempt, Dir: a,
		Command: executor.Command{
			Argv: []string{"/bin/sh", "-c", o.script}, Env: []string{"PATH=/usr/bin:/bin", "JOB=" + l.root.Job(id).Path()}, Resources: r,
		},
	}
	if o.change != nil {
		o.change(&t)
	}
	return t
}

func nextJob() job.ID { return job.ID(lastJob.Add(1)) }

// follow is a Wait that goes on.
type follow struct {
	l      *lab
	handle executor.Handle
	news   chan executor.Observation
	done   chan struct{}
	exit   executor.Exit
	err    error
}

// follow begins to wait for an attempt.
func (l *lab) follow(ex executor.Executor, h executor.Handle) *follow {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	f := &follow{l: l, handle: h, news: make(chan executor.Observation, 1000), done: make(chan struct{})}
	go func() {
		defer close(f.done)
		f.exit, f.err = ex.Wait(ctx, h, func(o executor.Observation) { f.news <- o })
	}()
	l.t.Cleanup(func() {
		cancel()
		<-f.done
	})
	return f
}

// until waits for an observation.
func (f *follow) until(what string, is func(o executor.Observation) bool) executor.Observation {
	f.l.t.Helper()
	var last executor.Observation
	for {
		select {
		case last = <-f.news:
			if is(last) {
				return last
			}
		case <-f.done:
			for len(f.news) > 0 {
				if last = <-f.news; is(last) {
					return last
				}
			}
			f.l.t.Fatalf("waiting for %s: Wait() = %+v, %v; observed last %+v", what, f.exit, f.err, last)
		}
	}
}

func (f *follow) untilRunning() executor.Observation {
	f.l.t.Helper()
	return f.until("RUNNING", func(o executor.Observation) bool { return o.State == jobsv1.State_STATE_RUNNING })
}

// want waits for the end and checks it.
func (f *follow) want(reason jobsv1.Reason, code, signal int, words string) executor.Exit {
	f.l.t.Helper()
	<-f.done
	x := f.exit
	if f.err != nil || x.Reason != reason || x.Code != code || x.Signal != signal || !strings.Contains(x.Message, words) {
		f.l.t.Errorf("%s: Wait() = %v, code %d, signal %d, %q (%s), %v; want %v, %d, %d, %q",
			f.handle, x.Reason, x.Code, x.Signal, x.Message, x.EngineState, f.err, reason, code, signal, words)
	}
	return x
}

// lines are those of a file in the job's folder that its attempts append to.
func (l *lab) lines(id job.ID, name string) int {
	l.t.Helper()
	data, err := os.ReadFile(filepath.Join(l.root.Job(id).Path(), name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		l.t.Fatal(err)
	}
	return strings.Count(string(data), "\n")
}

// untilFile waits for a command to make a file in its job's folder; a shared file system gives no signal.
func (l *lab) untilFile(id job.ID, name string) {
	l.t.Helper()
	l.cluster.Until("the file "+name, func() bool {
		_, err := os.Stat(filepath.Join(l.root.Job(id).Path(), name))
		return err == nil
	})
}
