package index

import (
	"context"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// stateCounts counts jobs by state.
type stateCounts [stateCount]int64

func (c *stateCounts) message() *jobsv1.StateCounts {
	return &jobsv1.StateCounts{
		Queued: c[jobsv1.State_STATE_QUEUED], Running: c[jobsv1.State_STATE_RUNNING],
		Completed: c[jobsv1.State_STATE_COMPLETED], Failed: c[jobsv1.State_STATE_FAILED], Cancelled: c[jobsv1.State_STATE_CANCELLED],
	}
}

// counters are exact counts by service and state, with their sum. The zero value counts nothing.
type counters struct {
	total    stateCounts
	services map[uint32]*stateCounts // those that have jobs, by number
}

func (c *counters) add(service uint32, state uint8, n int64) {
	of := c.services[service]
	if of == nil {
		if c.services == nil {
			c.services = make(map[uint32]*stateCounts)
		}
		of = new(stateCounts)
		c.services[service] = of
	}
	of[state] += n
	c.total[state] += n
	if *of == (stateCounts{}) {
		delete(c.services, service)
	}
}

// byName returns the counts by service.
func (c *counters) byName(names []string) map[string]*jobsv1.StateCounts {
	m := make(map[string]*jobsv1.StateCounts, len(c.services))
	for service, counts := range c.services {
		m[names[service]] = counts.message()
	}
	return m
}

// Summarize returns the exact counts of the jobs in the scope by service and state, and the revision that they hold at.
func (ix *Index) Summarize(scope Scope) (*jobsv1.Summary, uint64) {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	c := ix.countersOf(scope)
	return &jobsv1.Summary{Total: c.total.message(), Services: c.byName(ix.services.names)}, ix.revision
}

// Count is Summarize for the jobs that a query asks for. Each counts as it is when the count comes by: changes after the revision
// may be counted already. The query's order, cursor and limit do not count.
func (ix *Index) Count(ctx context.Context, q Query) (*jobsv1.Summary, uint64, error) {
	ix.mu.RLock()
	revision := ix.revision
	p, ok := ix.plan(&q)
	if !ok {
		ix.mu.RUnlock()
		return &jobsv1.Summary{Total: &jobsv1.StateCounts{}}, revision, nil
	}
	s := ix.newScan(&p, ix.candidates(&p.condition), false)
	ix.mu.RUnlock()
	var total stateCounts
	services := make(map[string]*stateCounts)
	err := s.each(ctx, func(e *Entry) bool {
		of := services[e.Service()]
		if of == nil {
			of = new(stateCounts)
			services[e.Service()] = of
		}
		of[e.State()]++
		total[e.State()]++
		return true
	})
	sum := &jobsv1.Summary{Total: total.message(), Services: make(map[string]*jobsv1.StateCounts, len(services))}
	for service, of := range services {
		sum.Services[service] = of.message()
	}
	return sum, revision, err
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
