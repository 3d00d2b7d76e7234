// Package slurm is what of a cluster is Slurm's own: the words and formats of sbatch, squeue,
// sacct, scancel, scontrol and sacctmgr, and which of their replies are mistakes. What is done about jobs is package batch's.
package slurm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/stint-jobs/stint/internal/executor/batch"
)

// engine is Slurm for package batch.
type engine struct {
	cfg Config
	log *slog.Logger
	run func(ctx context.Context, c batch.Call) batch.Answer // runs Slurm's commands

	mu         sync.Mutex
	found      features
	controller controller // as the latest good probe saw it

	owners *owners
}

var (
	_ batch.Engine  = (*engine)(nil)
	_ batch.Doubter = (*engine)(nil)
)

// New checks the configuration and finds the commands. It calls none of them.
func New(cfg Config) (*batch.Cluster, error) {
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
	return newCluster(cfg, sh.Run)
}

func newCluster(cfg Config, run func(ctx context.Context, c batch.Call) batch.Answer) (*batch.Cluster, error) {
	return batch.New(batch.Config{
		Name: cfg.Name, Folders: cfg.Folders, InstallID: cfg.InstallID, SubmitsInFlight: cfg.SubmitsInFlight,
		Pace: cfg.Pace, Patience: cfg.Patience, Logger: cfg.Logger,
	}, &engine{cfg: cfg, log: cfg.Logger.With("executor", cfg.Name), run: run, owners: newOwners()})
}

// Traits tells how Slurm's jobs are known.
func (e *engine) Traits() batch.Traits {
	return batch.Traits{Title: "Slurm", IDVariable: "SLURM_JOB_ID", NodeVariable: "SLURMD_NODENAME", EndedForMemory: endedForMemory}
}

// endedForMemory knows slurmstepd's own watch, where no cgroup does it, and its note of the kernel's.
func endedForMemory(line string) bool {
	return strings.Contains(line, "exceeded") && strings.Contains(line, "memory limit") || strings.Contains(line, "oom-kill")
}

// Poll is one squeue for all jobs of the user.
func (e *engine) Poll(ctx context.Context) ([]batch.Row, error) {
	mark := batch.NewMark()
	a := e.run(ctx, batch.Call{
		Program: "squeue",
		Args:    []string{"--noheader", "--user=" + e.cfg.User, "--states=all", "--Format=" + queueFormat(mark)},
		Timeout: e.cfg.Timeouts.Poll,
	})
	if !a.OK() {
		return nil, a.Failure()
	}
	rows, err := parseQueue(a.Stdout, mark)
	if err == nil && strings.Contains(a.Stderr, "error:") && (len(rows) == 0 || doubtful(a.Stderr)) {
		return nil, errors.New("squeue: " + a.Words()) // it succeeded with less than there is
	}
	return rows, err
}

// clockSkew is how far the clock of the cluster may be behind ours, and then some.
const clockSkew = time.Hour

// Account is one sacct. Duplicates are wanted, for ids are used again.
func (e *engine) Account(ctx context.Context, q batch.Query) ([]batch.Account, error) {
	mark := batch.NewMark()
	args := []string{
		"--noheader", "--parsable2", "--duplicates", "--noconvert", "--delimiter=" + string(mark),
		"--starttime=" + q.Since.Add(-clockSkew).UTC().Format("2006-01-02T15:04:05"),
		"--format=" + strings.Join(acctFields, ","),
	}
	if len(q.IDs) > 0 {
		args = append(args, "--jobs="+strings.Join(q.IDs, ","))
	} else {
		args = append(args, "--name="+strings.Join(q.Names, ","))
	}
	a := e.run(ctx, batch.Call{Program: "sacct", Args: args, Timeout: e.cfg.Timeouts.Account})
	switch {
	case a.Err == nil && a.Code == 1 && strings.Contains(a.Stderr, "Slurm accounting storage is disabled"):
		return nil, batch.ErrNoAccounting
	case !a.OK():
		return nil, a.Failure()
	case doubtful(a.Stderr):
		return nil, errors.New("sacct: " + a.Words())
	}
	return parseAccounts(a.Stdout, mark)
}

// Cancel is one scancel. The name is always given: by then the id may belong to somebody else.
func (e *engine) Cancel(ctx context.Context, name, id string) error {
	args := []string{"--user=" + e.cfg.User, "--name=" + name}
	if id != "" {
		args = append(args, id)
	}
	if a := e.run(ctx, batch.Call{Program: "scancel", Args: args, Timeout: e.cfg.Timeouts.Cancel}); !a.OK() {
		return a.Failure()
	}
	return nil
}
