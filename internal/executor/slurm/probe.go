package slurm

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/stint-jobs/stint/internal/executor/batch"
)

// features are what was found out about a cluster.
type features struct {
	batch.Features
	cluster string
}

// Probe asks the controller what it is, and since when it is there.
func (e *engine) Probe(ctx context.Context) (batch.Features, error) {
	asked := time.Now()
	a := e.run(ctx, batch.Call{Program: "scontrol", Args: []string{"show", "config"}, Timeout: e.cfg.Timeouts.Poll})
	if !a.OK() {
		return batch.Features{}, a.Failure()
	}
	config := parseConfig(a.Stdout)
	for _, key := range []string{"SLURM_VERSION", "AccountingStorageType"} {
		if config[key] == "" {
			return batch.Features{}, fmt.Errorf("scontrol: the configuration has no %s", key)
		}
	}
	f := features{cluster: config["ClusterName"], Features: batch.Features{
		Version: config["SLURM_VERSION"],
		Memory:  parseSeconds(config["MinJobAge"]), MessageTimeout: parseSeconds(config["MessageTimeout"]),
		Accounting: unset(config["AccountingStorageType"]) != "" && !strings.HasSuffix(config["AccountingStorageType"], "/none"),
		Sample:     parseSample(config["JobAcctGatherFrequency"]),
	}}
	e.mu.Lock()
	news := f != e.found
	e.found, e.controller = f, controller{boot: parseTime(config["BOOT_TIME"]), asked: asked}
	e.mu.Unlock()
	if news {
		e.log.Info("slurm found", "version", f.Version, "cluster", f.cluster, "accounting", f.Accounting,
			"min_job_age", f.Memory, "message_timeout", f.MessageTimeout, "remote", len(e.cfg.Remote) > 0)
		if f.Memory > 0 && f.Memory < 3*e.cfg.Pace.Fastest && !f.Accounting {
			e.log.Warn("slurm forgets ended jobs sooner than they are looked for, and has no accounting", "min_job_age", f.Memory)
		}
	}
	return f.Features, nil
}
