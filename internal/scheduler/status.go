package scheduler

import (
	"maps"
	"slices"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
)

// Status answers the health and the use of every executor, sorted by name.
func (s *Scheduler) Status() []*adminv1.ExecutorStatus {
	var all []*adminv1.ExecutorStatus
	for _, name := range slices.Sorted(maps.Keys(s.lanes)) {
		l := s.lanes[name]
		st := &adminv1.ExecutorStatus{Healthy: true}
		if rep, ok := l.engine.Executor.(executor.Reporter); ok {
			st = rep.Status()
		}
		st.Name = name
		st.TotalCpus, st.TotalMemoryBytes = l.engine.Capacity.CPUs, l.engine.Capacity.MemoryBytes
		s.mu.Lock()
		st.ActiveJobs = int32(l.used.jobs) //nolint:gosec // bounded by memory far below 2^31
		st.UsedCpus, st.UsedMemoryBytes = l.used.cpus, l.used.memory
		s.mu.Unlock()
		all = append(all, st)
	}
	return all
}

// Has reports whether there is an executor of that name.
func (s *Scheduler) Has(name string) bool { return s.lanes[name] != nil }

// Never says why a job that asks for r can never start on the executor, or "".
func (s *Scheduler) Never(name string, r *jobsv1.Resources) string {
	if l := s.lanes[name]; l != nil {
		return l.engine.Capacity.never(r)
	}
	return ""
}

// Forecast says what a job that asks for r would wait for now, or "".
func (s *Scheduler) Forecast(name string, r *jobsv1.Resources) string {
	l := s.lanes[name]
	if l == nil {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return l.engine.Capacity.shortage(l.used, r)
}
