package batch

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
)

// probe finds out what cluster it is. It is tried again with the first poll after each failure.
func (c *Cluster) probe(ctx context.Context) {
	f, err := c.engine.Probe(ctx)
	if err != nil {
		return // the poll that follows fails too and says so
	}
	c.mu.Lock()
	c.found, c.known = f, true
	c.mu.Unlock()
	c.poller.mu.Lock()
	c.poller.longest = f.Memory / 3
	c.poller.mu.Unlock()
	c.accountant.mu.Lock()
	c.accountant.off = !f.Accounting
	c.accountant.mu.Unlock()
}

// features are what the latest good probe found; the second result is false before the first.
func (c *Cluster) features() (Features, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.found, c.known
}

// patience is the configured one, adjusted to the cluster.
func (c *Cluster) patience() patience {
	p := c.cfg.Patience
	found, _ := c.features()
	return patience{
		confirm: max(p.Confirm, 2*found.MessageTimeout),
		settle:  p.Settle, usage: p.Usage, lost: p.Lost, never: p.Never, tries: p.Tries, sample: found.Sample,
	}
}

// Status returns how the cluster is, as the latest poll found it.
func (c *Cluster) Status() *adminv1.ExecutorStatus {
	_, since := c.poller.now()
	f, known := c.features()
	c.poller.mu.Lock()
	active, err := len(c.poller.followers), c.poller.lastErr
	c.poller.mu.Unlock()
	s := &adminv1.ExecutorStatus{Name: c.cfg.Name, Healthy: since.IsZero() && known, ActiveJobs: int32(active)} //nolint:gosec // bounded by memory
	switch {
	case !since.IsZero():
		s.UnreachableSince = timestamppb.New(since)
		s.Message = c.traits.Title + " cannot be reached: " + Plain(err.Error())
	case err != nil && !known:
		s.Message = c.traits.Title + " has not answered yet: " + Plain(err.Error())
	case !known:
		s.Message = c.traits.Title + " has not been asked yet."
	case f.Accounting:
		s.Message = c.traits.Title + " " + Plain(f.Version) + " with accounting."
	default:
		s.Message = c.traits.Title + " " + Plain(f.Version) + " without accounting."
	}
	return s
}
