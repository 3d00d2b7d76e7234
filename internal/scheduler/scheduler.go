// Package scheduler brings every accepted job to its end: it decides which
// waiting job starts next, follows each attempt, and stores what became of it.
//
// Its invariant: a job that is not final either waits here, in a queue or for a time, or has
// exactly one goroutine here that follows its attempt. That holds after any error, too: what could
// not be read waits for a backoff and is read again. Two kinds of jobs do neither: those whose
// records cannot be decoded are quarantined until the records change, and those of an executor that
// this server does not have wait for a server that has it. Nothing but the store is durable; after
// a restart the queues and the goroutines are made anew from it. Intent is stored before the
// executor is called, so every start can be asked about again.
//
// Package policy decides which job starts next and says why another does not; nothing of that is
// stored.
//
// One goroutine, Run's, owns the queues and the capacity. It learns of new jobs and of wishes to
// cancel as any other watcher does: a signal says that something changed, the store says what.
package scheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/estimate"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/scheduler/policy"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/workdir"
)

// Config is what a Scheduler needs. Fields without a word about zero are required.
type Config struct {
	// Store has the jobs.
	Store Jobs
	// Engines are the executors by name.
	Engines map[string]Engine
	// Prepare makes an attempt ready to start: folders, inputs, command. A
	// *executor.Failure says what the job fails with, or with the reason DISK_FULL what it waits for. Meanwhile it may call
	// tell with words for the user on what takes so long.
	Prepare func(ctx context.Context, j *jobsv1.Job, attempt int, tell func(message string)) (executor.Task, error)
	// Release is called once the attempt of a job has ended and its end is stored, and gives back what Prepare took. Nil does nothing.
	Release func(j *jobsv1.Job, attempt int)
	// Publish puts the results of a job whose attempt succeeded where its owner finds
	// them and returns that folder, and what its owner should know of them in a note, which may be empty. It may be called
	// again for the same job and must then do the same. Meanwhile it may call tell with words for the user on what takes so long.
	Publish func(ctx context.Context, j *jobsv1.Job, attempt int, tell func(message string)) (folder, note string, err error)
	// Folders are the jobs' folders, for progress.
	Folders *workdir.Root
	// MaxActivePerOwner bounds the jobs that one owner has on executors at a time. Zero is no bound.
	MaxActivePerOwner int
	// Shares are what owners should have of the executors. Nil is the same for all.
	Shares map[string]policy.Share
	// Groups are the weights of groups of owners. Nil is the same for all.
	Groups map[string]float64
	// Held returns why no attempt may start at the moment, in words for the owners of
	// waiting jobs, or an empty text. Nil holds nothing. It is asked for each job, so it must be quick.
	Held func() string
	// Wake yields when what Held said no longer holds. Nil never does.
	Wake <-chan struct{}
	// ProgressEvery is how often progress is read. Zero means each second.
	ProgressEvery time.Duration
	// History has what was learned of how long jobs take. What completes is added. Nil starts with an
	// empty one.
	History *estimate.History
	// Maximum returns the most memory and time that jobs of a service may have; nil, like a field that
	// is not set, is no bound. A nil function bounds nothing. It must be quick.
	Maximum func(service string) *jobsv1.Resources
	// OnDecision gets the processor time of each decision what starts next. It must be quick. Nil
	// measures nothing.
	OnDecision func(time.Duration)
	// Logger gets one line for each transition. Nil discards them.
	Logger *slog.Logger
}

// Engine is an executor and how much it may have.
type Engine struct {
	// Executor runs the attempts.
	Executor executor.Executor
	// Capacity bounds what it is given.
	Capacity Capacity
	// GPUs are the indexes of its graphics processors, which are handed out to jobs that ask for
	// some. Empty is for an executor that hands them out itself, or has none. Capacity names as many.
	GPUs []int32
}

// Scheduler is made by New and works while Run runs.
type Scheduler struct {
	cfg    Config
	begun  time.Time
	log    *slog.Logger
	ended  chan *run
	runs   sync.WaitGroup
	mu     sync.Mutex // guards what Run's goroutine writes below against readers elsewhere
	lanes  map[string]*lane
	active map[job.ID]*run
	policy *policy.Policy

	quarantine map[job.ID]error // jobs whose records cannot be decoded, and why

	// Of Run's goroutine alone.
	released   uint64            // how often an attempt gave back what it held
	short      map[job.ID]*short // waiting jobs that were next in order and lacked memory
	seen       uint64            // revision up to which changes were taken in
	delays     delays
	unreadable time.Time // since when no job can be read; zero while they can
	fatal      error     // ends Run
}

// lane is one executor.
type lane struct {
	name        string
	engine      Engine
	gpus        *gpus // guarded by the scheduler's mu
	outlook     outlook
	preview     sync.Mutex // held during a forecast for a job that is not submitted
	nextPreview time.Time  // the earliest time of the next one; guarded by preview
	arrivals    []arrival  // the latest jobs, oldest first; guarded by the scheduler's mu
	newest      job.ID     // that has arrived; likewise
}

// New checks the configuration. Nothing runs before Run.
func New(cfg Config) (*Scheduler, error) {
	if cfg.Store == nil || cfg.Prepare == nil || cfg.Publish == nil || cfg.Folders == nil || len(cfg.Engines) == 0 {
		return nil, errors.New("scheduler: Store, Engines, Prepare, Publish and Folders are required")
	}
	if cfg.History == nil {
		cfg.History = &estimate.History{}
	}
	if cfg.ProgressEvery == 0 {
		cfg.ProgressEvery = time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Scheduler{
		cfg:    cfg,
		begun:  time.Now(),
		log:    cfg.Logger,
		ended:  make(chan *run),
		lanes:  make(map[string]*lane),
		active: make(map[job.ID]*run),
		delays: newDelays(), quarantine: make(map[job.ID]error), short: make(map[job.ID]*short),
	}
	capacities := make(map[string]policy.Resources, len(cfg.Engines))
	for name, e := range cfg.Engines {
		if n := len(e.GPUs); n > 0 && e.Capacity[policy.GPUs] != int64(n) {
			return nil, fmt.Errorf("scheduler: executor %s has %d GPUs, and its capacity says %d", name, n, e.Capacity[policy.GPUs])
		}
		s.lanes[name], capacities[name] = &lane{name: name, engine: e, gpus: newGPUs(e.GPUs)}, e.Capacity
	}
	s.policy = policy.New(policy.Config{
		Executors: capacities, MaxActivePerOwner: cfg.MaxActivePerOwner, Shares: cfg.Shares, Groups: cfg.Groups,
	})
	return s, nil
}

// Run schedules until ctx ends. Then it detaches from the attempts, which go
// on by themselves, and returns nil once nothing of it runs any more. It returns an
// error, likewise detached, when the store cannot be read for minutes. It is called once.
func (s *Scheduler) Run(ctx context.Context) error {
	sub := s.cfg.Store.Hub().Subscribe(store.KeyAll())
	defer sub.Close()
	ctx, cancel := context.WithCancel(store.Internal(ctx))
	defer func() {
		cancel()
		s.detach()
	}()
	s.load(ctx)
	s.runs.Go(func() { s.followProgress(ctx) })

	retry := time.NewTimer(time.Hour)
	defer retry.Stop()
	for s.fatal == nil {
		s.takeDelayed(ctx)
		s.place(ctx)
		s.delays.arm(retry)
		select {
		case <-ctx.Done():
			return nil
		case <-sub.C():
			s.takeIn(ctx)
		case r := <-s.ended:
			s.concluded(ctx, r)
		case <-retry.C:
		case <-s.cfg.Wake:
		}
	}
	return s.fatal
}

// detach waits for the followers, whose context has ended.
func (s *Scheduler) detach() {
	done := make(chan struct{})
	go func() {
		s.runs.Wait()
		close(done)
	}()
	for {
		select {
		case <-s.ended:
		case <-done:
			return
		}
	}
}
