package scheduler

import (
	"slices"

	"github.com/stint-jobs/stint/internal/job"
)

// putAside quarantines a job whose record cannot be decoded: it neither waits nor is it followed
// until its record changes, and all others go on. It is logged once for each change of the record.
func (s *Scheduler) putAside(id job.ID, err error) {
	s.forget(id)
	s.mu.Lock()
	_, known := s.quarantine[id]
	s.quarantine[id] = err
	s.mu.Unlock()
	if !known {
		s.log.Error("put a job aside: its record cannot be read", "job", id, "error", err)
	}
}

// endQuarantine is for a job whose record changed or which is gone.
func (s *Scheduler) endQuarantine(id job.ID) {
	s.mu.Lock()
	delete(s.quarantine, id)
	s.mu.Unlock()
}

// quarantined reports whether a job was put aside.
func (s *Scheduler) quarantined(id job.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.quarantine[id]
	return ok
}

// Quarantined returns the jobs that are not scheduled because their records cannot be read, in the
// order of ids.
func (s *Scheduler) Quarantined() []job.ID {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := make([]job.ID, 0, len(s.quarantine))
	for id := range s.quarantine {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}
