package scheduler_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/executor/executortest"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/scheduler"
	"github.com/stint-jobs/stint/internal/scheduler/policy"
	"github.com/stint-jobs/stint/internal/store"
)

var errFault = errors.New("the disk said no")

// faulty is a store whose calls fail by number, for the scheduler alone.
type faulty struct {
	*store.Store
	mu      sync.Mutex
	calls   int
	fail    func(call int) error // nil fails nothing
	damaged job.ID               // whose record cannot be decoded; 0 is none
}

func (f *faulty) damage(id job.ID) {
	f.mu.Lock()
	f.damaged = id
	f.mu.Unlock()
}

func (f *faulty) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// call counts a call and returns its fault.
func (f *faulty) call(id job.ID) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	if id != 0 && id == f.damaged {
		return fmt.Errorf("read job %s: %w: %w", id, job.ErrStorage, store.ErrDamaged)
	}
	if f.fail != nil {
		return f.fail(f.calls)
	}
	return nil
}

func (f *faulty) Briefs(ids []job.ID) ([]store.Brief, error) {
	if err := f.call(0); err != nil {
		return nil, err
	}
	return f.Store.Briefs(ids)
}

func (f *faulty) Record(scope store.Scope, id job.ID) (*storev1.Record, error) {
	if err := f.call(id); err != nil {
		return nil, err
	}
	return f.Store.Record(scope, id)
}

func (f *faulty) Get(scope store.Scope, id job.ID) (*jobsv1.Job, error) {
	if err := f.call(id); err != nil {
		return nil, err
	}
	return f.Store.Get(scope, id)
}

func (f *faulty) Update(ctx context.Context, scope store.Scope, id job.ID, fn func(*storev1.Record) error) (*jobsv1.Job, error) {
	if err := f.call(id); err != nil {
		return nil, err
	}
	return f.Store.Update(ctx, scope, id, fn)
}

// touch changes a job's record as the API might.
func (w *world) touch(id job.ID) {
	w.Helper()
	_, err := w.store.Update(w.Context(), store.Everyone, id, func(r *storev1.Record) error {
		_, err := job.Transition(r.GetJob(), job.Status{State: queued, Message: "Touched.", Time: time.Now()})
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
}

// lines are the messages of a log.
type lines struct {
	slog.Handler
	mu   sync.Mutex
	list []string
}

func newLines() *lines { return &lines{Handler: slog.DiscardHandler} }

func (l *lines) Enabled(context.Context, slog.Level) bool { return true }

func (l *lines) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, r.Message)
	return nil
}

func (l *lines) count(message string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, m := range l.list {
		if m == message {
			n++
		}
	}
	return n
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.list, "; ")
}

// story is a life with a retry, a cancellation, a restart and a job that just runs. It wants each
// to end as it would without faults.
func story(w *world) {
	w.engine.Plan(1, 1, executortest.Plan{Exit: &executor.Exit{Code: -1, Reason: jobsv1.Reason_REASON_NODE_FAILED}})
	w.start()
	again, cancel, plain := w.submit("ann", "nothing"), w.submit("ann", "hold"), w.submit("bob", "minute")
	w.pass(30 * time.Second)
	w.crash()
	w.pass(time.Second)
	w.start()
	w.pass(5 * time.Minute)
	w.wish(cancel)
	w.pass(time.Hour)
	w.want(again, completed, noReason)
	w.want(cancel, cancelled, jobsv1.Reason_REASON_CANCELLED_BY_OWNER)
	w.want(plain, completed, noReason)
	w.runs(plain, 1)
}

// Whichever call of the store fails, once or five times in a row, and in whichever way: a job that
// is not final waits or is followed.
func TestEveryJobEndsWhicheverCallFails(t *testing.T) {
	storage := fmt.Errorf("%w: %w", job.ErrStorage, errFault)
	for name, c := range map[string]struct {
		fault     error
		row, step int
	}{
		"the store cannot read or save":              {storage, 1, 1},
		"the store cannot read or save for a moment": {storage, 5, 4},
		"nobody knows the error":                     {errFault, 1, 2},
		"overloaded":                                 {job.ErrOverloaded, 2, 3},
	} {
		t.Run(name, func(t *testing.T) {
			for first, calls := 1, 1; first <= calls && !t.Failed(); first += c.step {
				inWorld(t, func(w *world) {
					f := &faulty{Store: w.store, fail: func(n int) error {
						if n >= first && n < first+c.row {
							return c.fault
						}
						return nil
					}}
					w.jobs = f
					story(w)
					if calls = f.count(); t.Failed() {
						w.Logf("with faults from call %d", first)
					}
				})
			}
		})
	}
}

func TestRunEndsWhenTheStoreCannotBeRead(t *testing.T) {
	inWorld(t, func(w *world) {
		w.jobs, w.fails = &faulty{Store: w.store, fail: func(int) error { return errFault }}, true
		w.submit("ann", "nothing")
		w.start()
		w.pass(10 * time.Minute)
	})
}

// A job that can never be started does not keep the scheduler busy.
func TestJobThatCannotStartHasABackoff(t *testing.T) {
	inWorld(t, func(w *world) {
		var refusing atomic.Bool
		f := &faulty{Store: w.store, fail: func(int) error { return nil }}
		w.jobs = refuses{f, &refusing}
		w.start()
		w.pass(time.Second)
		refusing.Store(true)
		before := f.count()
		id := w.submit("ann", "nothing")
		w.pass(time.Hour)
		w.want(id, queued, noReason)
		if n := f.count() - before; n > 400 {
			t.Errorf("%d calls in an hour", n)
		}
		refusing.Store(false)
		w.pass(2 * time.Minute)
		w.want(id, completed, noReason)
	})
}

// When the store cannot say any more what changed, a job that was cancelled meanwhile does not hold
// a place.
func TestChangesThatWereMissedAreFound(t *testing.T) {
	inWorld(t, func(w *world) {
		w.capacity = scheduler.Capacity{policy.CPUs: 2}
		f := &forgetful{Store: w.store}
		w.jobs = f
		w.start()
		one, two := w.submit("ann", "hold"), w.submit("ann", "hold")
		w.pass(time.Second)
		wide := w.submit("bob", "nothing", cores(2))
		w.pass(time.Second)
		w.engine.Release(one, 1)
		narrow := w.submit("cy", "hold")
		w.pass(time.Second)
		w.want(narrow, running, noReason) // past the wide one
		w.engine.Release(two, 1)
		next := w.submit("dan", "nothing")
		w.pass(time.Second)
		w.waits(next, jobsv1.Reason_REASON_WAITING_FOR_TURN) // behind the wide one
		f.forget.Store(true)
		w.wish(wide)
		w.pass(time.Second)
		w.want(next, completed, noReason)
	})
}

// forgetful is a store that does not always know what changed.
type forgetful struct {
	*store.Store
	forget atomic.Bool
}

func (f *forgetful) ChangedSince(after uint64, limit int) ([]job.ID, uint64, bool) {
	if f.forget.Load() {
		return nil, 0, false
	}
	return f.Store.ChangedSince(after, limit)
}

// refuses is a store that takes no change of a job, for a reason of its own.
type refuses struct {
	*faulty
	on *atomic.Bool
}

func (r refuses) Update(ctx context.Context, scope store.Scope, id job.ID, fn func(*storev1.Record) error) (*jobsv1.Job, error) {
	if r.on.Load() {
		_ = r.call(id)
		return nil, job.ErrConflict
	}
	return r.faulty.Update(ctx, scope, id, fn)
}

// ahead is an executor whose clock is ahead.
type ahead struct {
	executor.Executor
	by time.Duration
}

func (a ahead) Wait(ctx context.Context, h executor.Handle, observe func(executor.Observation)) (executor.Exit, error) {
	e, err := a.Executor.Wait(ctx, h, observe)
	if !e.End.IsZero() {
		e.End = e.End.Add(a.by)
	}
	return e, err
}

// The wait before a retry begins when the server learns of the end, whatever the cluster's clock
// says.
func TestRetryWaitsByTheServersClock(t *testing.T) {
	for _, by := range []time.Duration{-6 * time.Hour, 0, 6 * time.Hour} {
		t.Run(by.String(), func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.wrap = func(e executor.Executor) executor.Executor { return ahead{e, by} }
				w.start()
				w.engine.Plan(1, 1, executortest.Plan{Exit: &executor.Exit{Code: -1, Reason: jobsv1.Reason_REASON_NODE_FAILED}})
				id := w.submit("ann", "nothing")
				w.pass(9 * time.Second)
				w.want(id, queued, jobsv1.Reason_REASON_WAITING_FOR_RETRY)
				w.pass(2 * time.Second)
				w.want(id, completed, noReason)
			})
		})
	}
}

// A time for the next attempt that a clock which was ahead once left behind holds a job back for no
// longer than a retry may wait.
func TestRetryWaitIsBounded(t *testing.T) {
	inWorld(t, func(w *world) {
		id := w.submit("ann", "nothing")
		_, err := w.store.Update(w.Context(), store.Everyone, id, func(r *storev1.Record) error {
			r.NotBefore = timestamppb.New(time.Now().AddDate(10, 0, 0))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		w.start()
		w.pass(job.MaxRetryWait + time.Minute)
		w.want(id, completed, noReason)
	})
}
