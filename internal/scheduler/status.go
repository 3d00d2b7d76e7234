package scheduler

import (
	"maps"
	"slices"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/scheduler/policy"
)

// Status returns the health and the use of every executor, sorted by name.
func (s *Scheduler) Status() []*adminv1.ExecutorStatus {
	var all []*adminv1.ExecutorStatus
	for _, name := range slices.Sorted(maps.Keys(s.lanes)) {
		l := s.lanes[name]
		st := &adminv1.ExecutorStatus{Healthy: true}
		if rep, ok := l.engine.Executor.(executor.Reporter); ok {
			st = rep.Status()
		}
		st.Name = name
		st.TotalCpus, st.TotalMemoryBytes = int32(l.engine.Capacity[policy.CPUs]), l.engine.Capacity[policy.Memory] //nolint:gosec // cores of a machine
		s.mu.Lock()
		st.ActiveJobs = int32(s.policy.Active(name))                                                                  //nolint:gosec // bounded by memory far below 2^31
		st.UsedCpus, st.UsedMemoryBytes = int32(s.policy.Used(name, policy.CPUs)), s.policy.Used(name, policy.Memory) //nolint:gosec // likewise
		s.mu.Unlock()
		all = append(all, st)
	}
	return all
}

// Has reports whether there is an executor of that name.
func (s *Scheduler) Has(name string) bool { return s.lanes[name] != nil }

// Never returns what of r the executor can never give: the field, and the reason in words. The
// words are "" for what it can.
func (s *Scheduler) Never(name string, r *jobsv1.Resources) (field, message string) {
	need := needs(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	resource, total, ok := s.policy.Fits(name, need)
	if ok {
		return "", ""
	}
	return resourceFields[resource], never(resource, need[resource], total)
}
