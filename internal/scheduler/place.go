package scheduler

import (
	"context"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

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
			next, head := s.decide(name)
			if head != next {
				s.noteShort(l, head)
			}
			if next == 0 {
				break
			}
			if rec, ok := s.candidate(next); ok {
				s.start(ctx, l, next, rec)
			}
		}
	}
}

// decide returns the job that starts next on an executor, and the one whose turn it is; 0 is none.
func (s *Scheduler) decide(executor string) (next, head job.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cfg.OnDecision == nil {
		return s.policy.Next(executor, time.Now()).Start, s.policy.Head(executor)
	}
	runtime.LockOSThread() // whose time is measured
	defer runtime.UnlockOSThread()
	begin := threadTime()
	next = s.policy.Next(executor, time.Now()).Start
	s.cfg.OnDecision(threadTime() - begin)
	return next, s.policy.Head(executor)
}

// threadTime is the processor time that the thread has had.
func threadTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
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
	given := l.gpus.take(id, rec.GetJob().GetResources().GetGpus())
	s.mu.Unlock()
	s.launch(ctx, l, id, rec, given)
}

// launch gives a job that has its share of the capacity, and GPUs, a goroutine that follows it.
func (s *Scheduler) launch(ctx context.Context, l *lane, id job.ID, rec *storev1.Record, given []int32) {
	r := &run{
		s: s, id: id, lane: l, gpus: given,
		attempt: int(job.Attempt(rec.GetJob()).GetNumber()), phase: rec.GetPhase(), handle: executor.Handle(rec.GetHandle()),
		cancelled: make(chan struct{}), started: time.Now(), short: s.short[id],
	}
	delete(s.short, id)
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
	s.released++
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.active, r.id)
	s.policy.Remove(r.id)
	r.lane.gpus.giveBack(r.id)
}
