package store

import (
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// Summarize answers the exact counts of the jobs in the scope by service and state.
func (s *Store) Summarize(scope Scope) *jobsv1.Summary {
	s.ix.mu.RLock()
	defer s.ix.mu.RUnlock()
	c := s.ix.countersOf(scope)
	sum := &jobsv1.Summary{
		Total:    c.total.message(),
		Services: make(map[string]*jobsv1.StateCounts, len(c.services)),
		Revision: s.ix.revision,
	}
	for i := range c.services {
		k := &c.services[i]
		sum.Services[s.ix.services.list[k.service]] = k.counts.message()
	}
	return sum
}

// Load answers how many jobs of the scope are queued and how many are running.
func (s *Store) Load(scope Scope) (queued, running int) {
	s.ix.mu.RLock()
	defer s.ix.mu.RUnlock()
	c := s.ix.countersOf(scope)
	return int(c.total[jobsv1.State_STATE_QUEUED]), int(c.total[jobsv1.State_STATE_RUNNING])
}

// countersOf are the counters of a scope. The caller holds mu.
func (ix *index) countersOf(scope Scope) *counters {
	if scope.All {
		return &ix.counts
	}
	if _, w := ix.owners.find(scope.Owner); w != nil {
		return &w.counters
	}
	return &counters{}
}
