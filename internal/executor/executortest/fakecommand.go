package executortest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/workdir"
)

const fakeTimeLimit = 2 * time.Second

// attempt is one attempt that an Engine took.
type attempt struct {
	engine *Engine
	key    planKey
	name   string
	task   executor.Task
	plan   Plan
	steps  []Step

	ctx      context.Context //nolint:containedctx // the life of the command; its cause says who ended it
	cancel   context.CancelCauseFunc
	released chan struct{}
	letGo    sync.Once
	begun    chan struct{} // closed when the command begins; then started is set
	started  time.Time
	ended    chan struct{} // closed at the end; then exit and lost are set
	endOnce  sync.Once
	exit     executor.Exit
	lost     bool
	runs     bool // guarded by the engine's mu
}

func newAttempt(e *Engine, k planKey, t executor.Task, p Plan, steps []Step) *attempt {
	a := &attempt{
		engine: e, key: k, name: attemptName(k.id, k.attempt), task: t, plan: p, steps: steps,
		released: make(chan struct{}), begun: make(chan struct{}), ended: make(chan struct{}),
	}
	a.ctx, a.cancel = context.WithCancelCause(e.ctx)
	return a
}

func (a *attempt) release() { a.letGo.Do(func() { close(a.released) }) }

// end sets how the attempt ended; the first call counts.
func (a *attempt) end(x executor.Exit, lost bool) {
	a.endOnce.Do(func() {
		a.exit, a.lost = x, lost
		close(a.ended)
	})
	a.cancel(errClosed)
}

// pending reports whether the command has not begun.
func (a *attempt) pending() bool {
	select {
	case <-a.begun:
		return false
	case <-a.ended:
		return false
	default:
		return true
	}
}

// live is the attempt's life.
func (a *attempt) live() {
	if !a.pass(a.plan.Pending) {
		a.end(a.endedBy(executor.Exit{Code: -1}), false)
		return
	}
	a.engine.begin(a)
	a.started = time.Now()
	close(a.begun)
	if limit := a.task.Command.Resources.GetTimeLimit(); limit != nil {
		t := time.AfterFunc(limit.AsDuration(), func() { a.cancel(errTimeLimit) })
		defer t.Stop()
	}
	x := a.run()
	a.engine.over(a)
	x.Start, x.End, x.Node, x.EngineID = a.started, time.Now(), fakeNode, a.name
	if x.Usage == nil {
		x.Usage = &jobsv1.Usage{
			MaxRssBytes: 1 << 20, CpuTime: durationpb.New(time.Millisecond),
			Elapsed:       durationpb.New(max(x.End.Sub(x.Start), time.Millisecond)),
			AllocatedCpus: a.task.Command.Resources.GetCpus(), AllocatedMemoryBytes: a.task.Command.Resources.GetMemoryBytes(),
		}
	}
	a.end(x, a.plan.Lost)
}

// run does the command, or what the plan says instead.
func (a *attempt) run() executor.Exit {
	if x := a.plan.Exit; x != nil {
		over := a.pass(a.plan.Run)
		if a.plan.Hold {
			over = a.hold()
		}
		if !over {
			return a.endedBy(executor.Exit{Code: -1, Signal: int(syscall.SIGTERM)})
		}
		return *x
	}
	c := command{attempt: a}
	defer c.close()
	if a.task.Dir != (workdir.Attempt{}) && a.task.Dir.Exists() {
		limits := workdir.LogLimits{HeadBytes: 16 << 20, TailBytes: 8 << 20}
		var outErr, errErr error
		c.stdout, outErr = a.task.Dir.CreateLog(workdir.Stdout, limits)
		c.stderr, errErr = a.task.Dir.CreateLog(workdir.Stderr, limits)
		if err := errors.Join(outErr, errErr); err != nil {
			return executor.Exit{Reason: jobsv1.Reason_REASON_LAUNCH_FAILED, Message: err.Error(), Code: -1}
		}
	}
	for _, s := range a.steps {
		if x := c.do(s); x != nil {
			return *x
		}
	}
	return executor.Exit{}
}

// endedBy adds to an exit who ended the command.
func (a *attempt) endedBy(x executor.Exit) executor.Exit {
	switch cause := context.Cause(a.ctx); {
	case errors.Is(cause, errCancelled):
		x.Reason = jobsv1.Reason_REASON_CANCELLED_BY_OWNER
	case errors.Is(cause, errTimeLimit):
		x.Reason = jobsv1.Reason_REASON_TIME_LIMIT
	default:
		x.Reason = jobsv1.Reason_REASON_NODE_FAILED
	}
	return x
}

// pass lets time pass and reports whether the command was not ended meanwhile.
func (a *attempt) pass(d time.Duration) bool {
	if d <= 0 {
		return a.ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-a.ctx.Done():
		return false
	}
}

// hold waits for the release and reports whether the command was not ended before.
func (a *attempt) hold() bool {
	select {
	case <-a.released:
		return true
	case <-a.ctx.Done():
		return false
	}
}

// command is a simulated process.
type command struct {
	*attempt
	stdout, stderr *workdir.LogWriter // nil without a folder
	ignoresTerm    bool
}

func (c *command) close() {
	for _, w := range []*workdir.LogWriter{c.stdout, c.stderr} {
		if w != nil {
			_ = w.Close()
		}
	}
}

func (c *command) print(w *workdir.LogWriter, s string) {
	if w != nil {
		_, _ = w.Write([]byte(s)) // a LogWriter takes everything
	}
}

// do does one step; an answer ends the command.
func (c *command) do(s Step) *executor.Exit {
	switch s.op {
	case "print":
		c.print(c.stdout, s.text+"\n")
	case "print-err":
		c.print(c.stderr, s.text+"\n")
	case "write":
		return c.write(filepath.Join(c.task.Dir.OutputPath(), s.name), s.text, os.O_TRUNC)
	case "append":
		return c.write(filepath.Join(c.task.Dir.OutputPath(), s.name), s.text, os.O_APPEND)
	case "progress":
		return c.write(c.task.Dir.ProgressPath(), s.text, os.O_APPEND)
	case "print-folder":
		c.print(c.stdout, c.task.Dir.OutputPath()+"\n")
	case "print-env":
		c.print(c.stdout, strings.Join(c.task.Command.Env, "\n")+"\n")
	case "flood":
		n, _ := strconv.Atoi(s.text)
		c.print(c.stdout, strings.Repeat("0123456789abcde\n", n/16))
	case "exit":
		code, _ := strconv.Atoi(s.text)
		return &executor.Exit{Code: code}
	case "kill":
		signal, _ := strconv.Atoi(s.text)
		return &executor.Exit{Code: -1, Signal: signal}
	case "ignore-term":
		c.ignoresTerm = true
	case "hold":
		if !c.hold() {
			return c.killed()
		}
	case "sleep":
		seconds, _ := strconv.ParseFloat(s.text, 64)
		if !c.pass(time.Duration(seconds * float64(time.Second))) {
			return c.killed()
		}
	case "burn", "leash", "escape":
	default:
		return &executor.Exit{Code: 127, Message: fmt.Sprintf("no such step: %q", s.op)}
	}
	return nil
}

// killed is the end of a command that was asked to end, and forced to if it ignores that.
func (c *command) killed() *executor.Exit {
	signal := syscall.SIGTERM
	if c.ignoresTerm {
		signal = syscall.SIGKILL
		t := time.NewTimer(c.engine.Grace)
		defer t.Stop()
		select {
		case <-t.C:
		case <-c.ended: // lost, or the engine closed
		case <-c.engine.ctx.Done():
		}
	}
	x := c.endedBy(executor.Exit{Code: -1, Signal: int(signal)})
	return &x
}

// write puts a line into a file.
func (c *command) write(path, line string, how int) *executor.Exit {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|how, 0o644)
	if err == nil {
		_, err = f.WriteString(line + "\n")
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		c.print(c.stderr, err.Error()+"\n")
		return &executor.Exit{Code: 1}
	}
	return nil
}
