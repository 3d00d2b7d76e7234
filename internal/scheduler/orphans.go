package scheduler

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/types/known/timestamppb"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
)

// Orphans asks the engines for what runs there under this installation's name
// and is not an attempt of a stored job that has not ended. It also answers
// the names of the executors that could not be asked.
func (s *Scheduler) Orphans(ctx context.Context) (orphans []*adminv1.Orphan, unreachable []string) {
	for _, name := range slices.Sorted(maps.Keys(s.lanes)) {
		found, err := s.orphansOf(ctx, name)
		if err != nil {
			s.log.Warn("look for orphans", "executor", name, "error", err)
			unreachable = append(unreachable, name)
		}
		for _, o := range found {
			orphans = append(orphans, &adminv1.Orphan{
				Executor: name, EngineId: o.EngineID, JobId: o.Job.String(), Attempt: int32(o.Attempt), //nolint:gosec // attempts are few
				EngineState: o.State, Node: o.Node, SubmitTime: timestamppb.New(o.SubmitTime),
			})
		}
	}
	return orphans, unreachable
}

// CancelOrphan asks an engine to end an orphan. What is none is job.ErrNotFound.
func (s *Scheduler) CancelOrphan(ctx context.Context, name, engineID string) error {
	found, err := s.orphansOf(ctx, name)
	if err != nil {
		return job.Userf(job.ErrUnavailable, "The executor %s cannot be asked at the moment.", name)
	}
	for _, o := range found {
		if o.EngineID == engineID {
			if finder, ok := s.lanes[name].engine.Executor.(executor.OrphanFinder); ok {
				return finder.CancelOrphan(ctx, o)
			}
		}
	}
	return fmt.Errorf("cancel orphan %q of %q: %w", engineID, name, job.ErrNotFound)
}

func (s *Scheduler) orphansOf(ctx context.Context, name string) ([]executor.Orphan, error) {
	l := s.lanes[name]
	if l == nil {
		return nil, nil
	}
	finder, ok := l.engine.Executor.(executor.OrphanFinder)
	if !ok {
		return nil, nil
	}
	return finder.Orphans(ctx, s.knows)
}

// knows reports whether an attempt is the latest one of a job that has not ended. Of a job that
// cannot be read nobody can say that its attempt is an orphan.
func (s *Scheduler) knows(id job.ID, attempt int) bool {
	rec, err := s.cfg.Store.Record(store.Everyone, id)
	if err != nil {
		return !errors.Is(err, job.ErrNotFound)
	}
	return !job.Terminal(rec.GetJob().GetState()) && int(job.Attempt(rec.GetJob()).GetNumber()) == attempt
}
