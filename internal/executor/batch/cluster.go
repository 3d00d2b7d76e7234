package batch

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/stint-jobs/stint/internal/executor"
)

// Cluster runs attempts on one cluster with a batch system. It is an executor.Executor and an
// executor.Reporter. Start, Find and Cancel always work; Wait needs Run to be running.
type Cluster struct {
	cfg        Config
	log        *slog.Logger
	engine     Engine
	traits     Traits
	poller     *poller
	accountant *accountant
	submits    chan struct{} // bounds the submissions in flight
	cancels    chan struct{} // bounds the cancellations in flight
	gates      *gates

	mu       sync.Mutex
	starting map[token]chan struct{} // submissions that go on; closed at their end
	ended    map[token]time.Time     // when the last submission ended, for attempts that are followed
	asked    map[token]asked         // when a cancellation was last passed on
	wishes   map[token]bool          // whose cancellation was asked for
	words    map[string]bool         // unknown states that were logged
	found    Features
	known    bool // whether found was ever found
}

var (
	_ executor.Executor = (*Cluster)(nil)
	_ executor.Reporter = (*Cluster)(nil)
	_ executor.Hinter   = (*Cluster)(nil)
)

// New checks the configuration. It asks nothing of the batch system.
func New(cfg Config, e Engine) (*Cluster, error) {
	cfg.setDefaults()
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("executor %q: %w", cfg.Name, err)
	}
	c := &Cluster{
		cfg: cfg, log: cfg.Logger.With("executor", cfg.Name), engine: e, traits: e.Traits(), gates: newGates(cfg.Patience),
		submits: make(chan struct{}, cfg.SubmitsInFlight), cancels: make(chan struct{}, cfg.SubmitsInFlight),
		starting: make(map[token]chan struct{}), ended: make(map[token]time.Time),
		asked: make(map[token]asked), wishes: make(map[token]bool), words: make(map[string]bool),
	}
	c.poller = newPoller(cfg.Pace, cfg.InstallID, e.Poll)
	c.accountant = newAccountant(cfg.Pace, e.Account)
	return c, nil
}

// Run polls the cluster until ctx ends. It is called once.
func (c *Cluster) Run(ctx context.Context) error {
	var accounting sync.WaitGroup
	accounting.Go(func() { c.accountant.run(ctx) })
	defer accounting.Wait()
	return c.poller.run(ctx, c.probe)
}
