package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/stint-jobs/stint/bench/rig"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/scheduler/policy"
)

const (
	// queuedJobs wait in row 21, of queuedOwners or of one.
	queuedJobs   = 100_000
	queuedOwners = 1000
	// fewQueued is the queue that one of queuedJobs is compared with where all are cancelled.
	fewQueued = 10_000
)

// kinds are what jobs mostly ask for: the defaults of a few services.
var kinds = []policy.Job{
	{Need: policy.Resources{policy.CPUs: 1, policy.Memory: 2 << 30}, Limit: time.Hour},
	{Need: policy.Resources{policy.CPUs: 4, policy.Memory: 8 << 30}, Limit: 6 * time.Hour},
	{Need: policy.Resources{policy.CPUs: 8, policy.Memory: 64 << 30}, Limit: 24 * time.Hour},
	{Need: policy.Resources{policy.CPUs: 2, policy.Memory: 4 << 30}},
	{Need: policy.Resources{policy.CPUs: 16, policy.Memory: 32 << 30, policy.GPUs: 1}, Limit: 48 * time.Hour},
}

// machine is the policy of one executor with jobs that wait for it.
type machine struct {
	p       *policy.Policy
	owners  int
	last    job.ID
	now     time.Time
	running []job.ID
}

func newMachine(jobs, owners int) *machine {
	m := &machine{owners: owners, now: time.Unix(1_800_000_000, 0), p: policy.New(policy.Config{
		Executors: map[string]policy.Resources{"a": {policy.CPUs: 128, policy.Memory: 512 << 30, policy.GPUs: 4}},
	})}
	m.come(jobs)
	m.place()
	return m
}

// come adds jobs, in turns of their owners.
func (m *machine) come(n int) {
	for range n {
		m.last++
		j := kinds[m.last%job.ID(len(kinds))]
		j.ID, j.Owner = m.last, fmt.Sprint("u", m.last%job.ID(m.owners)) //nolint:gosec // small
		m.p.Add("a", j)
	}
}

// place starts what may start, and returns how many that were.
func (m *machine) place() (n int) {
	for {
		d := m.p.Next("a", m.now)
		if d.Start == 0 {
			return n
		}
		m.p.Start(d.Start, m.now)
		m.running = append(m.running, d.Start)
		n++
	}
}

// starts measures starts with all that belongs to one: a job ends, those that fit are found and
// start, and as many come as left.
func (m *machine) starts(ctx context.Context, d time.Duration) (rig.Sample, error) {
	var times []time.Duration
	began := time.Now()
	started := 0
	for begin := began; begin.Sub(began) < d; {
		if err := ctx.Err(); err != nil {
			return rig.Sample{}, err
		}
		m.now = m.now.Add(time.Second)
		m.p.Remove(m.running[0])
		m.running = m.running[1:]
		n := m.place()
		if n == 0 {
			if len(m.running) == 0 {
				return rig.Sample{}, errors.New("nothing starts on an idle machine")
			}
			continue // its time counts for the next start
		}
		m.come(n)
		started += n
		end := time.Now()
		times = append(times, end.Sub(begin)/time.Duration(n))
		begin = end
	}
	slices.Sort(times)
	took := time.Since(began)
	us := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
	return rig.Sample{
		Rate: float64(started) / took.Seconds(), P50: us(times[len(times)/2]), P99: us(times[len(times)*99/100]), CPU: us(took) / float64(started),
	}, nil
}

// cancelAll measures how long it takes a job to leave, the one that came last first, until none waits.
func cancelAll(ctx context.Context, jobs int) (rig.Sample, error) {
	m := newMachine(jobs, 1)
	begin := time.Now()
	for id := m.last; id > 0; id-- {
		m.p.Remove(id)
	}
	took := time.Since(begin)
	if left := len(m.p.Waiting()); left > 0 {
		return rig.Sample{}, fmt.Errorf("%d jobs still wait", left)
	}
	us := float64(took.Nanoseconds()) / 1e3 / float64(jobs)
	return rig.Sample{Rate: 1e6 / us, P50: us, P99: us, CPU: us}, ctx.Err()
}

// decisions measures row 21: in the policy alone, which is what a start costs more where many wait.
func decisions(ctx context.Context, l *lab) ([]result, error) {
	many, one := newMachine(queuedJobs, queuedOwners), newMachine(queuedJobs, 1)
	got, err := rig.Rounds(ctx, l.rounds,
		rig.Side{Name: "1,000 owners", Run: func(ctx context.Context) (rig.Sample, error) { return many.starts(ctx, l.duration) }},
		rig.Side{Name: "one owner", Run: func(ctx context.Context) (rig.Sample, error) { return one.starts(ctx, l.duration) }},
		rig.Side{Name: "cancel 10,000", Run: func(ctx context.Context) (rig.Sample, error) { return cancelAll(ctx, fewQueued) }},
		rig.Side{Name: "cancel 100,000", Run: func(ctx context.Context) (rig.Sample, error) { return cancelAll(ctx, queuedJobs) }})
	if err != nil {
		return nil, err
	}
	mean := func(side int) rig.Series { return rig.Pick(got[side], rig.CPU) }
	ms := make(rig.Series, l.rounds)
	unit := make(rig.Series, l.rounds)
	for i, us := range mean(0) {
		ms[i], unit[i] = us/1e3, 1
	}
	p99 := func(s rig.Sample) float64 { return s.P99 }
	return []result{
		ratio("21a", ms, unit, figureOf("a start, 1,000 owners", "us", mean(0)), figureOf("its p99", "us", rig.Pick(got[0], p99))),
		ratio("21b", mean(1), mean(0), figureOf("a start, one owner", "us", mean(1)), figureOf("its p99", "us", rig.Pick(got[1], p99))),
		ratio("21c", mean(3), mean(2), figureOf("a cancel of 100,000", "us", mean(3)), figureOf("a cancel of 10,000", "us", mean(2))),
	}, nil
}
