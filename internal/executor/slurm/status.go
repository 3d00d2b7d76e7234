package slurm

import (
	"context"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
)

// features are what was found out about the cluster.
type features struct {
	known          bool
	version        string
	cluster        string
	minJobAge      time.Duration
	messageTimeout time.Duration
	accounting     bool
	sample         time.Duration // between two samples of what jobs use
}

// probe finds out what cluster it is, and since when its controller is there. It is tried again with the first poll after each failure.
func (c *Cluster) probe(ctx context.Context) {
	asked := time.Now()
	a := c.run(ctx, call{program: "scontrol", args: []string{"show", "config"}, timeout: c.cfg.Timeouts.Poll})
	if !a.ok() {
		return // the poll that follows fails too and says so
	}
	config := parseConfig(a.stdout)
	f := features{
		known: true, version: config["SLURM_VERSION"], cluster: config["ClusterName"],
		minJobAge: parseSeconds(config["MinJobAge"]), messageTimeout: parseSeconds(config["MessageTimeout"]),
		accounting: config["AccountingStorageType"] != "" && !strings.HasSuffix(config["AccountingStorageType"], "/none"),
		sample:     parseSample(config["JobAcctGatherFrequency"]),
	}
	c.mu.Lock()
	news := f != c.found
	c.found, c.probed = f, controller{boot: parseTime(config["BOOT_TIME"]), asked: asked}
	c.mu.Unlock()
	c.poller.mu.Lock()
	c.poller.longest = f.minJobAge / 3
	c.poller.mu.Unlock()
	c.books.mu.Lock()
	c.books.off = !f.accounting
	c.books.mu.Unlock()
	if news {
		c.log.Info("slurm found", "version", f.version, "cluster", f.cluster, "accounting", f.accounting,
			"min_job_age", f.minJobAge, "message_timeout", f.messageTimeout, "remote", len(c.cfg.Remote) > 0)
		if f.minJobAge > 0 && f.minJobAge < 3*c.cfg.Pace.Fastest && !f.accounting {
			c.log.Warn("slurm forgets ended jobs sooner than they are looked for, and has no accounting", "min_job_age", f.minJobAge)
		}
	}
}

// controller is what is known of when the controller began; known is when it first answered this process.
func (c *Cluster) controller(known time.Time) controller {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := c.probed
	found.known = known
	return found
}

func (c *Cluster) features() features {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.found
}

// patience is the configured one, adjusted to the cluster.
func (c *Cluster) patience() patience {
	p := c.cfg.Patience
	return patience{
		confirm: max(p.Confirm, 2*c.features().messageTimeout),
		settle:  p.Settle, usage: p.Usage, lost: p.Lost, never: p.Never, tries: p.Tries, sample: c.features().sample,
	}
}

// Status answers how the cluster is, as the latest poll found it.
func (c *Cluster) Status() *adminv1.ExecutorStatus {
	_, since := c.poller.now()
	f := c.features()
	c.poller.mu.Lock()
	active, err := len(c.poller.followers), c.poller.lastErr
	c.poller.mu.Unlock()
	s := &adminv1.ExecutorStatus{Name: c.cfg.Name, Healthy: since.IsZero() && f.known, ActiveJobs: int32(active)} //nolint:gosec // bounded by memory
	switch {
	case !since.IsZero():
		s.UnreachableSince = timestamppb.New(since)
		s.Message = "Slurm cannot be reached: " + plain(err.Error())
	case err != nil && !f.known:
		s.Message = "Slurm has not answered yet: " + plain(err.Error())
	case !f.known:
		s.Message = "Slurm has not been asked yet."
	case f.accounting:
		s.Message = "Slurm " + plain(f.version) + " with accounting."
	default:
		s.Message = "Slurm " + plain(f.version) + " without accounting."
	}
	return s
}
