package index

import (
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// StateCounts counts jobs by state.
type StateCounts [stateCount]int64

// Of returns the count of a state.
func (c *StateCounts) Of(s jobsv1.State) int64 { return c[stateIndex(s)] }

// counters are exact counts by service and state, with their sum. The zero value counts nothing.
type counters struct {
	total    StateCounts
	services map[uint32]*StateCounts // those that have jobs, by number
}

// add counts n more jobs of a service in a state; n may be negative.
func (c *counters) add(service uint32, state uint8, n int64) {
	of := c.services[service]
	if of == nil {
		if c.services == nil {
			c.services = make(map[uint32]*StateCounts)
		}
		of = new(StateCounts)
		c.services[service] = of
	}
	of[state] += n
	c.total[state] += n
	if *of == (StateCounts{}) {
		delete(c.services, service)
	}
}

// byName returns the counts by service, with the names that the numbers stand for.
func (c *counters) byName(names []string) map[string]StateCounts {
	m := make(map[string]StateCounts, len(c.services))
	for service, counts := range c.services {
		m[names[service]] = *counts
	}
	return m
}

// Summary has the exact counts of the jobs in a scope.
type Summary struct {
	// Total of all services.
	Total StateCounts
	// Services are the counts by service. One without jobs is left out.
	Services map[string]StateCounts
	// Revision that they are of.
	Revision uint64
}

// Summarize returns the exact counts of the jobs in the scope by service and state.
func (ix *Index) Summarize(scope Scope) Summary {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	c := ix.countersOf(scope)
	return Summary{Total: c.total, Services: c.byName(ix.services.names), Revision: ix.revision}
}

// Load returns how many jobs of the scope are queued and how many are running.
func (ix *Index) Load(scope Scope) (queued, running int) {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	c := ix.countersOf(scope)
	return int(c.total[jobsv1.State_STATE_QUEUED]), int(c.total[jobsv1.State_STATE_RUNNING])
}

// countersOf returns the counters of a scope. The caller holds mu.
func (ix *Index) countersOf(scope Scope) *counters {
	if scope.All {
		return &ix.counts
	}
	if o := ix.owners.find(scope.Owner); o != nil {
		return &o.counts
	}
	return &counters{}
}
