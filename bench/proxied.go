package main

import (
	"context"
	"fmt"

	"github.com/stint-jobs/stint/bench/rig"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// Calls that come as those of a proxy do are served by net/http, on connections that may carry other requests, too. Their figures stand
// beside those of gRPC's own transport, and have no target.

// proxiedSubmitSide is submitSide for such calls.
func (p *pair) proxiedSubmitSide(clients rig.Clients, callers int) rig.Side {
	run := rig.Load{Callers: callers, Duration: p.l.duration, Processor: p.stintd.Processor, Call: func(ctx context.Context, i int) error {
		_, err := clients.Jobs(i).Submit(ctx, p.requests.request())
		return err
	}}
	return rig.Side{Name: fmt.Sprint("Submit by net/http at ", callers), Run: run.Run}
}

// proxiedGetSide is getSide for such calls.
func proxiedGetSide(l *lab, s *stintd, clients rig.Clients, callers int) rig.Side {
	run := rig.Load{Callers: callers, Duration: l.duration, Processor: s.Processor, Call: func(ctx context.Context, i int) error {
		_, err := clients.Jobs(i).Get(ctx, &jobsv1.GetRequest{Id: ownJob(l.jobs)})
		return err
	}}
	return rig.Side{Name: fmt.Sprint("Get by net/http at ", callers), Run: run.Run}
}
