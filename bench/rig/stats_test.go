package rig

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		series Series
		want   Spread
	}{
		{Series{5}, Spread{5, 5, 5}},
		{Series{9, 1, 2}, Spread{2, 1, 9}},
		{Series{4, 1, 3, 2}, Spread{2.5, 1, 4}},
	} {
		before := slices.Clone(c.series)
		if diff := cmp.Diff(c.want, c.series.Spread()); diff != "" {
			t.Errorf("%v (-want +got):\n%s", c.series, diff)
		}
		if !slices.Equal(before, c.series) {
			t.Errorf("the rounds of %v were put into another order: %v", before, c.series)
		}
	}
}

func TestQuantile(t *testing.T) {
	var d []time.Duration
	for i := range 101 {
		d = append(d, time.Duration(100-i)*time.Microsecond)
	}
	for q, want := range map[float64]float64{0: 0, 0.5: 50, 0.99: 99, 1: 100} {
		if got := Quantile(d, q); got != want {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	if got := Quantile([]time.Duration{time.Millisecond}, 0.99); got != 1000 {
		t.Errorf("quantile of one is %v", got)
	}
}

// Fake time: two callers, each call 10 ms, so 100 calls end in each of them in a second after the warm-up.
//
//nolint:forbidigo // fake time: a synctest bubble
func TestLoadCountsCallsAfterTheWarmUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		used := time.Duration(0)
		var calls atomic.Int64
		s, err := Load{
			Callers: 2, Duration: time.Second, Weight: 10,
			Processor: func() (time.Duration, error) { used += 500 * time.Millisecond; return used, nil },
			Call: func(context.Context, int) error {
				calls.Add(1)
				time.Sleep(10*time.Millisecond - time.Nanosecond) // so that none ends with the warm-up
				return nil
			},
		}.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if want := (Sample{Rate: 2000, P50: 9999.999, P99: 9999.999, CPU: 250}); !cmp.Equal(want, s) {
			t.Errorf("got %+v, want %+v", s, want)
		}
		if n := calls.Load(); n < 240 {
			t.Errorf("%d calls, of which 200 are counted: there was no warm-up", n)
		}
	})
}

func TestLoadTellsTheErrorThatEndedIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := errors.New("disk full")
		_, err := Load{Callers: 8, Duration: time.Second, Call: func(ctx context.Context, caller int) error {
			if caller == 5 {
				return full
			}
			<-ctx.Done()
			return ctx.Err()
		}}.Run(t.Context())
		if !errors.Is(err, full) {
			t.Errorf("got %v", err)
		}
	})
}

func TestRoundsTakeTurns(t *testing.T) {
	var order []string
	side := func(name string) Side {
		return Side{name, func(context.Context) (Sample, error) {
			order = append(order, name)
			return Sample{Rate: float64(len(order))}, nil
		}}
	}
	got, err := Rounds(t.Context(), 3, side("a"), side("b"), side("c"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "b", "c", "b", "c", "a", "c", "a", "b"}, order); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(Series{1, 6, 8}, Pick(got[0], Rate)); diff != "" {
		t.Errorf("samples of a (-want +got):\n%s", diff)
	}
}

// A row is made of all sides' samples of one run: where one of them fails there are none.
func TestRoundsOfASideThatFails(t *testing.T) {
	broken := errors.New("the limit does not answer")
	ours := Side{"ours", func(context.Context) (Sample, error) { return Sample{Rate: 1}, nil }}
	times := 0
	limit := Side{"the limit", func(context.Context) (Sample, error) {
		if times++; times == 2 {
			return Sample{}, broken
		}
		return Sample{Rate: 2}, nil
	}}
	got, err := Rounds(t.Context(), 3, ours, limit)
	if got != nil || !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "the limit, round 2: ") {
		t.Errorf("Rounds() = %v, %v", got, err)
	}
}
