package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/stint-jobs/stint/bench/rig"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// getMany measures row 5.
func getMany(ctx context.Context, l *lab) ([]result, error) {
	echo, err := l.echo(ctx)
	if err != nil {
		return nil, err
	}
	s, err := l.serveStored(ctx, l.jobs)
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	proxied, err := rig.DialProxied(s.Address, s.Token, l.conns)
	if err != nil {
		return nil, err
	}
	defer proxied.Close()
	got, err := rig.Rounds(ctx, l.rounds, echoGetSide(l, echo, many), getSide(l, s, many), proxiedGetSide(l, s, proxied, many))
	if err != nil {
		return nil, err
	}
	return []result{ratio("5", rig.Pick(got[1], rig.Rate), rig.Pick(got[0], rig.Rate), slices.Concat(figures("Get", got[1]), figures("echo", got[0]), figures("Get by net/http", got[2]))...)}, nil
}

// serveStored starts stintd on n jobs that have ended.
func (l *lab) serveStored(ctx context.Context, n int) (*stintd, error) {
	data, err := l.stored(ctx, n)
	if err != nil {
		return nil, err
	}
	return l.serve(ctx, data)
}

// echoGetSide asks the server that does nothing for a job.
func echoGetSide(l *lab, echo *echoServer, callers int) rig.Side {
	run := rig.Load{Callers: callers, Duration: l.duration, Processor: echo.Processor, Call: func(ctx context.Context, i int) error {
		return echo.clients.Conn(i).Invoke(ctx, getMethod, &jobsv1.GetRequest{Id: ownJob(l.jobs)}, &jobsv1.Job{})
	}}
	return rig.Side{Name: fmt.Sprint("echo of a job at ", callers), Run: run.Run}
}

// getSide asks for the caller's own jobs, all over the store.
func getSide(l *lab, s *stintd, callers int) rig.Side {
	run := rig.Load{Callers: callers, Duration: l.duration, Processor: s.Processor, Call: func(ctx context.Context, i int) error {
		_, err := s.Clients.Jobs(i).Get(ctx, &jobsv1.GetRequest{Id: ownJob(l.jobs)})
		return err
	}}
	return rig.Side{Name: fmt.Sprint("Get at ", callers), Run: run.Run}
}

// listSide asks for the first page of everybody's jobs, as operators' pages do, and insists on an exact total.
func listSide(l *lab, s *stintd, filter string) rig.Side {
	req := &jobsv1.ListRequest{Owner: "*", PageSize: 50, Filter: filter}
	run := rig.Load{Callers: 1, Duration: l.duration, Processor: s.Processor, Call: func(ctx context.Context, i int) error {
		page, err := s.Clients.Jobs(i).List(ctx, req)
		if err == nil && !page.GetTotalSizeExact() {
			err = fmt.Errorf("the total with filter %q is not exact", filter)
		}
		return err
	}}
	return rig.Side{Name: "List " + filter, Run: run.Run}
}

// filters are by hot fields: frequent, rare and never met.
func filters() []string {
	return []string{
		"state = FAILED", "state = RUNNING", `service = "Bench"`, `output_name = "*99-phage"`, `labels.project = "p7"`, "exit_code = 1",
	}
}

// lists measures rows 6, 7a and 7b.
func lists(ctx context.Context, l *lab) ([]result, error) {
	large, err := l.serveStored(ctx, l.jobs)
	if err != nil {
		return nil, err
	}
	defer large.Stop()
	small, err := l.serveStored(ctx, smallStore)
	if err != nil {
		return nil, err
	}
	defer small.Stop()
	sides := []rig.Side{getSide(l, large, 1), listSide(l, small, ""), listSide(l, large, "")}
	for _, f := range filters() {
		sides = append(sides, listSide(l, large, f))
	}
	s, err := rig.Rounds(ctx, l.rounds, sides...)
	if err != nil {
		return nil, err
	}
	get, few, all := rig.Pick(s[0], rig.P50), rig.Pick(s[1], rig.P50), rig.Pick(s[2], rig.P50)
	unfiltered := figureOf("List", "us", all)
	byFilter, slowest := []figure{unfiltered}, rig.Pick(s[3], rig.P50)
	for i, f := range filters() {
		took := rig.Pick(s[3+i], rig.P50)
		byFilter = append(byFilter, figureOf("List `"+f+"`", "us", took))
		if took.Median() > slowest.Median() {
			slowest = took
		}
	}
	return []result{
		ratio("6", all, get, unfiltered, figureOf("Get", "us", get), figureOf("List", "us CPU/op", rig.Pick(s[2], rig.CPU)), figureOf("Get", "us CPU/op", rig.Pick(s[0], rig.CPU))),
		ratio("7a", all, few, unfiltered, figureOf("List at 10,000 jobs", "us", few)),
		ratio("7b", slowest, all, byFilter...),
	}, nil
}
