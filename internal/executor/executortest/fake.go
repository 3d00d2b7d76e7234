package executortest

import (
	"context"
	"sync"
	"time"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/job"
)

// Engine makes believe that it runs jobs: commands of Simulated are done by
// goroutines, on the fake time of a synctest bubble where there is one, and Plans say what goes wrong.
// Like a real engine it outlives the executors that talk to it, so that a
// test can restart the server under it. It counts what really ran.
type Engine struct {
	// Grace is how long a command that ignores TERM lives on. Zero means 10 s.
	Grace time.Duration

	ctx    context.Context //nolint:containedctx // the life of the engine, whatever the calls' contexts
	stop   context.CancelFunc
	active sync.WaitGroup

	mu       sync.Mutex
	away     bool
	plans    map[planKey]*Plan
	attempts map[string]*attempt // by name
	calls    map[planKey]*Calls
	began    []string // names of attempts in the order in which their commands began
	running  int
	peak     int
	overlaps []string
}

// Plan says what happens to an attempt beyond, or instead of, its command.
type Plan struct {
	// Start are the answers to the first calls of Start; further ones take the attempt.
	Start []StartStep
	// Find are the answers to the first calls of Find. Nil is the truth.
	Find []error
	// Wait are the answers to the first calls of Wait. Nil is the truth.
	Wait []error
	// Pending is how long the engine keeps the attempt waiting before its command begins.
	Pending time.Duration
	// Observations are made, in their order, while the attempt is pending.
	Observations []executor.Observation
	// Exit, unless nil, is how the attempt ends, Run after it began; the
	// task's command is not looked at.
	Exit *executor.Exit
	// Run is how long an attempt with an Exit runs.
	Run time.Duration
	// Hold makes an attempt with an Exit run until Release, whatever Run says.
	Hold bool
	// Lost makes the engine lose the attempt where it would have ended.
	Lost bool
}

// StartStep is the answer to one call of Start.
type StartStep struct {
	// Err is answered; nil answers the handle.
	Err error
	// Accept makes the engine take the attempt whatever it answers.
	Accept bool
	// Hang makes Start answer only when its context ends, with the context's error.
	Hang bool
}

// Calls counts what was asked of an attempt.
type Calls struct {
	// Start, Find, Wait and Cancel are calls of the methods.
	Start, Find, Wait, Cancel int
	// Runs is how often the command really began.
	Runs int
}

type planKey struct {
	id      job.ID
	attempt int // 0 in a plan for all attempts
}

// NewEngine makes an engine. Close ends it.
func NewEngine() *Engine {
	ctx, stop := context.WithCancel(context.Background())
	return &Engine{
		Grace: 10 * time.Second, ctx: ctx, stop: stop,
		plans: make(map[planKey]*Plan), attempts: make(map[string]*attempt), calls: make(map[planKey]*Calls),
	}
}

// Close ends all commands and waits for that.
func (e *Engine) Close() {
	e.stop()
	e.active.Wait()
}

// Plan says what shall happen to an attempt of a job; attempt 0 means each
// that has no plan of its own, counted together.
func (e *Engine) Plan(id job.ID, attempt int, p Plan) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.plans[planKey{id, attempt}] = &p
}

// SetAway makes every call answer ErrUnavailable, or ends that. Attempts go on meanwhile.
func (e *Engine) SetAway(away bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.away = away
}

// Release lets a command go on that holds.
func (e *Engine) Release(id job.ID, n int) {
	if a := e.attempt(attemptName(id, n)); a != nil {
		a.release()
	}
}

// Lose makes the engine forget an attempt, whose command ends.
func (e *Engine) Lose(id job.ID, n int) {
	if a := e.attempt(attemptName(id, n)); a != nil {
		a.end(executor.Exit{}, true)
	}
}

// Calls answers what was asked of an attempt so far.
func (e *Engine) Calls(id job.ID, n int) Calls {
	e.mu.Lock()
	defer e.mu.Unlock()
	return *e.count(planKey{id, n})
}

// Runs is how often a command of the job really began, over all attempts.
func (e *Engine) Runs(id job.ID) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	runs := 0
	for k, c := range e.calls {
		if k.id == id {
			runs += c.Runs
		}
	}
	return runs
}

// Began are the names of all attempts whose commands began, for example `17/1`, in that order.
func (e *Engine) Began() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]string(nil), e.began...)
}

// Running is how many commands run now, and Peak how many did at most.
func (e *Engine) Running() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.running
}

// Peak is how many commands ran at a time, at most.
func (e *Engine) Peak() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.peak
}

// Overlaps are the names of attempts that began while another attempt of the
// same job ran. There must be none.
func (e *Engine) Overlaps() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]string(nil), e.overlaps...)
}

// attempt is the attempt of that name, or nil.
func (e *Engine) attempt(name string) *attempt {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.attempts[name]
}

// count is the counter of an attempt. The caller holds mu.
func (e *Engine) count(k planKey) *Calls {
	c := e.calls[k]
	if c == nil {
		c = &Calls{}
		e.calls[k] = c
	}
	return c
}

// plan is what shall happen to an attempt; never nil. The caller holds mu.
func (e *Engine) plan(k planKey) *Plan {
	if p := e.plans[k]; p != nil {
		return p
	}
	if p := e.plans[planKey{k.id, 0}]; p != nil {
		return p
	}
	p := &Plan{}
	e.plans[k] = p
	return p
}

// next takes the first of some planned answers. The caller holds mu.
func next[T any](answers *[]T) (T, bool) {
	var first T
	if len(*answers) == 0 {
		return first, false
	}
	first = (*answers)[0]
	*answers = (*answers)[1:]
	return first, true
}

// begin counts a command that begins.
func (e *Engine) begin(a *attempt) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, other := range e.attempts {
		if other != a && other.key.id == a.key.id && other.runs {
			e.overlaps = append(e.overlaps, a.name)
		}
	}
	a.runs = true
	e.count(a.key).Runs++
	e.began = append(e.began, a.name)
	e.running++
	e.peak = max(e.peak, e.running)
}

// over counts a command that ended.
func (e *Engine) over(a *attempt) {
	e.mu.Lock()
	defer e.mu.Unlock()
	a.runs = false
	e.running--
}

// status is the health of an executor on the engine.
func (e *Engine) status() *adminv1.ExecutorStatus {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := &adminv1.ExecutorStatus{Name: "fake", Healthy: !e.away, ActiveJobs: int32(e.running)}
	if e.away {
		s.Message = "made to be away"
	}
	return s
}
