package scheduler

import (
	"context"
	"errors"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
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
		s.takeInAll(ctx, ids, d)
		s.seen = upTo
		if upTo >= s.cfg.Store.Revision() {
			return
		}
	}
}

// intakeBatch bounds how many changes are taken in at a time.
const intakeBatch = 1000

// takeInAll reads of the jobs only what says where they belong: each change of each job comes by here.
func (s *Scheduler) takeInAll(ctx context.Context, ids []job.ID, d *delays) {
	briefs, err := s.cfg.Store.Briefs(ids)
	if err != nil {
		s.log.Error("read changed jobs", "jobs", len(ids), "error", err)
		return
	}
	for i := range briefs {
		switch b := &briefs[i]; {
		case errors.Is(b.Err, job.ErrNotFound):
			s.forget(b.ID)
		case b.Err != nil:
			s.log.Error("read a changed job", "job", b.ID, "error", b.Err)
		default:
			s.accept(ctx, b, d)
		}
	}
}

// accept puts a job where it belongs: nowhere when it is final, to its
// follower when it is active, else into the queue of its executor or among the delayed.
func (s *Scheduler) accept(ctx context.Context, b *store.Brief, d *delays) {
	if r := s.active[b.ID]; r != nil {
		if b.Cancelled {
			r.cancel()
		}
		return
	}
	if job.Terminal(b.State) {
		s.forget(b.ID)
		return
	}
	l := s.lanes[b.Executor]
	switch {
	case l == nil:
		s.words.say(b.ID, why{
			jobsv1.Reason_REASON_WAITING_FOR_ENGINE,
			"The executor \"" + b.Executor + "\" is not configured on this server.",
		})
	case b.Phase != storev1.Phase_PHASE_UNSPECIFIED:
		s.resume(ctx, l, b.ID)
	case !b.NotBefore.IsZero() && time.Until(b.NotBefore) > 0:
		d.add(b.ID, b.NotBefore)
	default:
		s.mu.Lock()
		l.queue.add(b.Owner, waiting{id: b.ID, priority: b.Priority})
		s.mu.Unlock()
	}
}

// resume follows an attempt that was under way when nobody followed it. If it has ended since, its change is still to come.
func (s *Scheduler) resume(ctx context.Context, l *lane, id job.ID) {
	rec, err := s.cfg.Store.Record(store.Everyone, id)
	switch {
	case err != nil:
		s.log.Error("read a job that is under way", "job", id, "error", err)
	case rec.GetPhase() != storev1.Phase_PHASE_UNSPECIFIED:
		s.launch(ctx, l, id, rec)
	default:
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
	if ids := d.due(time.Now()); len(ids) > 0 {
		s.takeInAll(ctx, ids, d)
	}
}
