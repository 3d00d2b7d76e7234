package server

import (
	"context"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/estimate"
	"github.com/stint-jobs/stint/internal/scheduler"
	"github.com/stint-jobs/stint/internal/store"
)

// learnWithin bounds how long a start learns from completed jobs. Services that it does not come to
// are learned anew.
const learnWithin = 5 * time.Second

// learn returns what the newest completed jobs of each service say of how long jobs take.
func (s *server) learn() (*estimate.History, error) {
	ctx, cancel := context.WithTimeout(context.Background(), learnWithin)
	defer cancel()
	h := &estimate.History{}
	for _, service := range slices.Sorted(maps.Keys(s.store.Summarize(store.Everyone).GetServices())) {
		found, err := s.store.Page(ctx, store.Query{
			Scope: store.Everyone, States: []jobsv1.State{jobsv1.State_STATE_COMPLETED}, Service: service,
			Limit: estimate.MaxSamples, View: jobsv1.JobView_JOB_VIEW_FULL,
		})
		if ctx.Err() != nil {
			s.log.Warn("the history of jobs is too long to learn from all of it; what is missing is learned anew", "service", service)
			return h, nil
		}
		if err != nil {
			return nil, err
		}
		for _, j := range slices.Backward(found.Jobs) { // the oldest first
			if kind, sample, ok := scheduler.SampleOf(j); ok {
				h.Add(kind, sample)
			}
		}
	}
	return h, nil
}

// maximum returns the most that jobs of a service may have; nil where that is not bounded.
func (s *server) maximum(service string) *jobsv1.Resources {
	var most *jobsv1.Resources
	if svc, ok := s.catalog.Catalog().Get(service); ok {
		most = svc.Proto().GetMaxResources()
	}
	if longest := s.cfg.MaxTimeLimit; longest > 0 && (most.GetTimeLimit() == nil || most.GetTimeLimit().AsDuration() > longest) {
		most = &jobsv1.Resources{MemoryBytes: most.GetMemoryBytes(), TimeLimit: durationpb.New(longest)}
	}
	return most
}
