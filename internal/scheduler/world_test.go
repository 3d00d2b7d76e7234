package scheduler_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/estimate"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/executor/executortest"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/scheduler"
	"github.com/stint-jobs/stint/internal/scheduler/policy"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/store/storetest"
	"github.com/stint-jobs/stint/internal/workdir"
)

// world is a scheduler on a real store and an engine that makes believe, on fake time.
type world struct {
	*testing.T
	store    *store.Store
	engine   *executortest.Engine
	folders  *workdir.Root
	capacity scheduler.Capacity
	gpus     []int32
	shares   map[string]policy.Share
	decided  func(time.Duration) // gets the processor time of decisions
	tasksMu  sync.Mutex
	tasks    []executor.Task // that the executor was given
	perOwner int
	history  *estimate.History
	maximum  func(service string) *jobsv1.Resources
	asks     *jobsv1.Resources // what the job of a story asks for
	uses     int64             // the memory that it uses
	wake     chan struct{}
	mu       sync.Mutex              // guards the three below
	prepare  func(preparation) error // set by preparing
	held     string                  // what holds all attempts; set by hold
	released map[string]int          // attempts, with the state of their job then
	publish  func(*jobsv1.Job) (string, error)
	noted    string                                     // what the owner is told of the results
	copying  func(id string, tell func(message string)) // is called by each publication; nil is not
	leftOut  string                                     // of the inputs of each job
	s        *scheduler.Scheduler
	hints    []string // that the executor got
	started  func(executor.Handle) executor.Observation
	stop     func()
	log      *lines
	jobs     scheduler.Jobs                            // what the scheduler has for the store; nil is the store
	wrap     func(executor.Executor) executor.Executor // what it has for the executor; nil is the executor
	fails    bool                                      // whether Run ends by itself, with an error
}

// inWorld runs a test in a bubble. Nothing schedules before start.
func inWorld(t *testing.T, test func(w *world)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		folders, err := workdir.Open(filepath.Join(dir, "jobs"))
		if err != nil {
			t.Fatal(err)
		}
		w := &world{
			T: t, log: newLines(), wake: make(chan struct{}), engine: executortest.NewEngine(), folders: folders,
			store:   storetest.OpenConfig(t, store.Config{Path: filepath.Join(dir, "jobs.db")}),
			prepare: func(preparation) error { return nil }, released: make(map[string]int),
			publish: func(j *jobsv1.Job) (string, error) { return "/jobs/" + j.GetOutputName(), nil },
		}
		t.Cleanup(func() {
			w.crash()
			w.engine.Close()
			if err := folders.Close(); err != nil {
				t.Error(err)
			}
			if over := w.engine.Overlaps(); len(over) != 0 {
				t.Errorf("jobs ran beside themselves: %v", over)
			}
		})
		test(w)
	})
}

// preparation is a call of Prepare.
type preparation struct {
	ctx  context.Context //nolint:containedctx // of the call
	job  *jobsv1.Job
	tell func(string)
}

// preparing sets what is done before an attempt starts.
func (w *world) preparing(prepare func(preparation) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.prepare = prepare
}

// hold sets what holds all attempts. Empty holds none.
func (w *world) hold(words string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = words
}

// holding returns what holds all attempts.
func (w *world) holding() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.held
}

// start runs a scheduler, as a new process would.
func (w *world) start() {
	w.Helper()
	jobs, ex := scheduler.Jobs(w.store), executor.Executor(hinted{w.engine.Executor(), w})
	if w.jobs != nil {
		jobs = w.jobs
	}
	if w.wrap != nil {
		ex = w.wrap(ex)
	}
	engines := map[string]scheduler.Engine{"local": {Executor: ex, Capacity: w.capacity, GPUs: w.gpus}, "other": {Executor: ex, Capacity: w.capacity, GPUs: w.gpus}}
	s, err := scheduler.New(scheduler.Config{
		Store:   jobs,
		Engines: engines,
		Prepare: func(ctx context.Context, j *jobsv1.Job, attempt int, tell func(string)) (executor.Task, error) {
			w.mu.Lock()
			prepare := w.prepare
			w.mu.Unlock()
			if err := prepare(preparation{ctx, j, tell}); err != nil {
				return executor.Task{}, err
			}
			id, err := job.ParseID(j.GetId())
			if err != nil {
				return executor.Task{}, err
			}
			dir := w.folders.Job(id).Attempt(attempt)
			argv := executortest.Simulated(steps(j)...)
			return executor.Task{Job: j, Attempt: attempt, Dir: dir, InputNote: w.leftOut, Command: executor.Command{Argv: argv, Resources: job.Given(j)}}, dir.Create()
		},
		Publish: func(_ context.Context, j *jobsv1.Job, _ int, tell func(string)) (folder, note string, err error) {
			if w.copying != nil {
				w.copying(j.GetId(), tell)
			}
			folder, err = w.publish(j)
			return folder, w.noted, err
		},
		Release: func(j *jobsv1.Job, attempt int) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.released[fmt.Sprintf("%s/%d %s", j.GetId(), attempt, job.StateWord(j.GetState()))]++
		},
		Folders: w.folders, MaxActivePerOwner: w.perOwner, Shares: w.shares, Held: w.holding, Wake: w.wake,
		Logger: slog.New(w.log), History: w.history, Maximum: w.maximum, OnDecision: w.decided,
	})
	if err != nil {
		w.Fatal(err)
	}
	w.s = s
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	w.stop = func() {
		cancel()
		if err := <-done; (err != nil) != w.fails {
			w.Errorf("Run returned %v", err)
		}
	}
}

// hinted is an executor that notes hints.
type hinted struct {
	executor.Executor
	w *world
}

// Started knows of an attempt at once what the test says.
func (h hinted) Started(handle executor.Handle) (executor.Observation, bool) {
	if h.w.started == nil {
		return executor.Observation{}, false
	}
	return h.w.started(handle), true
}

// Start notes what it was given.
func (h hinted) Start(ctx context.Context, t executor.Task) (executor.Handle, error) {
	h.w.tasksMu.Lock()
	h.w.tasks = append(h.w.tasks, t)
	h.w.tasksMu.Unlock()
	return h.Executor.Start(ctx, t)
}

func (h hinted) Hint(id job.ID, attempt int, event jobsv1.JobEvent) {
	h.w.hints = append(h.w.hints, fmt.Sprint(id, " ", attempt, " ", event))
}

// crash ends the scheduler where it stands; what is not in the store is gone.
func (w *world) crash() {
	if w.stop != nil {
		w.stop()
		w.stop = nil
	}
}

// commands are what jobs do, by the value of their label `do`.
var commands = map[string][]executortest.Step{
	"nothing":  nil,
	"fail":     {executortest.Exit(37)},
	"crash":    {executortest.Kill(syscall.SIGSEGV)},
	"minute":   {executortest.Sleep(time.Minute)},
	"hold":     {executortest.Hold()},
	"stubborn": {executortest.IgnoreTerm(), executortest.Hold()},
	"tell":     {executortest.Progress("100 done")},
	"finish":   {executortest.Progress("0 begun"), executortest.Sleep(time.Minute), executortest.Progress("100 done")},
	"give-up":  {executortest.Progress("7 no further"), executortest.Exit(3)},
	"talk":     {executortest.Progress("40 half way"), executortest.Sleep(time.Minute)},
}

func steps(j *jobsv1.Job) []executortest.Step { return commands[j.GetLabels()["do"]] }

// submit stores a job that does what do says.
func (w *world) submit(owner, do string, change ...func(*jobsv1.Job)) job.ID {
	w.Helper()
	j := &jobsv1.Job{
		Service: "Test", Executor: "local", Labels: map[string]string{"do": do},
		Resources: &jobsv1.Resources{Cpus: 1, MemoryBytes: 1},
	}
	for _, c := range change {
		c(j)
	}
	stored, _, err := w.store.Submit(w.Context(), []*jobsv1.Job{j}, store.SubmitOptions{Owner: owner})
	if err != nil {
		w.Fatal(err)
	}
	id, err := job.ParseID(stored[0].GetId())
	if err != nil {
		w.Fatal(err)
	}
	return id
}

// pass lets fake time pass and everything that is due happen.
func (w *world) pass(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // fake time: a synctest bubble
	synctest.Wait()
}

func (w *world) job(id job.ID) *jobsv1.Job {
	w.Helper()
	j, err := w.store.Get(store.Everyone, id)
	if err != nil {
		w.Fatal(err)
	}
	return j
}

func (w *world) want(id job.ID, state jobsv1.State, reason jobsv1.Reason) *jobsv1.Job {
	w.Helper()
	j := w.job(id)
	if j.GetState() != state || j.GetReason() != reason {
		w.Errorf("job %s is %v %v (%q), want %v %v", id, j.GetState(), j.GetReason(), j.GetMessage(), state, reason)
	}
	return j
}

// waits finds that a job is queued and waits for a reason, by what is stored or what is derived. It
// returns the words.
func (w *world) waits(id job.ID, reason jobsv1.Reason) string {
	w.Helper()
	j := w.job(id)
	r, message := w.s.Why(id, j.GetExecutor())
	if r == noReason {
		r, message = j.GetReason(), j.GetMessage()
	}
	if j.GetState() != queued || r != reason {
		w.Errorf("job %s is %v %v (%q), want %v", id, j.GetState(), r, message, reason)
	}
	return message
}

// wish stores the wish to cancel, as the API does.
func (w *world) wish(id job.ID) {
	w.Helper()
	_, err := w.store.Update(w.Context(), store.Everyone, id, func(r *storev1.Record) error {
		if job.Terminal(r.GetJob().GetState()) {
			return store.ErrUnchanged
		}
		r.Job.CancelTime = timestamppb.Now()
		if r.GetPhase() == storev1.Phase_PHASE_UNSPECIFIED {
			_, err := job.Transition(r.GetJob(), job.Cancelled(r.GetJob(), false))
			return err
		}
		return nil
	})
	if err != nil {
		w.Fatal(err)
	}
}

// began is how often commands of the job really ran.
func (w *world) runs(id job.ID, want int) {
	w.Helper()
	if n := w.engine.Runs(id); n != want {
		w.Errorf("job %s ran %d times, want %d", id, n, want)
	}
}
