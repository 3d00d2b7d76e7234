package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/stint-jobs/stint/bench/rig"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
)

const (
	// filtered is the owner of the jobs that the filter is about, who has filteredJobs of them, in the full table.
	filtered     = "filtered"
	filteredJobs = 100_000
	// filtersAtOnce is how many filters a user may have evaluated at a time.
	filtersAtOnce = 2
)

// besideFilter measures row 22: one server, with and without lists by the costliest filter under way.
func besideFilter(ctx context.Context, l *lab) ([]result, error) {
	data, err := l.newData()
	if err != nil {
		return nil, err
	}
	if err := fillFiltered(ctx, databaseOf(data), min(filteredJobs, l.jobs)); err != nil {
		return nil, fmt.Errorf("store jobs for the filter: %w", err)
	}
	s, err := l.serve(ctx, data)
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	filter, err := costliest(ctx, s)
	if err != nil {
		return nil, err
	}
	requests := newSubmits()
	submit := rig.Load{Callers: 1, Duration: l.duration, Processor: s.Processor, Call: func(ctx context.Context, i int) error {
		_, err := s.Clients.Jobs(i).Submit(ctx, requests.request())
		return err
	}}
	got, err := rig.Rounds(ctx, l.rounds,
		rig.Side{Name: "Submit alone", Run: submit.Run},
		rig.Side{Name: "Submit beside the filter", Run: func(ctx context.Context) (rig.Sample, error) {
			return beside(ctx, s, filter, submit.Run)
		}})
	if err != nil {
		return nil, err
	}
	p99 := func(s rig.Sample) float64 { return s.P99 }
	return []result{ratio("22", rig.Pick(got[1], p99), rig.Pick(got[0], p99),
		append(figures("Submit beside the filter", got[1]), figures("Submit alone", got[0])...)...)}, nil
}

// fillFiltered writes jobs in which each word of the filter has to be looked for everywhere.
func fillFiltered(ctx context.Context, path string, n int) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	s, err := store.Open(store.Config{Path: path})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	labels := make(map[string]string)
	for i := range job.MaxLabels {
		labels[fmt.Sprint("k", i)] = strings.Repeat("b", job.MaxLabelValue)
	}
	for first := 0; first < n; first += fillBatch {
		jobs := make([]*jobsv1.Job, min(fillBatch, n-first))
		for i := range jobs {
			jobs[i] = rig.Job(first + i)
			jobs[i].Executor, jobs[i].OutputName, jobs[i].Labels = "local", strings.Repeat("b", job.MaxOutputName), labels
		}
		if err := storeEnded(ctx, s, filtered, jobs); err != nil {
			return err
		}
	}
	return nil
}

// costliest returns the longest list of words that the server takes as a filter.
func costliest(ctx context.Context, s *stintd) (string, error) {
	var words []string
	for {
		more := append(words, fmt.Sprintf("bbbbba%d", len(words)))
		_, err := s.Clients.Jobs(0).List(ctx, &jobsv1.ListRequest{Owner: "nobody", Filter: strings.Join(more, " OR ")})
		switch {
		case status.Code(err) == codes.InvalidArgument && len(words) > 0:
			return strings.Join(words, " OR "), nil
		case err != nil:
			return "", fmt.Errorf("look for the costliest filter: %w", err)
		}
		words = more
	}
}

// beside runs fn while as many lists by the filter as a user may have are under way all the time.
func beside(ctx context.Context, s *stintd, filter string, fn func(context.Context) (rig.Sample, error)) (rig.Sample, error) {
	lists, end := context.WithCancel(ctx)
	errs := make([]error, filtersAtOnce)
	var callers sync.WaitGroup
	for i := range errs {
		callers.Go(func() {
			// Each asks for something else, so that no results are kept for the next.
			for n := 0; lists.Err() == nil && errs[i] == nil; n++ {
				_, err := s.Clients.Jobs(1+i).List(lists, &jobsv1.ListRequest{
					Owner: filtered, PageSize: 1, Filter: strings.Replace(filter, "a0", fmt.Sprintf("%c%c", 'a'+i, 'a'+n%26), 1),
				})
				if lists.Err() == nil {
					errs[i] = err
				}
			}
		})
	}
	sample, err := fn(ctx)
	end()
	callers.Wait()
	return sample, errors.Join(err, rig.FirstOf(errs))
}
