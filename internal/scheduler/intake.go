package scheduler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
)

// intakeBatch bounds how many changes are taken in at a time.
const intakeBatch = 1000

// unreadableMax is how long reading any job at all may fail before Run gives up.
const unreadableMax = 5 * time.Minute

// load takes in every job that is not final, and what waits here, which may have become final
// unseen.
func (s *Scheduler) load(ctx context.Context) {
	s.seen = s.cfg.Store.Revision()
	ids := s.cfg.Store.Active()
	ids = append(append(ids, s.policy.Waiting()...), s.delays.waiting()...)
	slices.Sort(ids)
	for some := range slices.Chunk(slices.Compact(ids), intakeBatch) {
		s.changed(some)
		s.takeInAll(ctx, some)
	}
}

// takeIn reads what changed since the last time. A store that cannot say any
// more what changed since then is read whole.
func (s *Scheduler) takeIn(ctx context.Context) {
	for {
		ids, upTo, ok := s.cfg.Store.ChangedSince(s.seen, intakeBatch)
		if !ok {
			s.load(ctx)
			return
		}
		s.changed(ids)
		s.takeInAll(ctx, ids)
		s.seen = upTo
		if upTo >= s.cfg.Store.Revision() {
			return
		}
	}
}

// changed gives jobs whose records may have changed another try.
func (s *Scheduler) changed(ids []job.ID) {
	if len(s.quarantine) == 0 {
		return
	}
	for _, id := range ids {
		s.endQuarantine(id)
	}
}

// takeInAll reads of the jobs only what says where they belong: each change of each job comes by
// here. What cannot be read now is read again later.
func (s *Scheduler) takeInAll(ctx context.Context, ids []job.ID) {
	if len(ids) == 0 {
		return
	}
	briefs, err := s.cfg.Store.Briefs(ids)
	s.noteReading(err)
	if err != nil {
		s.log.Error("read changed jobs; reading them again later", "jobs", len(ids), "error", err)
		for _, id := range ids {
			s.readAgain(id)
		}
		return
	}
	for i := range briefs {
		switch b := &briefs[i]; {
		case b.Err != nil:
			s.unread(b.ID, b.Err)
		default:
			s.accept(ctx, b)
		}
	}
}

// noteReading remembers since when no job at all can be read.
func (s *Scheduler) noteReading(err error) {
	switch {
	case err == nil:
		s.unreadable = time.Time{}
	case s.unreadable.IsZero():
		s.unreadable = time.Now()
	case time.Since(s.unreadable) >= unreadableMax:
		s.fatal = fmt.Errorf("read jobs for %s: %w", unreadableMax, err)
	default:
	}
}

// unread puts a job that could not be read where it belongs: a job that is gone nowhere, one
// that cannot be decoded aside, and any other among those that are read again.
func (s *Scheduler) unread(id job.ID, err error) {
	switch {
	case errors.Is(err, job.ErrNotFound):
		s.endQuarantine(id)
		s.drop(id)
	case errors.Is(err, store.ErrDamaged):
		s.putAside(id, err)
	default:
		s.log.Error("read a job; reading it again later", "job", id, "error", err)
		s.readAgain(id)
	}
}

// readAgain makes a job that nobody follows due after a backoff.
func (s *Scheduler) readAgain(id job.ID) {
	s.forget(id)
	s.delays.again(id)
}

// accept puts a job where it belongs: nowhere when it is final, to its
// follower when it is active, else into the queue of its executor or among the delayed.
func (s *Scheduler) accept(ctx context.Context, b *store.Brief) {
	if r := s.active[b.ID]; r != nil {
		if b.GetCancelTimeNs() != 0 {
			r.cancel()
		}
		return
	}
	if job.Terminal(b.GetState()) {
		s.endQuarantine(b.ID)
		s.drop(b.ID)
		return
	}
	if s.quarantined(b.ID) || s.delays.backing(b.ID) {
		return
	}
	l := s.lanes[b.GetExecutor()]
	switch {
	case l == nil: // it waits for a server that has its executor
	case b.GetPhase() != storev1.Phase_PHASE_UNSPECIFIED:
		s.resume(ctx, l, b.ID)
	case time.Until(time.Unix(0, b.GetNotBeforeNs())) > 0 && !s.delays.over[b.ID]:
		// A clock that was set back does not make a job wait for longer than a retry may.
		s.delays.until(b.ID, time.Now().Add(min(time.Until(time.Unix(0, b.GetNotBeforeNs())), job.MaxRetryWait)))
	default:
		j := waitingJob(b.ID, b.GetOwner(), b.GetPriority(), b.NextResources())
		s.mu.Lock()
		s.policy.Add(b.GetExecutor(), j)
		l.arrived(b, j, s.begun)
		s.mu.Unlock()
	}
}

// resume follows an attempt that was under way when nobody followed it. If it has ended since, its
// change is still to come.
func (s *Scheduler) resume(ctx context.Context, l *lane, id job.ID) {
	rec, err := s.cfg.Store.Record(store.Everyone, id)
	switch {
	case err != nil:
		s.unread(id, err)
	case rec.GetPhase() != storev1.Phase_PHASE_UNSPECIFIED:
		j := rec.GetJob()
		s.mu.Lock()
		s.policy.Remove(id) // in case it waited
		s.policy.AddRunning(l.name, waitingJob(id, j.GetOwner(), j.GetPriority(), job.Given(j)), job.Attempt(j).GetCreateTime().AsTime())
		l.gpus.keep(id, heldBy(rec))
		s.mu.Unlock()
		s.launch(ctx, l, id, rec, heldBy(rec))
	default:
	}
}

// forget takes a job that will not start out of the queues.
func (s *Scheduler) forget(id job.ID) {
	delete(s.short, id)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.policy.Remove(id)
}

// drop forgets a job that is final or gone.
func (s *Scheduler) drop(id job.ID) {
	s.forget(id)
	s.delays.forget(id)
}

// concluded takes in a job whose follower has ended. One that it did not bring to the end of its
// attempt, and that is still to be started or followed, has a backoff.
func (s *Scheduler) concluded(ctx context.Context, r *run) {
	s.release(r)
	switch {
	case r.damage != nil:
		s.putAside(r.id, r.damage)
	case r.settled:
		s.delays.settled(r.id)
		s.takeInAll(ctx, []job.ID{r.id})
	default:
		s.delays.again(r.id)
	}
}

// takeDelayed takes in the jobs whose wait is over.
func (s *Scheduler) takeDelayed(ctx context.Context) {
	for some := range slices.Chunk(s.delays.due(time.Now()), intakeBatch) {
		s.takeInAll(ctx, some)
	}
}
