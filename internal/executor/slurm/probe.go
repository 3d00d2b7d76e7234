package slurm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Probe is what a controller says of itself.
type Probe struct {
	// Version of Slurm.
	Version string
	// Boot is when the controller started, by its own clock. Zero where it does not say.
	Boot time.Time
	// Ahead is how far the controller's clock is ahead of this machine's, to a second. It is negative where it is behind.
	Ahead time.Duration
	// ClockKnown reports whether the controller told its time.
	ClockKnown bool
}

// configHead is how `scontrol show config` begins; the controller's time follows.
const configHead = "Configuration data as of "

// Probe asks the controller now.
func (c *Cluster) Probe(ctx context.Context) (Probe, error) {
	before := time.Now()
	a := c.run(ctx, call{program: "scontrol", args: []string{"show", "config"}, timeout: c.cfg.Timeouts.Poll})
	if !a.ok() {
		return Probe{}, fmt.Errorf("ask the controller: %w", errors.New(plain(a.failure("scontrol").Error())))
	}
	return parseProbe(a.stdout, before, time.Now()), nil
}

// parseProbe reads what the controller said between two times of this machine. Its own time has no fractions of a second.
func parseProbe(out string, before, after time.Time) Probe {
	config := parseConfig(out)
	p := Probe{Version: plain(config["SLURM_VERSION"]), Boot: parseTime(config["BOOT_TIME"])}
	first, _, _ := strings.Cut(out, "\n")
	text, ok := strings.CutPrefix(first, configHead)
	at := parseTime(strings.TrimSpace(text))
	if !ok || at.IsZero() {
		return p
	}
	p.ClockKnown = true
	switch {
	case at.After(after):
		p.Ahead = at.Sub(after).Round(time.Second)
	case at.Add(time.Second).Before(before):
		p.Ahead = at.Add(time.Second).Sub(before).Round(time.Second)
	}
	return p
}
