package scheduler

import (
	"context"
	"errors"
	"sync"

	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
)

// words are the reasons of waiting jobs that are not stored yet. They are
// written beside the scheduling, which must not wait for the disk to explain itself; of
// several for one job the last counts.
type words struct {
	said map[job.ID]why // of Run's goroutine: what was said last, of jobs that still wait
	mu   sync.Mutex
	next map[job.ID]why
	wake chan struct{}
}

func newWords() words {
	return words{said: make(map[job.ID]why), next: make(map[job.ID]why), wake: make(chan struct{}, 1)}
}

// say notes why a job waits. What was said already costs nothing.
func (w *words) say(id job.ID, reason why) {
	if w.said[id] == reason {
		return
	}
	w.said[id] = reason
	w.mu.Lock()
	w.next[id] = reason
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// forget is for a job that waits no more.
func (w *words) forget(id job.ID) { delete(w.said, id) }

func (w *words) take() map[job.ID]why {
	w.mu.Lock()
	defer w.mu.Unlock()
	got := w.next
	w.next = make(map[job.ID]why)
	return got
}

// write stores the reasons until ctx ends.
func (w *words) write(ctx context.Context, s *Scheduler) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
		}
		for id, reason := range w.take() {
			_, err := s.cfg.Store.Update(ctx, store.Everyone, id, waits(reason))
			if err != nil && ctx.Err() == nil && !errors.Is(err, job.ErrNotFound) {
				s.log.Warn("store why a job waits", "job", id, "error", err)
			}
		}
	}
}
