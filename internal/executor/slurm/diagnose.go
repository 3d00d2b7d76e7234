package slurm

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/stint-jobs/stint/internal/executor/batch"
)

// configHead is how `scontrol show config` begins; the controller's time follows.
const configHead = "Configuration data as of "

// Diagnose asks the controller now.
func (e *engine) Diagnose(ctx context.Context) (batch.Controller, error) {
	before := time.Now()
	a := e.run(ctx, batch.Call{Program: "scontrol", Args: []string{"show", "config"}, Timeout: e.cfg.Timeouts.Poll})
	if !a.OK() {
		return batch.Controller{}, fmt.Errorf("ask the controller: %w", a.Failure())
	}
	return parseDiagnosis(a.Stdout, before, time.Now()), nil
}

// parseDiagnosis reads what the controller said between two times of this machine. Its own time has no fractions of a second.
func parseDiagnosis(out string, before, after time.Time) batch.Controller {
	config := parseConfig(out)
	c := batch.Controller{Version: config["SLURM_VERSION"], Boot: parseTime(config["BOOT_TIME"])}
	first, _, _ := strings.Cut(out, "\n")
	text, ok := strings.CutPrefix(first, configHead)
	at := parseTime(strings.TrimSpace(text))
	if !ok || at.IsZero() {
		return c
	}
	c.ClockKnown = true
	switch {
	case at.After(after):
		c.Ahead = at.Sub(after).Round(time.Second)
	case at.Add(time.Second).Before(before):
		c.Ahead = at.Add(time.Second).Sub(before).Round(time.Second)
	}
	return c
}
