package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"time"

	stintv1 "github.com/stint-jobs/stint/gen/stint/v1"
)

const (
	// fanOuts is how many changes a side spreads in a round.
	fanOuts = 8
	// between is left between two changes: a watcher of an owner reads at most every 200 ms, so that a burst is one reading.
	between = 260 * time.Millisecond
)

func (l *lab) dialer(s *process, token string) func(int) (clients, error) {
	return func(n int) (clients, error) { return dial(s.address, token, n) }
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
	defer s.stop()
	n := l.watchers()
	ours, err := newSwarm(ctx, l.dialer(s.process, s.token), n, watchOwner(func(int) string { return benchUser }))
	if err != nil {
		return nil, err
	}
	defer ours.close()
	direct, err := newSwarm(ctx, l.dialer(echo.process, "none"), n, watchEcho)
	if err != nil {
		return nil, err
	}
	defer direct.close()
	requests := newSubmits()
	got, err := rounds(ctx, l.rounds,
		side{"direct Send", fanRound(direct, n, echo.process, func(ctx context.Context) error {
			return echo.clients.conn(0).Invoke(ctx, fanMethod, requests.request(), &stintv1.SubmitResponse{})
		})},
		side{"a change", fanRound(ours, n, s.process, func(ctx context.Context) error {
			_, err := s.clients.jobs(0).Submit(ctx, requests.request())
			return err
		})})
	if err != nil {
		return nil, err
	}
	figuresOf := func(name string, s []sample) []figure {
		return []figure{
			figureOf(name, "messages/s", pick(s, rate)), figureOf(name+" to the last, p50", "us", pick(s, p50)), figureOf(name, "us CPU/message", pick(s, cpuOf)),
		}
	}
	return []result{ratio("8", pick(got[1], rate), pick(got[0], rate),
		append(figuresOf("a change by Submit", got[1]), figuresOf("direct Send", got[0])...)...)}, nil
}

// fanRound spreads some changes, one after the other has come to everybody.
func fanRound(w *swarm, n int, server *process, trigger func(context.Context) error) func(context.Context) (sample, error) {
	return func(ctx context.Context) (sample, error) {
		var took []time.Duration
		var all time.Duration
		before, err := server.processor()
		for range fanOuts {
			if err != nil {
				return sample{}, err
			}
			var d time.Duration
			if d, err = w.spread(ctx, n, trigger); err != nil {
				return sample{}, err
			}
			took, all = append(took, d), all+d
			err = wait(ctx, between)
		}
		after, errAfter := server.processor()
		if err != nil || errAfter != nil {
			return sample{}, fmt.Errorf("%w, %w", err, errAfter)
		}
		messages := float64(n * fanOuts)
		return sample{
			rate: messages / all.Seconds(), p50: quantile(took, 0.5), p99: quantile(took, 0.99),
			cpu: float64((after - before).Microseconds()) / messages,
		}, nil
	}
}

// besideIdle measures row 9: two servers, of which one has the watchers.
func besideIdle(ctx context.Context, l *lab) ([]result, error) {
	quiet, err := newPair(ctx, l)
	if err != nil {
		return nil, err
	}
	defer quiet.stintd.stop()
	watched, err := newPair(ctx, l)
	if err != nil {
		return nil, err
	}
	defer watched.stintd.stop()
	idle, err := newSwarm(ctx, l.dialer(watched.stintd.process, watched.stintd.token), l.watchers(), watchOwner(idleOwner))
	if err != nil {
		return nil, err
	}
	defer idle.close()
	s, err := rounds(ctx, l.rounds, quiet.submitSide(many), watched.submitSide(many))
	if err != nil {
		return nil, err
	}
	return []result{ratio("9", pick(s[1], rate), pick(s[0], rate),
		append(figures(fmt.Sprint("Submit beside ", l.watchers(), " idle watchers"), s[1]), figures("Submit alone", s[0])...)...)}, nil
}

// idleOwner has no jobs: whoever watches them hears heartbeats alone.
func idleOwner(n int) string { return fmt.Sprint("idle-", n) }

// memoryOfWatchers measures row 10, on servers that are new in each round.
func memoryOfWatchers(ctx context.Context, l *lab) ([]result, error) {
	var ours, bare series
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
	defer s.stop()
	return l.memoryPer(ctx, s.process, func() error { return s.collect(ctx) }, func() (*swarm, error) {
		return newSwarm(ctx, l.dialer(s.process, s.token), l.watchers(), watchOwner(idleOwner))
	})
}

func (l *lab) bareMemory(ctx context.Context) (float64, error) {
	p, err := start(ctx, filepath.Join(l.dir, "echo.log"), l.self, "echo")
	if err != nil {
		return 0, err
	}
	defer p.stop()
	c, err := dial(p.address, "none", 1)
	if err != nil {
		return 0, err
	}
	defer func() { _ = c.close() }()
	collect := func() error {
		return c.conn(0).Invoke(ctx, restMethod, &stintv1.SubmitRequest{}, &stintv1.SubmitResponse{})
	}
	return l.memoryPer(ctx, p, collect, func() (*swarm, error) { return newSwarm(ctx, l.dialer(p, "none"), l.watchers(), watchEcho) })
}

// memoryPer is how much anonymous memory each stream costs a server, in KiB, once its garbage is collected.
func (l *lab) memoryPer(ctx context.Context, p *process, collect func() error, open func() (*swarm, error)) (float64, error) {
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

func settled(ctx context.Context, p *process, collect func() error) (float64, error) {
	if err := wait(ctx, settle); err != nil {
		return 0, err
	}
	if err := collect(); err != nil {
		return 0, fmt.Errorf("collect garbage: %w", err)
	}
	return p.anonymous()
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
		return d.DialContext(ctx, "unix", filepath.Join(s.data, "debug.sock"))
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
