package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	"github.com/stint-jobs/stint/bench/rig"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

const (
	// fanOuts is how many changes a side spreads in a round.
	fanOuts = 8
	// between is left between two changes: a watcher of an owner reads at most every 200 ms, so that a burst is one reading.
	between = 260 * time.Millisecond
	// besideRounds is how many times more rounds the row has whose gate is nearest to what single rounds differ by.
	besideRounds = 3
)

func (l *lab) dialer(s *rig.Process, token string) func(int) (rig.Clients, error) {
	return func(n int) (rig.Clients, error) { return rig.Dial(s.Address, token, n) }
}

// fanOut measures row 8.
func fanOut(ctx context.Context, l *lab) ([]result, error) {
	echo, err := l.echo(ctx)
	if err != nil {
		return nil, err
	}
	s, err := l.serveBusy(ctx)
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	n := l.watchers()
	ours, err := newSwarm(ctx, l.dialer(s.Process, s.Token), n, watchOwner(func(int) string { return rig.User }))
	if err != nil {
		return nil, err
	}
	defer ours.close()
	direct, err := newSwarm(ctx, l.dialer(echo.Process, "none"), n, watchEcho)
	if err != nil {
		return nil, err
	}
	defer direct.close()
	other, stop, err := proxiedFanSide(ctx, l, n)
	if err != nil {
		return nil, err
	}
	defer stop()
	requests := newSubmits()
	got, err := rig.Rounds(ctx, l.rounds,
		rig.Side{Name: "direct Send", Run: fanRound(direct, n, echo.Process, func(ctx context.Context) error {
			return echo.clients.Conn(0).Invoke(ctx, fanMethod, requests.request(), &jobsv1.SubmitResponse{})
		})},
		rig.Side{Name: "a change", Run: fanRound(ours, n, s.Process, func(ctx context.Context) error {
			_, err := s.Clients.Jobs(0).Submit(ctx, requests.request())
			return err
		})}, other)
	if err != nil {
		return nil, err
	}
	figuresOf := func(name string, s []rig.Sample) []figure {
		return []figure{
			figureOf(name, "messages/s", rig.Pick(s, rig.Rate)), figureOf(name+" to the last, p50", "us", rig.Pick(s, rig.P50)), figureOf(name, "us CPU/message", rig.Pick(s, rig.CPU)),
		}
	}
	return []result{ratio("8", rig.Pick(got[1], rig.Rate), rig.Pick(got[0], rig.Rate),
		slices.Concat(figuresOf("a change by Submit", got[1]), figuresOf("direct Send", got[0]), figuresOf("a change by Submit, watchers by net/http", got[2]))...)}, nil
}

// fanRound spreads some changes, one after the other has come to everybody.
func fanRound(w *swarm, n int, server *rig.Process, trigger func(context.Context) error) func(context.Context) (rig.Sample, error) {
	return func(ctx context.Context) (rig.Sample, error) {
		var took []time.Duration
		var all time.Duration
		before, err := server.Processor()
		for range fanOuts {
			if err != nil {
				return rig.Sample{}, err
			}
			var d time.Duration
			if d, err = w.spread(ctx, n, trigger); err != nil {
				return rig.Sample{}, err
			}
			took, all = append(took, d), all+d
			err = rig.Wait(ctx, between)
		}
		after, errAfter := server.Processor()
		if err != nil || errAfter != nil {
			return rig.Sample{}, fmt.Errorf("%w, %w", err, errAfter)
		}
		messages := float64(n * fanOuts)
		return rig.Sample{
			Rate: messages / all.Seconds(), P50: rig.Quantile(took, 0.5), P99: rig.Quantile(took, 0.99),
			CPU: float64((after - before).Microseconds()) / messages,
		}, nil
	}
}

// besideIdle measures row 9: two servers, of which one has the watchers.
func besideIdle(ctx context.Context, l *lab) ([]result, error) {
	quiet, err := newPair(ctx, l)
	if err != nil {
		return nil, err
	}
	defer quiet.stintd.Stop()
	watched, err := newPair(ctx, l)
	if err != nil {
		return nil, err
	}
	defer watched.stintd.Stop()
	idle, err := newSwarm(ctx, l.dialer(watched.stintd.Process, watched.stintd.Token), l.watchers(), watchOwner(idleOwner))
	if err != nil {
		return nil, err
	}
	defer idle.close()
	s, err := rig.Rounds(ctx, besideRounds*l.rounds, quiet.submitSide(many), watched.submitSide(many))
	if err != nil {
		return nil, err
	}
	return []result{ratio("9", rig.Pick(s[1], rig.Rate), rig.Pick(s[0], rig.Rate),
		append(figures(fmt.Sprint("Submit beside ", l.watchers(), " idle watchers"), s[1]), figures("Submit alone", s[0])...)...)}, nil
}

// idleOwner has no jobs: whoever watches them hears heartbeats alone.
func idleOwner(n int) string { return fmt.Sprint("idle-", n) }

// memoryOfWatchers measures row 10, on servers that are new in each round.
func memoryOfWatchers(ctx context.Context, l *lab) ([]result, error) {
	var ours, bare rig.Series
	for range l.rounds {
		a, err := l.idleMemory(ctx)
		if err != nil {
			return nil, err
		}
		b, err := l.bareMemory(ctx)
		if err != nil {
			return nil, err
		}
		ours, bare = append(ours, a), append(bare, b)
	}
	return []result{ratio("10", ours, bare,
		figureOf("an idle watcher", "KiB", ours), figureOf("a bare stream", "KiB", bare))}, nil
}

func (l *lab) idleMemory(ctx context.Context) (float64, error) {
	data, err := l.newData()
	if err != nil {
		return 0, err
	}
	s, err := l.serve(ctx, data)
	if err != nil {
		return 0, err
	}
	defer s.Stop()
	return l.memoryPer(ctx, s.Process, func() error { return s.collect(ctx) }, func() (*swarm, error) {
		return newSwarm(ctx, l.dialer(s.Process, s.Token), l.watchers(), watchOwner(idleOwner))
	})
}

func (l *lab) bareMemory(ctx context.Context) (float64, error) {
	p, err := l.startEcho(ctx)
	if err != nil {
		return 0, err
	}
	defer p.Stop()
	c, err := rig.Dial(p.Address, "none", 1)
	if err != nil {
		return 0, err
	}
	defer func() { _ = c.Close() }()
	collect := func() error {
		return c.Conn(0).Invoke(ctx, restMethod, &jobsv1.SubmitRequest{}, &jobsv1.SubmitResponse{})
	}
	return l.memoryPer(ctx, p, collect, func() (*swarm, error) { return newSwarm(ctx, l.dialer(p, "none"), l.watchers(), watchEcho) })
}

// memoryPer is how much anonymous memory each stream costs a server, in KiB, once its garbage is collected.
func (l *lab) memoryPer(ctx context.Context, p *rig.Process, collect func() error, open func() (*swarm, error)) (float64, error) {
	before, err := settled(ctx, p, collect)
	if err != nil {
		return 0, err
	}
	w, err := open()
	if err != nil {
		return 0, err
	}
	defer w.close()
	after, err := settled(ctx, p, collect)
	return (after - before) / float64(l.watchers()) / 1024, err
}

func settled(ctx context.Context, p *rig.Process, collect func() error) (float64, error) {
	if err := rig.Wait(ctx, settle); err != nil {
		return 0, err
	}
	if err := collect(); err != nil {
		return 0, fmt.Errorf("collect garbage: %w", err)
	}
	return p.Anonymous()
}

// collect has stintd collect its garbage and give back what is free.
func (s *stintd) collect(ctx context.Context) error {
	_, err := s.debug(ctx, http.MethodPost, "free")
	return err
}

// debug asks stintd's socket for profiles.
func (s *stintd) debug(ctx context.Context, method, what string) (string, error) {
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", filepath.Join(s.Data, "state", "debug.sock"))
	}}}
	req, err := http.NewRequestWithContext(ctx, method, "http://stintd/debug/"+what, http.NoBody)
	if err != nil {
		return "", err
	}
	res, err := c.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", what, res.Status)
	}
	return string(body), err
}
