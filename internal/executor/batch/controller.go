package batch

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Controller is what the controller of a batch system says of itself.
type Controller struct {
	// Version of the batch system.
	Version string
	// Boot is when the controller started, by its own clock. Zero where it does not say.
	Boot time.Time
	// Ahead is how far the controller's clock is ahead of this machine's, to a second. It is negative where it is behind.
	Ahead time.Duration
	// ClockKnown reports whether the controller told its time.
	ClockKnown bool
}

// Diagnoser is an Engine whose controller can be asked about itself.
type Diagnoser interface {
	// Diagnose asks the controller now.
	Diagnose(ctx context.Context) (Controller, error)
}

// Controller asks the controller about itself, now. A batch system that tells nothing is errors.ErrUnsupported.
func (c *Cluster) Controller(ctx context.Context) (Controller, error) {
	d, ok := c.engine.(Diagnoser)
	if !ok {
		return Controller{}, fmt.Errorf("ask the controller: %w", errors.ErrUnsupported)
	}
	return d.Diagnose(ctx)
}
