package policy

import (
	"maps"
	"slices"
	"time"

	"github.com/stint-jobs/stint/internal/job"
)

// Job is what the policy knows of a job.
type Job struct {
	// ID orders jobs by age.
	ID job.ID
	// Owner whose turn it takes.
	Owner string
	// Priority among the owner's jobs; higher goes first.
	Priority int32
	// Need is what the job holds while it is active.
	Need Resources
	// Limit bounds how long it runs. 0 is no bound.
	Limit time.Duration
}

// Share is how much of the executors an owner should have.
type Share struct {
	// Group that the owner shares with others. Empty is a group of their own, with their own
	// weight.
	Group string
	// Weight among the owners of the group. 0 is 1.
	Weight float64
}

// Config says what there is and who may have how much of it.
type Config struct {
	// Executors are the capacities by name. Cores, memory, GPUs and slots that a capacity does not
	// name are not bounded there. Of any other resource that it does not name there is none.
	Executors map[string]Resources
	// MaxActivePerOwner bounds the active jobs of one owner on all executors together. 0 is no
	// bound.
	MaxActivePerOwner int
	// Shares by owner. Owners without one have the weight 1.
	Shares map[string]Share
	// Groups are the weights of groups. A group without one has the weight 1.
	Groups map[string]float64
}

// Policy has what waits and what runs. Its methods must not be called at the same time.
type Policy struct {
	lanes     map[string]*lane
	jobs      map[job.ID]*entry
	active    map[string]int // jobs by owner
	maxActive int
	shares    map[string]Share
	groups    map[string]float64
	never     map[job.ID]Why // waiting jobs that can never start
}

// Decision is what happens next on an executor.
type Decision struct {
	// Start is the job that starts now; 0 is none.
	Start job.ID
	// Reservation is that of the job which Start overtakes, or because of which nothing starts.
	Reservation Reservation
}

// New returns a policy without jobs.
func New(cfg Config) *Policy {
	p := &Policy{
		lanes: make(map[string]*lane), jobs: make(map[job.ID]*entry), active: make(map[string]int), never: make(map[job.ID]Why),
		maxActive: cfg.MaxActivePerOwner, shares: cfg.Shares, groups: cfg.Groups,
	}
	for name, capacity := range cfg.Executors {
		p.lanes[name] = newLane(p, capacity)
	}
	return p
}

// Add takes in a waiting job. One that is known, or of an executor that is not, changes nothing.
func (p *Policy) Add(executor string, j Job) {
	e := p.entry(executor, j)
	if e == nil {
		return
	}
	switch never := e.lane.never(j.Need); {
	case never != nil:
		p.never[j.ID] = never[0]
	default:
		p.jobs[j.ID] = e
		e.owner = e.lane.ownerOf(j.Owner)
		e.lane.add(e)
	}
}

// AddRunning takes in a job that was found running since a time, whether there is room for it or
// not.
func (p *Policy) AddRunning(executor string, j Job, since time.Time) {
	if e := p.entry(executor, j); e != nil {
		p.jobs[j.ID] = e
		e.owner = e.lane.ownerOf(j.Owner)
		e.lane.run(e, since)
		p.count(j.Owner, 1)
	}
}

func (p *Policy) entry(executor string, j Job) *entry {
	l := p.lanes[executor]
	if l == nil || p.jobs[j.ID] != nil || p.never[j.ID].Reason != Unknown {
		return nil
	}
	e := &entry{id: j.ID, priority: j.Priority, lane: l, cost: max(1, j.Need[CPUs]), bound: bound{need: l.need(j.Need), time: forever}}
	if j.Limit > 0 {
		e.bound.time = int64(j.Limit)
	}
	return e
}

// Remove takes out a job, whether it waits or is active. One that is not known changes nothing.
func (p *Policy) Remove(id job.ID) {
	delete(p.never, id)
	e := p.jobs[id]
	if e == nil {
		return
	}
	delete(p.jobs, id)
	if !e.running {
		e.lane.remove(e)
		return
	}
	name := e.owner.name
	e.lane.end(e)
	p.count(name, -1)
}

// Waiting returns the jobs that wait, in no order.
func (p *Policy) Waiting() []job.ID {
	ids := slices.Collect(maps.Keys(p.never))
	for id, e := range p.jobs {
		if !e.running {
			ids = append(ids, id)
		}
	}
	return ids
}

// Next returns what happens next on an executor. It changes nothing: until Start or another change
// it returns the same.
func (p *Policy) Next(executor string, now time.Time) Decision {
	l := p.lanes[executor]
	if l == nil {
		return Decision{}
	}
	e, r := l.next(now)
	if e == nil {
		return Decision{Reservation: r}
	}
	return Decision{Start: e.id, Reservation: r}
}

// Start makes a waiting job active.
func (p *Policy) Start(id job.ID, now time.Time) {
	if e := p.jobs[id]; e != nil && !e.running {
		e.lane.start(e, now)
		p.count(e.owner.name, 1)
	}
}

// Never returns why a job that needs this can never start on an executor, one reason for each
// resource of which there is not enough; nil where it can.
func (p *Policy) Never(executor string, need Resources) []Why {
	if l := p.lanes[executor]; l != nil {
		return l.never(need)
	}
	return nil
}

// Used returns how much of a resource active jobs hold on an executor.
func (p *Policy) Used(executor, resource string) int64 {
	if l := p.lanes[executor]; l != nil {
		for i, name := range l.names {
			if name == resource {
				return l.total[i] - l.free[i]
			}
		}
	}
	return 0
}

// Active counts the active jobs of an executor.
func (p *Policy) Active(executor string) int {
	if l := p.lanes[executor]; l != nil {
		return len(l.running)
	}
	return 0
}

// count notes that an owner has n more active jobs, and makes them a candidate or none.
func (p *Policy) count(owner string, n int) {
	was := p.atCap(owner)
	if p.active[owner] += n; p.active[owner] == 0 {
		delete(p.active, owner)
	}
	if is := p.atCap(owner); is != was {
		for _, l := range p.lanes {
			l.setCapped(owner, is)
		}
	}
}

func (p *Policy) atCap(owner string) bool { return p.maxActive > 0 && p.active[owner] >= p.maxActive }
