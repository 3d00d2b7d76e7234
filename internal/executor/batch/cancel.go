package batch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/stint-jobs/stint/internal/executor"
)

// asked is when a cancellation was last passed on for an attempt, and when it helps to call it again.
type asked struct {
	times int
	next  time.Time
}

// Between two requests to cancel one attempt: an answer proves nothing, but a
// busy controller is not helped by more of them.
const (
	cancelAgain    = 5 * time.Second
	cancelAgainMax = time.Minute
)

// Cancel notes the wish durably and asks the batch system to end the job. When the cluster does
// not have it yet, Wait remembers the wish.
func (c *Cluster) Cancel(ctx context.Context, h executor.Handle) error {
	tok, dir, err := c.attempt(h)
	if err != nil {
		return fmt.Errorf("cancel %s: %w", h, err)
	}
	if _, over := readEnd(dir); over || !dir.Exists() {
		return nil
	}
	if err := dir.Mark(wishName); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("cancel %s: %w", tok, err)
	}
	c.wish(tok)
	s, _ := readSubmission(dir)
	id := s.ID
	v, _ := c.poller.now()
	for _, r := range v.rows[tok.String()] {
		if !r.Phase.Terminal() {
			id = r.ID
		}
	}
	if !c.mayAsk(tok) {
		return nil
	}
	if err := c.cancel(ctx, tok, id); err != nil {
		return fmt.Errorf("cancel %s: %w", tok, err)
	}
	return nil
}

// wish notes in memory what wishName notes on disk.
func (c *Cluster) wish(tok token) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wishes[tok] = true
}

func (c *Cluster) wished(tok token) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wishes[tok]
}

// mayAsk paces the cancellations passed on for one attempt.
func (c *Cluster) mayAsk(tok token) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.asked[tok]
	now := time.Now()
	if now.Before(a.next) {
		return false
	}
	a.next = now.Add(min(cancelAgain<<min(a.times, 10), cancelAgainMax) - cancelAgain/10)
	a.times++
	c.asked[tok] = a
	return true
}

// cancel asks the batch system to end the jobs of an attempt. The name is always given:
// by then the id may belong to somebody else.
func (c *Cluster) cancel(ctx context.Context, tok token, id string) error {
	select {
	case c.cancels <- struct{}{}:
		defer func() { <-c.cancels }()
	case <-ctx.Done():
		return ctx.Err()
	}
	defer c.poller.hasten()
	return c.engine.Cancel(ctx, tok.String(), id)
}
