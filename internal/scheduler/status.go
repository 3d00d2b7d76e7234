package scheduler

import (
	"maps"
	"slices"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/job"
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
		st.Resources = s.counted(l)
		s.mu.Unlock()
		all = append(all, st)
	}
	return all
}

// counted returns what else of an executor's capacity is counted, by name.
func (s *Scheduler) counted(l *lane) []*adminv1.CountedResource {
	var all []*adminv1.CountedResource
	for _, name := range slices.Sorted(maps.Keys(l.engine.Capacity)) {
		if total := l.engine.Capacity[name]; name != policy.CPUs && name != policy.Memory && name != policy.Slots && total > 0 {
			all = append(all, &adminv1.CountedResource{Name: name, Used: s.policy.Used(l.name, name), Total: total})
		}
	}
	return all
}

// Has reports whether there is an executor of that name.
func (s *Scheduler) Has(name string) bool { return s.lanes[name] != nil }

// Never returns what of r the executor can never give, by the fields of r, as clients write them.
func (s *Scheduler) Never(name string, r *jobsv1.Resources) job.Violations {
	s.mu.Lock()
	defer s.mu.Unlock()
	var wrong job.Violations
	for _, why := range s.policy.Never(name, needs(r)) {
		wrong.Add(resourceField(why.Resource), "%s", neverWords(why))
	}
	return wrong
}
