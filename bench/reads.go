package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"

	stintv1 "github.com/stint-jobs/stint/gen/stint/v1"
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
	defer s.stop()
	got, err := rounds(ctx, l.rounds, echoSide(l, echo, newSubmits(), many), getSide(l, s, many))
	if err != nil {
		return nil, err
	}
	return []result{ratio("5", pick(got[1], rate), pick(got[0], rate), append(figures("Get", got[1]), figures("echo", got[0])...)...)}, nil
}

// serveStored starts stintd on n jobs that have ended.
func (l *lab) serveStored(ctx context.Context, n int) (*stintd, error) {
	data, err := l.stored(ctx, n)
	if err != nil {
		return nil, err
	}
	return l.serve(ctx, data)
}

// getSide asks for jobs all over the store.
func getSide(l *lab, s *stintd, callers int) side {
	run := load{callers: callers, duration: l.duration, server: s.process, call: func(ctx context.Context, i int) error {
		id := strconv.Itoa(1 + rand.IntN(l.jobs))
		_, err := s.clients.jobs(i).Get(ctx, &stintv1.GetRequest{Id: id})
		return err
	}}
	return side{fmt.Sprint("Get at ", callers), run.run}
}

// listSide asks for the first page of everybody's jobs, as operators' pages do, and insists on an exact total.
func listSide(l *lab, s *stintd, filter string) side {
	req := &stintv1.ListRequest{Owner: "*", PageSize: 50, Filter: filter}
	run := load{callers: 1, duration: l.duration, server: s.process, call: func(ctx context.Context, i int) error {
		page, err := s.clients.jobs(i).List(ctx, req)
		if err == nil && !page.GetTotalSizeExact() {
			err = fmt.Errorf("the total with filter %q is not exact", filter)
		}
		return err
	}}
	return side{"List " + filter, run.run}
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
	defer large.stop()
	small, err := l.serveStored(ctx, smallStore)
	if err != nil {
		return nil, err
	}
	defer small.stop()
	sides := []side{getSide(l, large, 1), listSide(l, small, ""), listSide(l, large, "")}
	for _, f := range filters() {
		sides = append(sides, listSide(l, large, f))
	}
	s, err := rounds(ctx, l.rounds, sides...)
	if err != nil {
		return nil, err
	}
	get, few, all := pick(s[0], p50), pick(s[1], p50), pick(s[2], p50)
	unfiltered := figureOf("List", "us", all)
	byFilter, slowest := []figure{unfiltered}, pick(s[3], p50)
	for i, f := range filters() {
		took := pick(s[3+i], p50)
		byFilter = append(byFilter, figureOf("List `"+f+"`", "us", took))
		if took.median() > slowest.median() {
			slowest = took
		}
	}
	return []result{
		ratio("6", all, get, unfiltered, figureOf("Get", "us", get), figureOf("List", "us CPU/op", pick(s[2], cpuOf)), figureOf("Get", "us CPU/op", pick(s[0], cpuOf))),
		ratio("7a", all, few, unfiltered, figureOf("List at 10,000 jobs", "us", few)),
		ratio("7b", slowest, all, byFilter...),
	}, nil
}
