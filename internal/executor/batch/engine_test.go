package batch

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/workdir"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memoryEngine is a batch system with words of its own, without accounting.
type memoryEngine struct {
	mu      sync.Mutex
	rows    []Row
	submits []Submitted // what the next submissions come to; accepted when there is none
	calls   int
	pollErr error
}

func (e *memoryEngine) called() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.calls
}

func (e *memoryEngine) Traits() Traits {
	return Traits{Title: "Memory", IDVariable: "MEMORY_ID", NodeVariable: "MEMORY_NODE"}
}

func (e *memoryEngine) Plan(r Request) (Plan, error) {
	return Plan{Args: []string{r.Name}, Queue: r.Command.Resources.GetPartition()}, nil
}

func (e *memoryEngine) Submit(_ context.Context, p Plan, _ []byte) Submitted {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls++
	if len(e.submits) > 0 {
		var next Submitted
		next, e.submits = e.submits[0], e.submits[1:]
		return next
	}
	e.rows = append(e.rows, Row{
		ID: "a.1", State: "Q", Phase: Pending, Name: p.Args[0], Submit: time.Now(),
		Waiting: Waiting{Reason: jobsv1.Reason_REASON_WAITING_FOR_TURN, Words: "Waiting in memory."},
	})
	return Submitted{Outcome: Accepted, ID: "a.1"}
}

func (e *memoryEngine) Poll(context.Context) ([]Row, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]Row(nil), e.rows...), e.pollErr
}

func (e *memoryEngine) Account(context.Context, Query) ([]Account, error) {
	return nil, ErrNoAccounting
}

func (e *memoryEngine) Cancel(_ context.Context, name, _ string) error {
	e.change(name, func(r *Row) { r.Phase, r.State, r.End = Cancelled, "X", time.Now() })
	return nil
}

func (e *memoryEngine) Probe(context.Context) (Features, error) { return Features{Version: "1"}, nil }

func (e *memoryEngine) change(name string, fn func(r *Row)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range e.rows {
		if e.rows[i].Name == name {
			fn(&e.rows[i])
		}
	}
}

// onMemory runs a test in a bubble of fake time on a cluster in memory.
func onMemory(t *testing.T, test func(t *testing.T, c *Cluster, e *memoryEngine, task executor.Task)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		root, err := workdir.Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		e := new(memoryEngine)
		c, err := New(Config{Name: "memory", Folders: root, InstallID: "test"}, e)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- c.Run(ctx) }()
		a := root.Job(1).Attempt(1)
		if err := errors.Join(root.Job(1).Create(), a.Create()); err != nil {
			t.Fatal(err)
		}
		r := &jobsv1.Resources{Cpus: 1, Partition: "p"}
		test(t, c, e, executor.Task{
			Job: &jobsv1.Job{Id: "1"}, Attempt: 1, Dir: a, Command: executor.Command{Argv: []string{"/bin/true"}, Resources: r},
		})
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// following is a Wait that goes on.
type following struct {
	mu   sync.Mutex // of seen
	seen []executor.Observation
	exit executor.Exit
	err  error
	done chan struct{}
}

func follow(t *testing.T, c *Cluster, h executor.Handle) *following {
	t.Helper()
	f := &following{done: make(chan struct{})}
	go func() {
		defer close(f.done)
		f.exit, f.err = c.Wait(t.Context(), h, func(o executor.Observation) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.seen = append(f.seen, o)
		})
	}()
	return f
}

// last returns what was observed last.
func (f *following) last() executor.Observation {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen[len(f.seen)-1]
}

// pass lets fake time pass.
//
//nolint:forbidigo // fake time: a synctest bubble
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestAnEngineNeedsWordsOnly(t *testing.T) {
	onMemory(t, func(t *testing.T, c *Cluster, e *memoryEngine, task executor.Task) {
		t.Helper()
		h, err := c.Start(t.Context(), task)
		if err != nil {
			t.Fatal(err)
		}
		f := follow(t, c, h)
		pass(10 * time.Second)
		if o := f.last(); o.State != jobsv1.State_STATE_QUEUED || o.Message != "Waiting in memory." || o.EngineState != "Q" || o.EngineID != "a.1" {
			t.Errorf("observed %+v", o)
		}
		dir := task.Dir.Path()
		if err := errors.Join(os.Mkdir(filepath.Join(dir, lockName), 0o755), os.WriteFile(filepath.Join(dir, ownerName), []byte("a.1 n1\n"), 0o600)); err != nil {
			t.Fatal(err)
		}
		e.change(string(h), func(r *Row) { r.Phase, r.State, r.Start = Running, "R", time.Now() })
		pass(10 * time.Second)
		if o := f.last(); o.State != jobsv1.State_STATE_RUNNING {
			t.Errorf("observed %+v", o)
		}
		if err := os.WriteFile(filepath.Join(dir, recordName), []byte(`{"code":4,"node":"n1","engine_id":"a.1"}`), 0o600); err != nil {
			t.Fatal(err)
		}
		e.change(string(h), func(r *Row) { r.Phase, r.State, r.End, r.Code = Failed, "C", time.Now(), 4 })
		<-f.done
		if f.err != nil || f.exit.Code != 4 || f.exit.EngineState != "C" || f.exit.Reason != jobsv1.Reason_REASON_UNSPECIFIED {
			t.Errorf("Wait() = %+v, %v", f.exit, f.err)
		}
		if m := c.Status().GetMessage(); m != "Memory 1 without accounting." {
			t.Errorf("status %q", m)
		}
	})
}

func TestADeferredAttemptIsSubmittedUntilItIsTaken(t *testing.T) {
	onMemory(t, func(t *testing.T, c *Cluster, e *memoryEngine, task executor.Task) {
		t.Helper()
		hold := Hold{Reason: jobsv1.Reason_REASON_ENGINE_HELD, Message: "Closed."}
		for range 10 {
			e.submits = append(e.submits, Submitted{Outcome: Deferred, Err: errClosed, Hold: hold})
		}
		h, err := c.Start(t.Context(), task)
		if err != nil {
			t.Fatal(err)
		}
		f := follow(t, c, h)
		pass(5 * time.Minute)
		if o := f.last(); o.Reason != hold.Reason || o.Message != hold.Message {
			t.Errorf("observed %+v", o)
		}
		pass(time.Hour)
		if o := f.last(); e.called() != 11 || o.Message != "Waiting in memory." {
			t.Errorf("%d submissions, observed %+v", e.called(), o)
		}
		if err := c.Cancel(t.Context(), h); err != nil {
			t.Fatal(err)
		}
		<-f.done
		if f.exit.Reason != jobsv1.Reason_REASON_CANCELLED_BY_OWNER {
			t.Errorf("Wait() = %+v, %v", f.exit, f.err)
		}
	})
}

func TestAClosedQueueIsAskedByOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGates(Patience{Confirm: time.Minute})
		hold := Hold{Message: "Closed."}
		asked := 0
		enter := func() {
			for range 1000 {
				if _, open := g.enter("q"); open {
					asked++
				}
			}
		}
		g.learn("q", Submitted{Outcome: Deferred, Hold: hold})
		if _, open := g.enter("other"); !open {
			t.Error("another queue is closed too")
		}
		for range 3600 {
			enter()
			pass(time.Second)
			if got, open := g.look("q"); !open && got != hold {
				t.Fatalf("the hold is %+v", got)
			}
		}
		if asked < 60 || asked > 240 {
			t.Errorf("asked %d times in an hour", asked)
		}
		g.learn("q", Submitted{Outcome: Accepted})
		if _, open := g.enter("q"); !open {
			t.Error("closed after a job was taken")
		}
	})
}
