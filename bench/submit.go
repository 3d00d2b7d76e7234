package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	stintv1 "github.com/stint-jobs/stint/gen/stint/v1"
)

const (
	many  = 256
	few   = 16
	batch = 100
)

// submits gives each call a job of its own, taken from messages that are made before.
type submits struct {
	next     atomic.Uint64
	requests [1000]*stintv1.SubmitRequest
}

func newSubmits() *submits {
	s := &submits{}
	for i := range s.requests {
		s.requests[i] = &stintv1.SubmitRequest{Job: benchJob(i)}
	}
	return s
}

func (s *submits) request() *stintv1.SubmitRequest {
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

func (p *pair) echoSide(callers int) side {
	return echoSide(p.l, p.echo, p.requests, callers)
}

func echoSide(l *lab, echo *echoServer, requests *submits, callers int) side {
	run := load{callers: callers, duration: l.duration, server: echo.process, call: func(ctx context.Context, i int) error {
		return echo.clients.echo(ctx, i, requests.request())
	}}
	return side{fmt.Sprint("echo at ", callers), run.run}
}

// submitSide measures Submit. Each round is on its own part of a growing store.
func (p *pair) submitSide(callers int) side {
	run := load{callers: callers, duration: p.l.duration, server: p.stintd.process, call: func(ctx context.Context, i int) error {
		_, err := p.stintd.clients.jobs(i).Submit(ctx, p.requests.request())
		return err
	}}
	return side{fmt.Sprint("Submit at ", callers), run.run}
}

func (p *pair) batchSide() side {
	req := &stintv1.BatchSubmitRequest{}
	for i := range batch {
		req.Jobs = append(req.Jobs, benchJob(i))
	}
	// A call takes long where the machine is busy, and some must end in the round.
	run := load{callers: few, duration: max(p.l.duration, 2*time.Second), weight: batch, server: p.stintd.process, call: func(ctx context.Context, i int) error {
		_, err := p.stintd.clients.jobs(i).BatchSubmit(ctx, req)
		return err
	}}
	return side{"BatchSubmit(100) at 16", run.run}
}

// submitMany measures rows 1, 4 and 20. Batches have a server of their own,
// so that single jobs are not measured on the store that batches make large.
func submitMany(ctx context.Context, l *lab) ([]result, error) {
	p, err := newPair(ctx, l)
	if err != nil {
		return nil, err
	}
	defer p.stintd.stop()
	q, err := newPair(ctx, l)
	if err != nil {
		return nil, err
	}
	defer q.stintd.stop()
	s, err := rounds(ctx, l.rounds, p.echoSide(many), p.submitSide(many), q.batchSide())
	if err != nil {
		return nil, err
	}
	memory, err := p.stintd.anonymous()
	if err != nil {
		return nil, err
	}
	echo, submit, batched := s[0], s[1], s[2]
	anon := figureOf("stintd anonymous memory after it", "MB", series{memory / 1e6})
	return []result{
		ratio("1", pick(submit, rate), pick(echo, rate), append(figures("Submit", submit), append(figures("echo", echo), anon)...)...),
		ratio("4", pick(batched, rate), pick(submit, rate), append(figures("BatchSubmit(100) at 16, a job", batched), figures("Submit at 256", submit)...)...),
		ratio("20", pick(submit, cpuOf), pick(echo, cpuOf), figureOf("Submit", "us CPU/op", pick(submit, cpuOf)), figureOf("echo", "us CPU/op", pick(echo, cpuOf))),
	}, nil
}

// submitFew measures row 2.
func submitFew(ctx context.Context, l *lab) ([]result, error) {
	p, err := newPair(ctx, l)
	if err != nil {
		return nil, err
	}
	defer p.stintd.stop()
	s, err := rounds(ctx, l.rounds, p.echoSide(few), p.submitSide(few))
	if err != nil {
		return nil, err
	}
	return []result{ratio("2", pick(s[1], rate), pick(s[0], rate), append(figures("Submit", s[1]), figures("echo", s[0])...)...)}, nil
}

// submitOne measures row 3.
func submitOne(ctx context.Context, l *lab) ([]result, error) {
	p, err := newPair(ctx, l)
	if err != nil {
		return nil, err
	}
	defer p.stintd.stop()
	bare, err := openBare(l.dir)
	if err != nil {
		return nil, err
	}
	defer bare.close()
	commit := load{callers: 1, duration: l.duration, call: bare.commit}
	s, err := rounds(ctx, l.rounds, p.echoSide(1), side{"bare commit", commit.run}, p.submitSide(1))
	if err != nil {
		return nil, err
	}
	limit := pick(s[0], p50).plus(pick(s[1], p50))
	return []result{ratio("3", pick(s[2], p50), limit,
		figureOf("Submit p50", "us", pick(s[2], p50)), figureOf("echo p50", "us", pick(s[0], p50)), figureOf("bare commit p50", "us", pick(s[1], p50)),
		figureOf("Submit", "us CPU/op", pick(s[2], cpuOf)))}, nil
}

// figures are all that a side's rounds told.
func figures(name string, s []sample) []figure {
	return []figure{
		figureOf(name, "op/s", pick(s, rate)),
		figureOf(name+" p50", "us", pick(s, p50)),
		figureOf(name+" p99", "us", pick(s, func(s sample) float64 { return s.p99 })),
		figureOf(name, "us CPU/op", pick(s, cpuOf)),
	}
}
