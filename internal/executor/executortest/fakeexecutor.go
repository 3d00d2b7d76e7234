package executortest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/workdir"
)

const (
	handlePrefix = "fake:"
	fakeNode     = "simulated"
)

// Fake is an executor on an Engine. It has no state of its own.
type Fake struct{ engine *Engine }

var (
	_ executor.Executor = (*Fake)(nil)
	_ executor.Reporter = (*Fake)(nil)
)

// Executor makes an executor on the engine. Any number may be in use.
func (e *Engine) Executor() *Fake { return &Fake{engine: e} }

// Harness is the engine for Run and RunInBubble.
func (e *Engine) Harness(folders *workdir.Root) *Harness {
	return &Harness{
		New:       func(testing.TB) executor.Executor { return e.Executor() },
		Folders:   folders,
		TimeLimit: fakeTimeLimit,
		Simulated: true,
		Release:   func(a workdir.Attempt) { e.Release(a.JobID(), a.Number()) },
		Lose: func(_ testing.TB, _ executor.Handle, a workdir.Attempt) {
			e.Lose(a.JobID(), a.Number())
		},
	}
}

// Start takes the attempt unless a Plan says otherwise, or the command is none of Simulated.
func (f *Fake) Start(ctx context.Context, t executor.Task) (executor.Handle, error) {
	id, err := job.ParseID(t.Job.GetId())
	if err != nil {
		return "", fmt.Errorf("start: %w", err)
	}
	k := planKey{id, t.Attempt}
	step, err := f.take(k, t)
	switch {
	case step.Hang:
		<-ctx.Done()
		return "", fmt.Errorf("start job %s: %w", id, ctx.Err())
	case err != nil:
		return "", err
	case step.Err != nil:
		return "", step.Err
	}
	return handleOf(k), nil
}

// take lets the engine take the attempt if that is planned.
func (f *Fake) take(k planKey, t executor.Task) (StartStep, error) {
	e := f.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	e.count(k).Start++
	if e.away {
		return StartStep{}, executor.ErrUnavailable
	}
	p := e.plan(k)
	step, planned := next(&p.Start)
	name := attemptName(k.id, k.attempt)
	if e.attempts[name] != nil || (planned && !step.Accept && (step.Err != nil || step.Hang)) {
		return step, nil
	}
	steps, runnable := stepsOf(t.Command.Argv)
	if !runnable && p.Exit == nil {
		return step, &executor.Failure{
			Reason:  jobsv1.Reason_REASON_LAUNCH_FAILED,
			Message: fmt.Sprintf("The program %s was not found.", strings.Join(t.Command.Argv[:min(1, len(t.Command.Argv))], "")),
		}
	}
	a := newAttempt(e, k, t, *p, steps)
	e.attempts[name] = a
	e.active.Go(a.live)
	return step, nil
}

// Find knows every attempt that the engine took.
func (f *Fake) Find(_ context.Context, t executor.Task) (executor.Handle, error) {
	id, err := job.ParseID(t.Job.GetId())
	if err != nil {
		return "", fmt.Errorf("find: %w", err)
	}
	k := planKey{id, t.Attempt}
	e := f.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	e.count(k).Find++
	if e.away {
		return "", executor.ErrUnavailable
	}
	if err, planned := next(&e.plan(k).Find); planned && err != nil {
		return "", err
	}
	if e.attempts[attemptName(id, t.Attempt)] == nil {
		return "", executor.ErrNotFound
	}
	return handleOf(k), nil
}

// Wait observes what a Plan says, then that the command runs, and answers its end.
func (f *Fake) Wait(ctx context.Context, h executor.Handle, observe func(executor.Observation)) (executor.Exit, error) {
	a, err := f.waited(h)
	if err != nil {
		return executor.Exit{}, err
	}
	if a.pending() {
		for _, o := range a.plan.Observations {
			observe(o)
		}
	}
	select {
	case <-a.begun:
		observe(executor.Observation{State: jobsv1.State_STATE_RUNNING, StartTime: a.started, Node: fakeNode, EngineID: a.name})
	case <-a.ended:
	case <-ctx.Done():
		return executor.Exit{}, ctx.Err()
	}
	select {
	case <-a.ended:
	case <-ctx.Done():
		return executor.Exit{}, ctx.Err()
	}
	if a.lost {
		return executor.Exit{}, executor.ErrLost
	}
	return a.exit, nil
}

// waited is the attempt to wait for, or the planned error.
func (f *Fake) waited(h executor.Handle) (*attempt, error) {
	name := strings.TrimPrefix(string(h), handlePrefix)
	e := f.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	a := e.attempts[name]
	if a == nil {
		return nil, executor.ErrLost
	}
	e.count(a.key).Wait++
	if e.away {
		return nil, executor.ErrUnavailable
	}
	if err, planned := next(&e.plan(a.key).Wait); planned && err != nil {
		return nil, err
	}
	return a, nil
}

// Cancel asks the command to end.
func (f *Fake) Cancel(_ context.Context, h executor.Handle) error {
	name := strings.TrimPrefix(string(h), handlePrefix)
	e := f.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	a := e.attempts[name]
	if a == nil {
		return nil
	}
	e.count(a.key).Cancel++
	if e.away {
		return fmt.Errorf("cancel %s: %w", name, executor.ErrUnavailable)
	}
	a.cancel(errCancelled)
	return nil
}

// Status is healthy unless the engine was made to be away.
func (f *Fake) Status() *adminv1.ExecutorStatus { return f.engine.status() }

func handleOf(k planKey) executor.Handle {
	return executor.Handle(handlePrefix + attemptName(k.id, k.attempt))
}

func attemptName(id job.ID, n int) string { return fmt.Sprintf("%s/%d", id, n) }

// Why a simulated command is ended.
var (
	errCancelled = errors.New("cancelled")
	errTimeLimit = errors.New("time limit")
	errClosed    = errors.New("engine closed")
)
