package scheduler

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/workdir"
)

// How long to wait before asking an engine again that could not answer, and
// before asking again for a cancellation that has had no effect yet.
const (
	askAgain    = time.Second
	askAgainMax = 30 * time.Second
	cancelAgain = 5 * time.Second
	// startWithin bounds Start and Find: an executor that does not answer is asked again, not waited for.
	startWithin = 2 * time.Minute
)

// run follows one job that is on an executor, or about to be.
type run struct {
	s          *Scheduler
	id         job.ID
	lane       *lane
	attempt    int             // number of the latest attempt; 0 before the first
	gpus       []int32         // indexes of those that its attempt has
	phase      storev1.Phase   // as stored when the run began
	handle     executor.Handle // likewise
	cancelled  chan struct{}   // closed once somebody wishes the job cancelled
	once       sync.Once
	running    atomic.Bool          // whether its command is known to run, so that it may tell of its progress
	progressMu sync.Mutex           // held while progress is read and stored
	said       workdir.Progress     // what its file last told; guarded by progressMu
	told       atomic.Pointer[told] // what it reported and is not stored yet
	started    time.Time            // when it was decided that the attempt starts
	short      *short               // what is known of its wait for memory; nil for nothing
	hinted     [2]atomic.Bool       // whether it was told that the command began, and that it ended

	// Of the follower, and of Run's goroutine once that has ended.
	settled bool  // whether the end of the attempt is stored
	damage  error // why the job cannot be read, and never will be as it is
}

func (r *run) cancel() { r.once.Do(func() { close(r.cancelled) }) }

func (r *run) isCancelled() bool {
	select {
	case <-r.cancelled:
		return true
	default:
		return false
	}
}

// follow brings the job to the end of its attempt, or returns early when ctx
// ends; then the next process takes it up where the store says it is.
func (r *run) follow(ctx context.Context) {
	h, ended := r.handle, (*executor.Exit)(nil)
	if h == "" {
		h, ended = r.obtain(ctx)
	}
	if h != "" {
		ended = r.await(ctx, h)
	}
	if ended != nil {
		r.conclude(ctx, *ended)
	}
}

// obtain gets an attempt onto the executor and answers its handle, or how the
// attempt ended without one. Neither means that ctx ended or that the job is not to be started any more.
func (r *run) obtain(ctx context.Context) (executor.Handle, *executor.Exit) {
	wait := askAgain
	unsure := r.phase == storev1.Phase_PHASE_STARTING
	for ctx.Err() == nil {
		var h executor.Handle
		var err error
		if unsure {
			h, err = r.find(ctx)
		} else {
			h, err = r.start(ctx)
		}
		var failure *executor.Failure
		switch {
		case err == nil:
			r.obtained(ctx, h)
			return h, nil
		case errors.Is(err, errNoStart):
			return "", nil
		case !unsure && errors.As(err, &failure) && failure.Reason == jobsv1.Reason_REASON_DISK_FULL:
			r.update(ctx, r.waitForSpace(failure))
			return "", nil // the job is taken in again after a backoff
		case errors.As(err, &failure):
			return "", &executor.Exit{Reason: failure.Reason, Message: failure.Message, Code: -1}
		case unsure && errors.Is(err, executor.ErrNotFound):
			unsure = !r.update(ctx, voidAttempt)
			if !unsure && !r.lane.gpus.has(r.gpus) {
				return "", nil // the executor has other GPUs than it had, so the job waits for its turn again
			}
		case !unsure && errors.Is(err, executor.ErrUnavailable):
			r.engineAway(ctx, err, &wait, r.cancelled)
		default:
			unsure = true
			r.engineAway(ctx, err, &wait, nil)
		}
	}
	return "", nil
}

// obtained stores the handle, and in the same commit what the executor knows of the attempt by then.
func (r *run) obtained(ctx context.Context, h executor.Handle) {
	var o executor.Observation
	known := false
	if p, ok := r.lane.engine.Executor.(executor.Prompt); ok {
		o, known = p.Started(h)
	}
	stored := r.update(ctx, func(rec *storev1.Record) error {
		rec.Phase, rec.Handle = storev1.Phase_PHASE_STARTED, string(h)
		if j := rec.GetJob(); j.GetReason() == jobsv1.Reason_REASON_WAITING_FOR_SPACE {
			_ = become(j, jobsv1.Reason_REASON_UNSPECIFIED, "Being started.") // the handle is stored in any case
		}
		if known {
			_ = observed(o)(rec) // the handle is stored in any case
		}
		return nil
	})
	if stored && known {
		r.running.Store(o.State == jobsv1.State_STATE_RUNNING)
	}
}

// errNoStart: the job is not to be started any more, or its record says no more how.
var errNoStart = errors.New("not to be started any more")

// job reads the job with its parameters, again and again while it cannot be read. It returns errNoStart
// when ctx ended, when the job is gone, and when its record is damaged.
func (r *run) job(ctx context.Context) (*jobsv1.Job, error) {
	for wait := backoffFirst; ; wait = min(2*wait, backoffMax) {
		j, err := r.s.cfg.Store.Get(store.Everyone, r.id)
		switch {
		case err == nil:
			return j, nil
		case errors.Is(err, job.ErrNotFound), ctx.Err() != nil:
			return nil, errNoStart
		case errors.Is(err, store.ErrDamaged):
			r.damage = err
			return nil, errNoStart
		default:
		}
		r.s.log.Error("read a job; reading it again later", "job", r.id, "error", err)
		if !pause(ctx, wait) {
			return nil, errNoStart
		}
	}
}

// pause waits, and reports whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// find asks the executor whether it has the attempt that may have been started.
func (r *run) find(ctx context.Context) (executor.Handle, error) {
	j, err := r.job(ctx)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	dir := r.s.cfg.Folders.Job(r.id).Attempt(r.attempt)
	return r.lane.engine.Executor.Find(ctx, executor.Task{Job: j, Attempt: r.attempt, Dir: dir})
}

// start stores the intent, prepares the attempt and hands it to the executor.
func (r *run) start(ctx context.Context) (executor.Handle, error) {
	if !r.update(ctx, r.beginAttempt) {
		return "", errNoStart
	}
	j, err := r.job(ctx)
	if err != nil {
		return "", err
	}
	t, err := r.prepare(ctx, j)
	if err != nil {
		return "", err
	}
	if t.InputNote != "" && t.InputNote != j.GetInputNote() && !r.update(ctx, noteInputs(t.InputNote)) {
		return "", errNoStart
	}
	t.GPUs = r.gpus
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	return r.lane.engine.Executor.Start(ctx, t)
}

// await waits for the end of the attempt. nil means that ctx ended before.
func (r *run) await(ctx context.Context, h executor.Handle) *executor.Exit {
	var asker sync.WaitGroup
	over := make(chan struct{})
	asker.Go(func() { r.askToCancel(ctx, h, over) })
	defer asker.Wait()
	defer close(over)
	wait := askAgain
	for {
		exit, err := r.lane.engine.Executor.Wait(ctx, h, func(o executor.Observation) { r.observe(ctx, o) })
		switch {
		case err == nil:
			return &exit
		case errors.Is(err, executor.ErrLost):
			return &executor.Exit{Reason: jobsv1.Reason_REASON_LOST, Code: -1}
		case ctx.Err() != nil:
			return nil
		default:
			r.engineAway(ctx, err, &wait, nil)
		}
	}
}

// askToCancel asks the executor to end the attempt once that is wished, again
// and again until it is over: an engine may lose a request.
func (r *run) askToCancel(ctx context.Context, h executor.Handle, over <-chan struct{}) {
	select {
	case <-r.cancelled:
	case <-over:
		return
	case <-ctx.Done():
		return
	}
	tick := time.NewTicker(cancelAgain)
	defer tick.Stop()
	for {
		if err := r.lane.engine.Executor.Cancel(ctx, h); err != nil && ctx.Err() == nil {
			r.s.log.Warn("ask for a cancellation", "job", r.id, "error", err)
		}
		select {
		case <-tick.C:
		case <-over:
			return
		case <-ctx.Done():
			return
		}
	}
}

// engineAway notes that the engine cannot be asked now and waits a while, or until woken.
func (r *run) engineAway(ctx context.Context, err error, wait *time.Duration, woken <-chan struct{}) {
	r.s.log.Warn("executor cannot be asked", "job", r.id, "executor", r.lane.name, "error", err)
	r.update(ctx, engineAway)
	t := time.NewTimer(*wait)
	defer t.Stop()
	*wait = min(*wait*2, askAgainMax)
	select {
	case <-t.C:
	case <-woken:
	case <-ctx.Done():
	}
}

// update changes the job's record, trying again as long as the store cannot
// save, and reports whether the change was made.
func (r *run) update(ctx context.Context, fn func(*storev1.Record) error) bool {
	for wait := askAgain / 10; ; wait = min(2*wait, askAgainMax) {
		_, err := r.s.cfg.Store.Update(ctx, store.Everyone, r.id, fn)
		switch {
		case err == nil:
			return true
		case errors.Is(err, job.ErrConflict), errors.Is(err, job.ErrNotFound), ctx.Err() != nil:
			return false
		case errors.Is(err, store.ErrDamaged), !errors.Is(err, job.ErrStorage) && !errors.Is(err, job.ErrOverloaded):
			r.s.log.Error("store what became of a job", "job", r.id, "error", err)
			return false // the job is taken in again after a backoff, or put aside
		default:
		}
		r.s.log.Error("store cannot save; trying again", "job", r.id, "error", err)
		if !pause(ctx, wait) {
			return false
		}
	}
}
