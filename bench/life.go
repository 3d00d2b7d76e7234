package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/stint-jobs/stint/bench/rig"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/scheduler"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/workdir"
)

// lives measures row 15: the store and the scheduler of stintd in a process of their own (`bench life`), with
// an engine that costs nothing, so that the limit is what keeps jobs and not what runs them.
func lives(ctx context.Context, l *lab) ([]result, error) {
	p, err := newPair(ctx, l)
	if err != nil {
		return nil, err
	}
	defer p.stintd.Stop()
	s, err := rig.Rounds(ctx, l.rounds, p.submitSide(many), rig.Side{Name: "whole lives", Run: l.livesRound})
	if err != nil {
		return nil, err
	}
	return []result{ratio("15", rig.Pick(s[1], rig.Rate), rig.Pick(s[0], rig.Rate),
		append(figures("Submit at 256", s[0]), figureOf("whole lives at 256: submit, start, two observations, end", "jobs/s", rig.Pick(s[1], rig.Rate)))...)}, nil
}

func (l *lab) livesRound(ctx context.Context) (rig.Sample, error) {
	data, err := l.newData()
	if err != nil {
		return rig.Sample{}, err
	}
	out, err := exec.CommandContext(ctx, l.self, "life", data, l.duration.String()).Output()
	if err != nil {
		return rig.Sample{}, err
	}
	jobs, err := strconv.ParseFloat(string(bytes.TrimSpace(out)), 64)
	return rig.Sample{Rate: jobs, P50: 1e6 / jobs}, err
}

// live takes jobs through their lives by many callers for a time and writes the jobs a second.
func live(ctx context.Context, data, duration string, out io.Writer) (err error) {
	d, err := time.ParseDuration(duration)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(databaseOf(data)), 0o700); err != nil {
		return err
	}
	st, err := store.Open(store.Config{Path: databaseOf(data)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	folders, err := workdir.Open(filepath.Join(data, "jobs"))
	if err != nil {
		return err
	}
	defer folders.Close()
	sched, err := scheduler.New(scheduler.Config{
		Store: st, Folders: folders, Engines: map[string]scheduler.Engine{"local": {Executor: &memoryEngine{}}},
		Prepare: func(_ context.Context, j *jobsv1.Job, attempt int, _ func(string)) (executor.Task, error) {
			return executor.Task{Job: j, Attempt: attempt}, nil
		},
		Publish: func(context.Context, *jobsv1.Job, int, func(string)) (folder, note string, err error) {
			return "/home/results", "", nil
		},
	})
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(ctx, d+time.Minute)
	defer stop()
	var running sync.WaitGroup
	running.Go(func() { err = errors.Join(err, sched.Run(ctx)) })
	run := rig.Load{Callers: many, Duration: d, Call: func(ctx context.Context, n int) error { return oneLife(ctx, st, n) }}
	s, errLoad := run.Run(ctx)
	stop()
	running.Wait()
	_, errOut := fmt.Fprintln(out, s.Rate)
	return errors.Join(err, errLoad, errOut)
}

// oneLife submits a job and waits for its end.
func oneLife(ctx context.Context, st *store.Store, n int) error {
	j := rig.Job(n)
	j.Executor, j.Resources = "local", &jobsv1.Resources{Cpus: 1, MemoryBytes: 1 << 20}
	jobs, _, err := st.Submit(ctx, []*jobsv1.Job{j}, store.SubmitOptions{Owner: "user" + strconv.Itoa(n)})
	if err != nil {
		return err
	}
	id, err := job.ParseID(jobs[0].GetId())
	if err != nil {
		return err
	}
	sub := st.Hub().Subscribe(store.KeyJob(id))
	defer sub.Close()
	for {
		now, err := st.Briefs([]job.ID{id})
		switch {
		case err != nil:
			return err
		case now[0].State == jobsv1.State_STATE_COMPLETED:
			return nil
		case job.Terminal(now[0].State):
			return fmt.Errorf("job %s ended as %v", id, now[0].State)
		}
		select {
		case <-sub.C():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// memoryEngine runs commands that take no time: each is seen waiting, then running, and ends.
type memoryEngine struct{}

// Start takes an attempt.
func (*memoryEngine) Start(_ context.Context, t executor.Task) (executor.Handle, error) {
	return executor.Handle(strings.Join([]string{t.Job.GetId(), strconv.Itoa(t.Attempt)}, ".")), nil
}

// Find never has an attempt that Start did not answer.
func (*memoryEngine) Find(context.Context, executor.Task) (executor.Handle, error) {
	return "", executor.ErrNotFound
}

// Wait tells two observations and the end.
func (*memoryEngine) Wait(_ context.Context, h executor.Handle, observe func(executor.Observation)) (executor.Exit, error) {
	now := time.Now()
	observe(executor.Observation{
		State: jobsv1.State_STATE_QUEUED, Reason: jobsv1.Reason_REASON_WAITING_FOR_RESOURCES,
		Message: "Waiting for a node.", EngineState: "PENDING", EngineID: string(h),
	})
	observe(executor.Observation{State: jobsv1.State_STATE_RUNNING, EngineState: "RUNNING", EngineID: string(h), Node: "n1", StartTime: now})
	return executor.Exit{EngineState: "COMPLETED", EngineID: string(h), Node: "n1", Start: now, End: now}, nil
}

// Cancel has nothing to end.
func (*memoryEngine) Cancel(context.Context, executor.Handle) error { return nil }
