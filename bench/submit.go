package main

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/stint-jobs/stint/bench/rig"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

const (
	many  = 256
	few   = 16
	batch = 100
)

// submits gives each call a job of its own, taken from messages that are made before.
type submits struct {
	next     atomic.Uint64
	requests [1000]*jobsv1.SubmitRequest
}

func newSubmits() *submits {
	s := &submits{}
	for i := range s.requests {
		s.requests[i] = &jobsv1.SubmitRequest{Job: rig.Job(i)}
	}
	return s
}

func (s *submits) request() *jobsv1.SubmitRequest {
	return s.requests[s.next.Add(1)%uint64(len(s.requests))]
}

// pair is the two sides of the rows about Submit.
type pair struct {
	l        *lab
	echo     *echoServer
	stintd   *stintd
	requests *submits
}

func newPair(ctx context.Context, l *lab) (*pair, error) {
	echo, err := l.echo(ctx)
	if err != nil {
		return nil, fmt.Errorf("echo: %w", err)
	}
	s, err := l.serveBusy(ctx)
	if err != nil {
		return nil, fmt.Errorf("stintd: %w", err)
	}
	return &pair{l: l, echo: echo, stintd: s, requests: newSubmits()}, nil
}

func (p *pair) echoSide(callers int) rig.Side {
	return echoSide(p.l, p.echo, p.requests, callers)
}

func echoSide(l *lab, echo *echoServer, requests *submits, callers int) rig.Side {
	run := rig.Load{Callers: callers, Duration: l.duration, Processor: echo.Processor, Call: func(ctx context.Context, i int) error {
		return echo.echo(ctx, i, requests.request())
	}}
	return rig.Side{Name: fmt.Sprint("echo at ", callers), Run: run.Run}
}

// submitSide measures Submit. Each round is on its own part of a growing store.
func (p *pair) submitSide(callers int) rig.Side {
	run := rig.Load{Callers: callers, Duration: p.l.duration, Processor: p.stintd.Processor, Call: func(ctx context.Context, i int) error {
		_, err := p.stintd.Clients.Jobs(i).Submit(ctx, p.requests.request())
		return err
	}}
	return rig.Side{Name: fmt.Sprint("Submit at ", callers), Run: run.Run}
}

func (p *pair) batchSide() rig.Side {
	req := &jobsv1.BatchSubmitRequest{}
	for i := range batch {
		req.Jobs = append(req.Jobs, rig.Job(i))
	}
	// A call takes long where the machine is busy, and some must end in the round.
	run := rig.Load{Callers: few, Duration: max(p.l.duration, 2*time.Second), Weight: batch, Processor: p.stintd.Processor, Call: func(ctx context.Context, i int) error {
		_, err := p.stintd.Clients.Jobs(i).BatchSubmit(ctx, req)
		return err
	}}
	return rig.Side{Name: "BatchSubmit(100) at 16", Run: run.Run}
}

// submitMany measures rows 1, 4 and 20. Batches have a server of their own,
// so that single jobs are not measured on the store that batches make large.
func submitMany(ctx context.Context, l *lab) ([]result, error) {
	p, err := newPair(ctx, l)
	if err != nil {
		return nil, err
	}
	defer p.stintd.Stop()
	q, err := newPair(ctx, l)
	if err != nil {
		return nil, err
	}
	defer q.stintd.Stop()
	other, stop, err := proxiedSubmitSide(ctx, l, many) // likewise
	if err != nil {
		return nil, err
	}
	defer stop()
	s, err := rig.Rounds(ctx, l.rounds, p.echoSide(many), p.submitSide(many), q.batchSide(), other)
	if err != nil {
		return nil, err
	}
	memory, err := p.stintd.Anonymous()
	if err != nil {
		return nil, err
	}
	echo, submit, batched, proxied := s[0], s[1], s[2], s[3]
	anon := figureOf("stintd anonymous memory after it", "MB", rig.Series{memory / 1e6})
	return []result{
		ratio("1", rig.Pick(submit, rig.Rate), rig.Pick(echo, rig.Rate), append(slices.Concat(figures("Submit", submit), figures("echo", echo), figures("Submit by net/http", proxied)), anon)...),
		ratio("4", rig.Pick(batched, rig.Rate), rig.Pick(submit, rig.Rate), append(figures("BatchSubmit(100) at 16, a job", batched), figures("Submit at 256", submit)...)...),
		ratio("20", rig.Pick(submit, rig.CPU), rig.Pick(echo, rig.CPU), figureOf("Submit", "us CPU/op", rig.Pick(submit, rig.CPU)), figureOf("echo", "us CPU/op", rig.Pick(echo, rig.CPU)),
			figureOf("Submit by net/http", "us CPU/op", rig.Pick(proxied, rig.CPU))),
	}, nil
}

// submitFew measures row 2.
func submitFew(ctx context.Context, l *lab) ([]result, error) {
	p, err := newPair(ctx, l)
	if err != nil {
		return nil, err
	}
	defer p.stintd.Stop()
	other, stop, err := proxiedSubmitSide(ctx, l, few)
	if err != nil {
		return nil, err
	}
	defer stop()
	s, err := rig.Rounds(ctx, l.rounds, p.echoSide(few), p.submitSide(few), other)
	if err != nil {
		return nil, err
	}
	return []result{ratio("2", rig.Pick(s[1], rig.Rate), rig.Pick(s[0], rig.Rate), slices.Concat(figures("Submit", s[1]), figures("echo", s[0]), figures("Submit by net/http", s[2]))...)}, nil
}

// submitOne measures row 3.
func submitOne(ctx context.Context, l *lab) ([]result, error) {
	p, err := newPair(ctx, l)
	if err != nil {
		return nil, err
	}
	defer p.stintd.Stop()
	bare, err := openBare(l.dir)
	if err != nil {
		return nil, err
	}
	defer bare.close()
	commit := rig.Load{Callers: 1, Duration: l.duration, Call: bare.commit}
	s, err := rig.Rounds(ctx, l.rounds, p.echoSide(1), rig.Side{Name: "bare commit", Run: commit.Run}, p.submitSide(1))
	if err != nil {
		return nil, err
	}
	limit := rig.Pick(s[0], rig.P50).Plus(rig.Pick(s[1], rig.P50))
	return []result{ratio("3", rig.Pick(s[2], rig.P50), limit,
		figureOf("Submit p50", "us", rig.Pick(s[2], rig.P50)), figureOf("echo p50", "us", rig.Pick(s[0], rig.P50)), figureOf("bare commit p50", "us", rig.Pick(s[1], rig.P50)),
		figureOf("Submit", "us CPU/op", rig.Pick(s[2], rig.CPU)))}, nil
}

// figures are all that a side's rounds told.
func figures(name string, s []rig.Sample) []figure {
	return []figure{
		figureOf(name, "op/s", rig.Pick(s, rig.Rate)),
		figureOf(name+" p50", "us", rig.Pick(s, rig.P50)),
		figureOf(name+" p99", "us", rig.Pick(s, func(s rig.Sample) float64 { return s.P99 })),
		figureOf(name, "us CPU/op", rig.Pick(s, rig.CPU)),
	}
}
