package batch

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/job"
)

// Orphan is a job on the cluster of this installation that nobody here knows of.
type Orphan = executor.Orphan

var _ executor.OrphanFinder = (*Cluster)(nil)

// Orphans asks the cluster for the jobs of this installation that are not over
// and returns those that known does not know, in the order of their ids. Nothing is done about them.
func (c *Cluster) Orphans(ctx context.Context, known func(id job.ID, attempt int) bool) ([]Orphan, error) {
	v, err := c.poller.next(ctx)
	if err != nil {
		return nil, fmt.Errorf("look for orphans: %w", err)
	}
	var all []Orphan
	for name, rows := range v.rows {
		tok, err := parseToken(c.cfg.InstallID, name)
		for _, r := range rows {
			if r.Phase.Terminal() || err == nil && known(tok.job, tok.attempt) {
				continue
			}
			all = append(all, Orphan{
				Handle: executor.Handle(name), EngineID: r.ID, Job: tok.job, Attempt: tok.attempt,
				State: r.State, Node: r.Node, SubmitTime: r.Submit,
			})
		}
	}
	slices.SortFunc(all, func(a, b Orphan) int {
		x, _ := strconv.ParseUint(a.EngineID, 10, 64)
		y, _ := strconv.ParseUint(b.EngineID, 10, 64)
		return cmp.Compare(x, y)
	})
	return all, nil
}

// CancelOrphan asks the cluster to end an orphan.
func (c *Cluster) CancelOrphan(ctx context.Context, o Orphan) error {
	tok, err := parseToken(c.cfg.InstallID, string(o.Handle))
	if err != nil {
		return fmt.Errorf("cancel an orphan: %w", err)
	}
	if err := c.cancel(ctx, tok, o.EngineID); err != nil {
		return fmt.Errorf("cancel orphan %s: %w", tok, err)
	}
	return nil
}
