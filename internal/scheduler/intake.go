package scheduler

import (
	"context"
	"errors"
	"time"

	storev1 "github.com/stint-jobs/stint/gen/stint/store/v1"
	stintv1 "github.com/stint-jobs/stint/gen/stint/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// takeIn reads what changed since the last time. A store that cannot say any
// more what changed since then is read whole.
func (s *Scheduler) takeIn(ctx context.Context, d *delays) {
	for {
		ids, upTo, ok := s.cfg.Store.ChangedSince(s.seen, intakeBatch)
		if !ok {
			s.load(ctx, d)
			return
		}
		for _, id := range ids {
			s.takeInOne(ctx, id, d)
		}
		s.seen = upTo
		if upTo >= s.cfg.Store.Revision() {
			return
		}
	}
}

// intakeBatch bounds how many changes are taken in at a time.
const intakeBatch = 1000

func (s *Scheduler) takeInOne(ctx context.Context, id job.ID, d *delays) {
	rec, err := s.cfg.Store.Record(id)
	switch {
	case errors.Is(err, job.ErrNotFound):
		s.forget(id)
	case err != nil:
		s.log.Error("read a changed job", "job", id, "error", err)
	default:
		s.accept(ctx, rec, d)
	}
}

// accept puts a job where it belongs: nowhere when it is final, to its
// follower when it is active, else into the queue of its executor or among the delayed.
func (s *Scheduler) accept(ctx context.Context, rec *storev1.Record, d *delays) {
	id, err := job.ParseID(rec.GetJob().GetId())
	if err != nil {
		s.log.Error("a stored job without an id", "error", err)
		return
	}
	if r := s.active[id]; r != nil {
		if rec.GetJob().GetCancelTime() != nil {
			r.cancel()
		}
		return
	}
	if job.Terminal(rec.GetJob().GetState()) {
		s.forget(id)
		return
	}
	l := s.lanes[rec.GetJob().GetExecutor()]
	switch {
	case l == nil:
		s.words.say(id, why{
			stintv1.Reason_REASON_WAITING_FOR_ENGINE,
			"The executor \"" + rec.GetJob().GetExecutor() + "\" is not configured on this server.",
		})
	case rec.GetPhase() != storev1.Phase_PHASE_UNSPECIFIED:
		s.launch(ctx, l, id, rec)
	case rec.GetNotBefore() != nil && time.Until(rec.GetNotBefore().AsTime()) > 0:
		d.add(id, rec.GetNotBefore().AsTime())
	default:
		s.mu.Lock()
		l.queue.add(rec.GetJob().GetOwner(), waiting{id: id, priority: rec.GetJob().GetPriority()})
		s.mu.Unlock()
	}
}

// forget takes a job that will not start out of the queues.
func (s *Scheduler) forget(id job.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.words.forget(id)
	for _, l := range s.lanes {
		l.queue.remove(id)
		delete(l.passed, id)
	}
}

// takeDelayed takes in the jobs whose wait is over.
func (s *Scheduler) takeDelayed(ctx context.Context, d *delays) {
	for _, id := range d.due(time.Now()) {
		s.takeInOne(ctx, id, d)
	}
}
