package scheduler

import (
	"context"
	"fmt"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
)

const (
	// maxBlocked is how many owners whose first job does not fit are looked past in one round.
	maxBlocked = 16
	// maxPassed is how often a job that does not fit may be overtaken by others
	// that do. Then the executor runs empty until it fits, so that no job starves.
	maxPassed = 64
)

// place starts every waiting job that may start now.
func (s *Scheduler) place(ctx context.Context) {
	for _, l := range s.lanes {
		s.placeOn(ctx, l)
	}
}

func (s *Scheduler) placeOn(ctx context.Context, l *lane) {
	blocked := make(map[string]bool)
	for ctx.Err() == nil && len(blocked) < maxBlocked {
		if c := l.engine.Capacity; c.Jobs > 0 && l.used.jobs >= c.Jobs {
			return
		}
		next := l.queue.best(func(owner string) int { return l.owners[owner] }, blocked)
		if next == nil {
			return
		}
		w := next.jobs[0]
		rec, ok := s.candidate(w.id)
		if !ok {
			continue
		}
		block := s.obstacle(l, next.owner, rec.GetJob().GetResources())
		if block.message == "" {
			s.start(ctx, l, w.id, rec)
			for owner := range blocked {
				s.overtaken(l, owner)
			}
			continue
		}
		blocked[next.owner] = true
		s.words.say(w.id, block)
		if l.passed[w.id] >= maxPassed {
			return // nothing overtakes it any more
		}
	}
}

// candidate reads the job at the head of a line. One that may not start any more leaves the queue, and so does one that
// cannot be read, which comes back when it can.
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

// why says what keeps a job from starting.
type why struct {
	reason  jobsv1.Reason
	message string
}

func (s *Scheduler) obstacle(l *lane, owner string, r *jobsv1.Resources) why {
	if s.cfg.Held != nil {
		if message := s.cfg.Held(); message != "" {
			return why{jobsv1.Reason_REASON_WAITING_FOR_RESOURCES, message}
		}
	}
	if most := s.cfg.MaxActivePerOwner; most > 0 && s.activeOf(owner) >= most {
		return why{
			jobsv1.Reason_REASON_WAITING_FOR_TURN,
			fmt.Sprintf("Waiting for one of your own jobs to end: each user may have %d on the executors at a time.", most),
		}
	}
	return why{jobsv1.Reason_REASON_WAITING_FOR_RESOURCES, l.engine.Capacity.shortage(l.used, r)}
}

func (s *Scheduler) activeOf(owner string) int {
	n := 0
	for _, l := range s.lanes {
		n += l.owners[owner]
	}
	return n
}

func (s *Scheduler) overtaken(l *lane, owner string) {
	if line := l.queue.lines[owner]; line != nil {
		l.passed[line.jobs[0].id]++
	}
}

// start takes a job out of the queue and follows it.
func (s *Scheduler) start(ctx context.Context, l *lane, id job.ID, rec *storev1.Record) {
	s.mu.Lock()
	l.queue.take(id)
	s.words.forget(id)
	delete(l.passed, id)
	s.mu.Unlock()
	s.launch(ctx, l, id, rec)
}

// launch gives a job its share of the capacity and a goroutine that follows it.
func (s *Scheduler) launch(ctx context.Context, l *lane, id job.ID, rec *storev1.Record) {
	r := &run{
		s: s, id: id, owner: rec.GetJob().GetOwner(), lane: l, needs: rec.GetJob().GetResources(),
		attempt: int(job.Attempt(rec.GetJob()).GetNumber()), phase: rec.GetPhase(), handle: executor.Handle(rec.GetHandle()),
		cancelled: make(chan struct{}),
	}
	if rec.GetJob().GetCancelTime() != nil {
		r.cancel()
	}
	s.mu.Lock()
	s.active[id] = r
	l.used.add(r.needs)
	l.owners[r.owner]++
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
	r.lane.used.sub(r.needs)
	if r.lane.owners[r.owner]--; r.lane.owners[r.owner] == 0 {
		delete(r.lane.owners, r.owner)
	}
}
