package rig

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Load is a closed loop: so many callers, each with its next call as soon as the one before is answered.
type Load struct {
	Callers  int
	Duration time.Duration
	Weight   int // operations a call; 0 means 1
	// Processor reads the processor time that is charged to the calls, such as that of a Process; nil means nobody's.
	Processor func() (time.Duration, error)
	// Call makes one call for a caller, who are numbered from 0. It is called by all of them at once.
	Call func(ctx context.Context, caller int) error
}

// CallTimeout bounds one call, so that a stuck server ends the measurement.
const CallTimeout = 20 * time.Second

// Run makes the calls for a fifth of the duration to warm up and then counts those that end in it.
func (l Load) Run(ctx context.Context) (Sample, error) {
	ctx, cancel := context.WithTimeout(ctx, l.Duration+l.Duration/5+CallTimeout)
	defer cancel()
	warm := time.Now().Add(l.Duration / 5)
	end := warm.Add(l.Duration)
	times, errs := make([][]time.Duration, l.Callers), make([]error, l.Callers)
	var wg sync.WaitGroup
	for i := range l.Callers {
		wg.Go(func() {
			if times[i], errs[i] = l.loop(ctx, i, warm, end); errs[i] != nil {
				cancel() // one failed call makes the figure worthless
			}
		})
	}
	before, errBefore := l.processorAt(ctx, warm)
	after, errAfter := l.processorAt(ctx, end)
	wg.Wait()
	if err := errors.Join(FirstOf(errs), errBefore, errAfter); err != nil {
		return Sample{}, err
	}
	var all []time.Duration
	for _, t := range times {
		all = append(all, t...)
	}
	if len(all) == 0 {
		return Sample{}, errors.New("no call ended in time")
	}
	n := float64(len(all) * max(1, l.Weight))
	return Sample{
		Rate: n / l.Duration.Seconds(), P50: Quantile(all, 0.5), P99: Quantile(all, 0.99),
		CPU: float64((after - before).Microseconds()) / n,
	}, nil
}

func (l Load) loop(ctx context.Context, caller int, warm, end time.Time) ([]time.Duration, error) {
	var took []time.Duration
	for {
		begin := time.Now()
		if begin.After(end) {
			return took, nil
		}
		if err := l.Call(ctx, caller); err != nil {
			return nil, fmt.Errorf("call: %w", err)
		}
		if now := time.Now(); now.After(warm) && now.Before(end) {
			took = append(took, now.Sub(begin))
		}
	}
}

// processorAt reads the charged processor time at a time.
func (l Load) processorAt(ctx context.Context, at time.Time) (time.Duration, error) {
	if err := Wait(ctx, time.Until(at)); err != nil {
		return 0, err
	}
	if l.Processor == nil {
		return 0, nil
	}
	return l.Processor()
}

// Wait waits for a time that is part of a measurement, or until the context ends, whose error it answers.
func Wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// FirstOf is the first error that is not the echo of another.
func FirstOf(errs []error) (first error) {
	for _, err := range errs {
		if err != nil && (first == nil || errors.Is(first, context.Canceled)) {
			first = err
		}
	}
	return first
}

// Side is one of those that take turns.
type Side struct {
	Name string
	Run  func(ctx context.Context) (Sample, error)
}

// Rounds lets the sides take turns and answers their samples in the order of the sides.
func Rounds(ctx context.Context, n int, sides ...Side) ([][]Sample, error) {
	all := make([][]Sample, len(sides))
	for r := range n {
		for k := range sides {
			// The order turns, so that no side always comes behind the same one.
			i := (k + r) % len(sides)
			s, err := sides[i].Run(ctx)
			if err != nil {
				return nil, fmt.Errorf("%s, round %d: %w", sides[i].Name, r+1, err)
			}
			all[i] = append(all[i], s)
		}
	}
	return all, nil
}
