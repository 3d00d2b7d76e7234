// Package scheduler brings every accepted job to its end: it decides which
// waiting job starts next, follows each attempt, and stores what became of it.
//
// Its invariant: a job that is not final either waits in a queue here or has
// exactly one goroutine here that follows its attempt. Nothing but the store is
// durable; after a restart the queues and the goroutines are made anew from it. Intent
// is stored before the executor is called, so every start can be asked about again.
//
// One goroutine, Run's, owns the queues and the capacity. It learns of new jobs and of wishes to
// cancel as any other watcher does: a signal says that something changed, the store says what.
package scheduler

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/workdir"
)

// Config is what a Scheduler needs. Fields without a word about zero are required.
type Config struct {
	// Store has the jobs.
	Store *store.Store
	// Engines are the executors by name.
	Engines map[string]Engine
	// Prepare makes an attempt ready to start: folders, inputs, command. A
	// *executor.Failure says what the job fails with.
	Prepare func(ctx context.Context, j *jobsv1.Job, attempt int) (executor.Task, error)
	// Publish puts the results of a job whose attempt succeeded where its owner finds
	// them and answers that folder. It may be called again for the same job and must then do the same.
	Publish func(ctx context.Context, j *jobsv1.Job, attempt int) (folder string, err error)
	// Folders are the jobs' folders, for progress.
	Folders *workdir.Root
	// MaxActivePerOwner bounds the jobs that one owner has on executors at a time. Zero is no bound.
	MaxActivePerOwner int
	// Held answers why no attempt may start at the moment, in words for the owners of
	// waiting jobs, or an empty text. Nil holds nothing. It is asked for each job, so it must be quick.
	Held func() string
	// Wake yields when what Held said no longer holds. Nil never does.
	Wake <-chan struct{}
	// ProgressEvery is how often progress is read. Zero means each second.
	ProgressEvery time.Duration
	// Logger gets one line for each transition. Nil discards them.
	Logger *slog.Logger
}

// Engine is an executor and how much it may have.
type Engine struct {
	// Executor runs the attempts.
	Executor executor.Executor
	// Capacity bounds what it is given.
	Capacity Capacity
}

// Scheduler is made by New and works while Run runs.
type Scheduler struct {
	cfg    Config
	log    *slog.Logger
	ended  chan *run
	runs   sync.WaitGroup
	mu     sync.Mutex // guards what Run's goroutine writes below against readers elsewhere
	lanes  map[string]*lane
	active map[job.ID]*run
	seen   uint64 // revision up to which changes were taken in
	words  words
}

// lane is one executor with its queue.
type lane struct {
	name   string
	engine Engine
	queue  *queue
	used   used
	owners map[string]int // active jobs by owner
	passed map[job.ID]int // how often a blocked first job was overtaken
}

// New checks the configuration. Nothing runs before Run.
func New(cfg Config) (*Scheduler, error) {
	if cfg.Store == nil || cfg.Prepare == nil || cfg.Publish == nil || cfg.Folders == nil || len(cfg.Engines) == 0 {
		return nil, errors.New("scheduler: Store, Engines, Prepare, Publish and Folders are required")
	}
	if cfg.ProgressEvery == 0 {
		cfg.ProgressEvery = time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Scheduler{
		cfg:    cfg,
		log:    cfg.Logger,
		ended:  make(chan *run),
		lanes:  make(map[string]*lane),
		active: make(map[job.ID]*run),
		words:  newWords(),
	}
	for name, e := range cfg.Engines {
		s.lanes[name] = &lane{
			name: name, engine: e, queue: newQueue(),
			owners: make(map[string]int), passed: make(map[job.ID]int),
		}
	}
	return s, nil
}

// Run schedules until ctx ends. Then it detaches from the attempts, which go
// on by themselves, and returns nil once nothing of it runs any more. It is called once.
func (s *Scheduler) Run(ctx context.Context) error {
	sub := s.cfg.Store.Hub().Subscribe(store.KeyAll())
	defer sub.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		s.detach()
	}()
	var delayed delays
	s.load(ctx, &delayed)
	s.runs.Go(func() { s.followProgress(ctx) })
	s.runs.Go(func() { s.words.write(ctx, s) })

	retry := time.NewTimer(time.Hour)
	defer retry.Stop()
	for {
		s.takeDelayed(ctx, &delayed)
		s.place(ctx)
		delayed.arm(retry)
		select {
		case <-ctx.Done():
			return nil
		case <-sub.C():
			s.takeIn(ctx, &delayed)
		case r := <-s.ended:
			s.release(r)
			s.takeInAll(ctx, []job.ID{r.id}, &delayed)
		case <-retry.C:
		case <-s.cfg.Wake:
		}
	}
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

// load takes in every job that is not final.
func (s *Scheduler) load(ctx context.Context, d *delays) {
	s.seen = s.cfg.Store.Revision()
	var found []job.ID
	err := s.cfg.Store.Active(func(r *storev1.Record) bool {
		if id, err := job.ParseID(r.GetJob().GetId()); err == nil {
			found = append(found, id)
		}
		return true
	})
	if err != nil {
		s.log.Error("read the jobs that are not final", "error", err)
	}
	for some := range slices.Chunk(found, intakeBatch) {
		s.takeInAll(ctx, some, d)
	}
}
