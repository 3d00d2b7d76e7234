package index

import (
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// StateCounts counts jobs by state.
type StateCounts [stateCount]int64

// Of returns the count of a state.
func (c *StateCounts) Of(s jobsv1.State) int64 { return c[stateIndex(s)] }

// sum adds up the states of a mask.
func (c *StateCounts) sum(states uint8) int64 {
	var n int64
	for s, k := range c {
		if states&(1<<s) != 0 {
			n += k
		}
	}
	return n
}

// counters are exact counts by service and state, with their sum.
type counters struct {
	total    StateCounts
	services []serviceCounts // in no order: an owner uses few
}

type serviceCounts struct {
	service uint32
	counts  StateCounts
}

// add counts n more jobs of a service in a state; n may be negative.
func (c *counters) add(service uint32, state int, n int64) {
	c.total[state] += n
	for i := range c.services {
		if c.services[i].service == service {
			c.services[i].counts[state] += n
			if n < 0 && c.services[i].counts == (StateCounts{}) {
				last := len(c.services) - 1
				c.services[i] = c.services[last]
				c.services = c.services[:last]
			}
			return
		}
	}
	s := serviceCounts{service: service}
	s.counts[state] = n
	c.services = append(c.services, s)
}

// of returns the counts of one service, or of all.
func (c *counters) of(service int) *StateCounts {
	if service == anyService {
		return &c.total
	}
	for i := range c.services {
		if int(c.services[i].service) == service {
			return &c.services[i].counts
		}
	}
	return &StateCounts{}
}

const (
	anyService   = -1
	anyOwner     = -1
	allStates    = 1<<stateCount - 1
	activeStates = 1<<jobsv1.State_STATE_QUEUED | 1<<jobsv1.State_STATE_RUNNING
)

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
	sum := Summary{Total: c.total, Services: make(map[string]StateCounts, len(c.services)), Revision: ix.revision}
	for i := range c.services {
		sum.Services[ix.services.list[c.services[i].service]] = c.services[i].counts
	}
	return sum
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
	if _, o := ix.owners.find(scope.Owner); o != nil {
		return &o.counters
	}
	return &counters{}
}
