package scheduler

import (
	"context"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
)

// place starts every waiting job that may start now.
func (s *Scheduler) place(ctx context.Context) {
	for name, l := range s.lanes {
		for ctx.Err() == nil && s.held() == "" {
			s.mu.Lock()
			next := s.policy.Next(name, time.Now()).Start
			s.mu.Unlock()
			if next == 0 {
				break
			}
			if rec, ok := s.candidate(next); ok {
				s.start(ctx, l, next, rec)
			}
		}
	}
}

// candidate reads the job that starts next. One that may not start any more leaves the queue, and
// so does one that cannot be read, which comes back when it can.
func (s *Scheduler) candidate(id job.ID) (*storev1.Record, bool) {
	rec, err := s.cfg.Store.Record(store.Everyone, id)
	switch {
	case err != nil:
		s.unread(id, err)
	case rec.GetJob().GetState() == jobsv1.State_STATE_QUEUED && rec.GetPhase() == storev1.Phase_PHASE_UNSPECIFIED:
		return rec, true
	default:
		s.forget(id)
	}
	return nil, false
}

// start takes a job out of the queue and follows it.
func (s *Scheduler) start(ctx context.Context, l *lane, id job.ID, rec *storev1.Record) {
	s.mu.Lock()
	s.policy.Start(id, time.Now())
	s.mu.Unlock()
	s.launch(ctx, l, id, rec)
}

// launch gives a job that has its share of the capacity a goroutine that follows it.
func (s *Scheduler) launch(ctx context.Context, l *lane, id job.ID, rec *storev1.Record) {
	r := &run{
		s: s, id: id, lane: l,
		attempt: int(job.Attempt(rec.GetJob()).GetNumber()), phase: rec.GetPhase(), handle: executor.Handle(rec.GetHandle()),
		cancelled: make(chan struct{}),
	}
	if rec.GetJob().GetCancelTime() != nil {
		r.cancel()
	}
	s.mu.Lock()
	s.active[id] = r
	s.mu.Unlock()
	s.runs.Go(func() {
		r.follow(ctx)
		select {
		case s.ended <- r:
		case <-ctx.Done():
		}
	})
}

// release gives back what a job held.
func (s *Scheduler) release(r *run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.active, r.id)
	s.policy.Remove(r.id)
}
