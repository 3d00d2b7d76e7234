package slurm

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/stint-jobs/stint/internal/executor"
)

// Cluster runs attempts on one Slurm cluster. It is an executor.Executor and an
// executor.Reporter. Start, Find and Cancel always work; Wait needs Run to be running.
type Cluster struct {
	cfg     Config
	log     *slog.Logger
	run     func(ctx context.Context, c call) answer // runs Slurm's commands
	poller  *poller
	books   *accountant
	submits chan struct{} // bounds the sbatch in flight
	cancels chan struct{} // bounds the scancel in flight

	mu       sync.Mutex
	starting map[token]chan struct{} // sbatch goes on for these; closed at its end
	ended    map[token]time.Time     // when sbatch last ended, for attempts that are followed
	asked    map[token]asked         // when scancel was last called
	wishes   map[token]bool          // whose cancellation was asked for
	words    map[string]bool         // unknown states that were logged
	found    features
	probed   controller // as the probe that found the features saw it
}

var (
	_ executor.Executor = (*Cluster)(nil)
	_ executor.Reporter = (*Cluster)(nil)
	_ executor.Hinter   = (*Cluster)(nil)
)

// New checks the configuration and finds the commands. It calls none of them.
func New(cfg Config) (*Cluster, error) {
	cfg.setDefaults()
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("slurm executor %q: %w", cfg.Name, err)
	}
	if cfg.User == "" {
		name, err := ownUser()
		if err != nil {
			return nil, fmt.Errorf("slurm executor %q: %w", cfg.Name, err)
		}
		cfg.User = name
	}
	sh, err := cfg.shell()
	if err != nil {
		return nil, fmt.Errorf("slurm executor %q: %w", cfg.Name, err)
	}
	return newCluster(cfg, sh.run), nil
}

func newCluster(cfg Config, run func(ctx context.Context, c call) answer) *Cluster {
	c := &Cluster{
		cfg: cfg, log: cfg.Logger.With("executor", cfg.Name), run: run,
		submits: make(chan struct{}, cfg.SubmitsInFlight), cancels: make(chan struct{}, cfg.SubmitsInFlight),
		starting: make(map[token]chan struct{}), ended: make(map[token]time.Time),
		asked: make(map[token]asked), wishes: make(map[token]bool), words: make(map[string]bool),
	}
	c.poller = newPoller(cfg.Pace, cfg.InstallID, c.poll)
	c.books = newAccountant(cfg.Pace, c.account)
	return c
}

// Run polls the cluster until ctx ends. It is called once.
func (c *Cluster) Run(ctx context.Context) error {
	var books sync.WaitGroup
	books.Go(func() { c.books.run(ctx) })
	defer books.Wait()
	return c.poller.run(ctx, c.probe)
}
