package slurm

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/executor/batch"
	"github.com/stint-jobs/stint/internal/executor/executortest"
	"github.com/stint-jobs/stint/internal/job"
)

// event is one thing that happens to a cluster, to its server, or to a job.
type event struct {
	What string
	N    int // which job, or which way
	Byte int // of an answer, counted from 1
}

// weighted has what happens more often more often.
var weighted = []string{
	"submit", "submit", "submit", "node starts", "node starts", "node starts", "command ends", "command ends", "time", "time", "time", "time",
	"controller crashes", "controller forgets a start", "controller ends a job by mistake", "purge", "accounting", "polls", "polls", "connection", "connection", "accounts", "server restarts", "cancel", "somebody cancels",
}

// submissions are all that a call of sbatch can do.
var submissions = []fakeSubmit{
	{take: true},
	{take: true},
	{take: true, answer: saysTimeout},
	{take: true, hang: true},
	{answer: saysTimeout},
	{hang: true},
	{late: true, answer: saysTimeout},
	{late: true, hang: true},
	{answer: saysDown},
	{answer: saysNo},
	{answer: saysClosed},
	{take: true, answer: batch.Answer{Code: 255}},
}

// lineOf is one of all that a connection can do to answers, at any byte of them.
func lineOf(n, at int) executortest.Connection {
	lines := []executortest.Connection{
		{},
		{},
		{Before: "*** Welcome ***\n123\n", After: "Bye\n"},
		{Before: "sbatch: error: "},
		{Cut: at},
		{Cut: at},
		{CutErrors: at},
		{Flip: at},
		{Insert: "\nBroadcast message from root@login1\n123\n", At: at},
		{Lose: 2 + at%5},
		{Crippled: true},
		{Recoded: true, Before: "bash: warning: setlocale: LC_ALL: cannot change locale\n"},
	}
	return lines[n%len(lines)]
}

// Whatever happens, in whatever order: no command runs twice, every Wait comes
// to an end once the cluster is well, and what it says is what happened.
func TestWhateverHappensAttemptsRunAtMostOnceAndEndTruly(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		plan := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) event {
			return event{rapid.SampledFrom(weighted).Draw(rt, "what"), rapid.IntRange(0, 99).Draw(rt, "n"), rapid.IntRange(1, 500).Draw(rt, "byte")}
		}), 1, 60).Draw(rt, "plan")
		noBooks := rapid.Bool().Draw(rt, "without accounting")
		owners := rapid.Bool().Draw(rt, "accounts of owners")
		var wrong []string
		synctest.Test(t, func(t *testing.T) {
			m := &model{world: newWorld(t), truth: make(map[string]int)}
			m.set(func() { m.noBooks = noBooks })
			if owners {
				m.change = func(c *Config) { c.Accounts = Accounts{Mode: AccountsPerOwner} }
				m.restart()
				m.set(func() { m.accounts.enforced = !noBooks })
			}
			for _, e := range plan {
				m.apply(e)
			}
			m.heal()
			wrong = m.check()
		})
		if len(wrong) > 0 {
			rt.Fatal(wrong)
		}
	})
}

// model drives a world and knows the truth about it.
type model struct {
	*world
	lastID  job.ID
	handles []executor.Handle
	waiters []*waiter
	refused []job.ID
	truth   map[string]int // the exit code of commands that ended by themselves
}

// one is the n-th of them, if there are any.
func one[T any](all []T, n int) (T, bool) {
	if len(all) == 0 {
		var zero T
		return zero, false
	}
	return all[n%len(all)], true
}

func (m *model) apply(e event) {
	switch e.What {
	case "submit":
		m.submit(e.N)
	case "node starts":
		if j, ok := one(m.live("PENDING"), e.N); ok {
			m.start(j)
		}
	case "command ends":
		if j, ok := one(m.live("RUNNING"), e.N); ok {
			m.truth[j.name] = e.N
			m.finish(j, e.N)
		}
	case "time":
		pass(time.Duration(1+e.N) * time.Second)
	case "controller crashes":
		if j, ok := one(m.live("PENDING", "RUNNING"), e.N); ok {
			m.crash(j)
		}
	case "controller forgets a start":
		if j, ok := one(m.live("RUNNING"), e.N); ok {
			m.forgetStart(j)
		}
	case "controller ends a job by mistake":
		if j, ok := one(m.live("PENDING"), e.N); ok {
			m.mistake(j)
		}
	case "purge":
		m.purge()
	case "accounting":
		m.set(func() { m.booksDown, m.booksHang = e.N%3 == 1, e.N%3 == 2 })
	case "polls":
		m.set(func() { m.broken = []batch.Answer{{}, saysDown, {Code: -1, Err: batch.ErrTimeout}}[e.N%3] })
	case "connection":
		m.set(func() { m.line, m.breaks = lineOf(e.N, e.Byte), []int{0, 0, 2, 3, 4}[e.Byte%5] })
	case "accounts":
		m.set(func() {
			m.accounts.denied, m.accounts.lag = e.N%4 == 1, time.Duration(e.N%3)*20*time.Second
			if e.N%4 == 2 {
				m.accounts.known = nil
			}
		})
	case "server restarts":
		m.serverRestarts()
	case "cancel":
		if h, ok := one(m.handles, e.N); ok {
			_ = m.c.Cancel(m.t.Context(), h) // the scheduler asks again
		}
	case "somebody cancels":
		if j, ok := one(m.live("PENDING", "RUNNING"), e.N); ok {
			m.cancel(j, "4123456")
		}
	}
}

// submit starts an attempt as the scheduler does.
func (m *model) submit(n int) {
	m.set(func() { m.sbatch = []fakeSubmit{submissions[n%len(submissions)]} })
	m.lastID++
	h, err := m.c.Start(m.t.Context(), m.taskOf(m.lastID, fmt.Sprintf("owner%d", n%3)))
	m.set(func() { m.sbatch = nil })
	var failure *executor.Failure
	switch {
	case err == nil:
		m.handles = append(m.handles, h)
		m.waiters = append(m.waiters, m.wait(h))
	case errors.As(err, &failure):
		m.refused = append(m.refused, m.lastID)
	}
}

func (m *model) serverRestarts() {
	for _, w := range m.waiters {
		w.stop()
	}
	synctest.Wait()
	m.restart()
	for i, w := range m.waiters {
		if errors.Is(w.err, m.t.Context().Err()) || w.err != nil && !errors.Is(w.err, executor.ErrLost) {
			m.waiters[i] = m.wait(m.handles[i])
		}
	}
}

// heal makes the cluster well and lets everything on it come to its end.
func (m *model) heal() {
	m.set(func() {
		m.broken, m.booksDown, m.booksHang, m.sbatch, m.line = batch.Answer{}, false, false, nil, executortest.Connection{}
		m.breaks, m.accounts.denied, m.accounts.lag = 0, false, 0
	})
	for range 60 {
		pass(30 * time.Second)
		for _, j := range m.live("PENDING") {
			m.start(j)
		}
		for _, j := range m.live("RUNNING") {
			m.truth[j.name] = 0
			m.finish(j, 0)
		}
	}
}

// check says what is wrong in the end.
func (m *model) check() []string {
	var wrong []string
	for i, w := range m.waiters {
		name := string(m.handles[i])
		say := func(format string, args ...any) { wrong = append(wrong, name+": "+fmt.Sprintf(format, args...)) }
		ran := m.runsOf(name)
		code, ended := m.truth[name]
		switch {
		case !w.over():
			say("Wait() never ends; observed last %+v", w.last())
			continue
		case ran > 1:
			say("the command ran %d times", ran)
		case w.err != nil && !errors.Is(w.err, executor.ErrLost):
			say("Wait() = %v", w.err)
		case ended && (w.err != nil || w.exit.Reason != jobsv1.Reason_REASON_UNSPECIFIED || w.exit.Code != code):
			say("the command ended with %d, and Wait() = %+v, %v", code, w.exit, w.err)
		case !ended && w.err == nil && w.exit.Reason == jobsv1.Reason_REASON_UNSPECIFIED && w.exit.Signal == 0:
			say("the command never ended by itself, and Wait() = %+v", w.exit)
		}
	}
	for _, id := range m.refused {
		if n := m.runsOf(fmt.Sprintf("stint-test-%s-1", id)); n > 0 {
			wrong = append(wrong, fmt.Sprintf("job %s was called refused, and ran %d times", id, n))
		}
	}
	if m.mostSqueue > 1 {
		wrong = append(wrong, fmt.Sprintf("%d squeue at a time", m.mostSqueue))
	}
	return wrong
}
