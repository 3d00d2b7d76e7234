package store

import (
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// stateCounts counts jobs by state.
type stateCounts [stateCount]int64

// sum adds up the states of a mask.
func (c *stateCounts) sum(states uint8) int64 {
	var n int64
	for s, k := range c {
		if states&(1<<s) != 0 {
			n += k
		}
	}
	return n
}

func (c *stateCounts) message() *jobsv1.StateCounts {
	return &jobsv1.StateCounts{
		Queued:    c[jobsv1.State_STATE_QUEUED],
		Running:   c[jobsv1.State_STATE_RUNNING],
		Completed: c[jobsv1.State_STATE_COMPLETED],
		Failed:    c[jobsv1.State_STATE_FAILED],
		Cancelled: c[jobsv1.State_STATE_CANCELLED],
	}
}

// counters are exact counts by service and state, with their sum.
type counters struct {
	total    stateCounts
	services []serviceCounts // in no order: an owner uses few
}

type serviceCounts struct {
	service uint32
	counts  stateCounts
}

// add counts n more jobs of a service in a state; n may be negative.
func (c *counters) add(service uint32, state int, n int64) {
	c.total[state] += n
	for i := range c.services {
		if c.services[i].service == service {
			c.services[i].counts[state] += n
			if n < 0 && c.services[i].counts == (stateCounts{}) {
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

// of are the counts of one service, or of all.
func (c *counters) of(service int) *stateCounts {
	if service == anyService {
		return &c.total
	}
	for i := range c.services {
		if int(c.services[i].service) == service {
			return &c.services[i].counts
		}
	}
	return &stateCounts{}
}

const (
	anyService = -1
	anyOwner   = -1
	allStates  = 1<<stateCount - 1
	active     = 1<<jobsv1.State_STATE_QUEUED | 1<<jobsv1.State_STATE_RUNNING
)
