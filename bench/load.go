package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// load is a closed loop: so many callers, each with its next call as soon as the one before is answered.
type load struct {
	callers  int
	duration time.Duration
	weight   int      // operations a call; 0 means 1
	server   *process // whose processor time is counted; nil means nobody's
	call     func(ctx context.Context, caller int) error
}

// callTimeout bounds one call, so that a stuck server ends the measurement.
const callTimeout = 20 * time.Second

// run makes the calls for a fifth of the duration to warm up and then counts those that end in it.
func (l load) run(ctx context.Context) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, l.duration+l.duration/5+callTimeout)
	defer cancel()
	warm := time.Now().Add(l.duration / 5)
	end := warm.Add(l.duration)
	times, errs := make([][]time.Duration, l.callers), make([]error, l.callers)
	var wg sync.WaitGroup
	for i := range l.callers {
		wg.Go(func() {
			if times[i], errs[i] = l.loop(ctx, i, warm, end); errs[i] != nil {
				cancel() // one failed call makes the figure worthless
			}
		})
	}
	before, errBefore := l.processorAt(ctx, warm)
	after, errAfter := l.processorAt(ctx, end)
	wg.Wait()
	if err := errors.Join(firstOf(errs), errBefore, errAfter); err != nil {
		return sample{}, err
	}
	var all []time.Duration
	for _, t := range times {
		all = append(all, t...)
	}
	if len(all) == 0 {
		return sample{}, errors.New("no call ended in time")
	}
	n := float64(len(all) * max(1, l.weight))
	return sample{
		rate: n / l.duration.Seconds(), p50: quantile(all, 0.5), p99: quantile(all, 0.99),
		cpu: float64((after - before).Microseconds()) / n,
	}, nil
}

func (l load) loop(ctx context.Context, caller int, warm, end time.Time) ([]time.Duration, error) {
	var took []time.Duration
	for {
		begin := time.Now()
		if begin.After(end) {
			return took, nil
		}
		if err := l.call(ctx, caller); err != nil {
			return nil, fmt.Errorf("call: %w", err)
		}
		if now := time.Now(); now.After(warm) && now.Before(end) {
			took = append(took, now.Sub(begin))
		}
	}
}

// processorAt reads the server's processor time at a time.
func (l load) processorAt(ctx context.Context, at time.Time) (time.Duration, error) {
	if err := wait(ctx, time.Until(at)); err != nil {
		return 0, err
	}
	if l.server == nil {
		return 0, nil
	}
	return l.server.processor()
}

// wait waits for a time that is part of a measurement.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// firstOf is the first error that is not the echo of another.
func firstOf(errs []error) (first error) {
	for _, err := range errs {
		if err != nil && (first == nil || errors.Is(first, context.Canceled)) {
			first = err
		}
	}
	return first
}

// side is one of those that take turns.
type side struct {
	name string
	run  func(ctx context.Context) (sample, error)
}

// rounds lets the sides take turns and answers their samples in the order of the sides.
func rounds(ctx context.Context, n int, sides ...side) ([][]sample, error) {
	all := make([][]sample, len(sides))
	for r := range n {
		for k := range sides {
			// The order turns, so that no side always comes behind the same one.
			i := (k + r) % len(sides)
			s, err := sides[i].run(ctx)
			if err != nil {
				return nil, fmt.Errorf("%s, round %d: %w", sides[i].name, r+1, err)
			}
			all[i] = append(all[i], s)
		}
	}
	return all, nil
}
