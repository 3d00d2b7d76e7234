package main

import (
	"context"
	"fmt"

	"github.com/stint-jobs/stint/bench/rig"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// Calls that come as those of a proxy do are served by net/http, on connections that may carry
// other requests, too. Their figures stand beside those of gRPC's own transport, and have no
// target.

// proxiedSubmitSide is submitSide for such calls, on a server of their own, so that they disturb no
// row. stop ends it.
func proxiedSubmitSide(ctx context.Context, l *lab, callers int) (_ rig.Side, stop func(), _ error) {
	s, err := l.serveBusy(ctx)
	if err != nil {
		return rig.Side{}, nil, err
	}
	clients, err := rig.DialProxied(s.Address, s.Token, l.conns)
	if err != nil {
		s.Stop()
		return rig.Side{}, nil, err
	}
	requests := newSubmits()
	run := rig.Load{Callers: callers, Duration: l.duration, Processor: s.Processor, Call: func(ctx context.Context, i int) error {
		_, err := clients.Jobs(i).Submit(ctx, requests.request())
		return err
	}}
	return rig.Side{Name: fmt.Sprint("Submit by net/http at ", callers), Run: run.Run}, func() { _ = clients.Close(); s.Stop() }, nil
}

// proxiedFanSide spreads changes to watchers that come that way, on a server of their own. stop
// ends it.
func proxiedFanSide(ctx context.Context, l *lab, watchers int) (_ rig.Side, stop func(), _ error) {
	s, err := l.serveBusy(ctx)
	if err != nil {
		return rig.Side{}, nil, err
	}
	dial := func(n int) (rig.Clients, error) { return rig.DialProxied(s.Address, s.Token, n) }
	swarm, err := newSwarm(ctx, dial, watchers, watchOwner(func(int) string { return rig.User }))
	if err != nil {
		s.Stop()
		return rig.Side{}, nil, err
	}
	requests := newSubmits()
	round := fanRound(swarm, watchers, s.Process, func(ctx context.Context) error {
		_, err := s.Clients.Jobs(0).Submit(ctx, requests.request())
		return err
	})
	return rig.Side{Name: "a change by net/http", Run: round}, func() { swarm.close(); s.Stop() }, nil
}

// proxiedGetSide is getSide for such calls.
func proxiedGetSide(l *lab, s *stintd, clients rig.Clients, callers int) rig.Side {
	run := rig.Load{Callers: callers, Duration: l.duration, Processor: s.Processor, Call: func(ctx context.Context, i int) error {
		_, err := clients.Jobs(i).Get(ctx, &jobsv1.GetRequest{Id: ownJob(l.jobs)})
		return err
	}}
	return rig.Side{Name: fmt.Sprint("Get by net/http at ", callers), Run: run.Run}
}
