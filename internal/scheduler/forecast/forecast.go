// Package forecast says when waiting jobs will start and end on an executor. It does no I/O: it is
// told what waits and runs, as a copy of the policy that decides, and how long jobs may take.
//
// Method. The same policy is run forward, several times: in each run every job takes a time drawn
// from what is known of its kind, and the earliest and the latest start of a job in all runs are the
// range. If the real times are draws from the same distributions, the real start is as likely as any
// of the others to be the first or the last of all. So with R runs it is in the range with
// probability (R-1)/(R+1), whatever the distributions are: 90 % with 19 runs. See Wilks,
// "Determination of Sample Sizes for Setting Tolerance Limits", Annals of Mathematical Statistics
// 12(1), 1941.
//
// The place of a job in the order comes from one more run in which each job takes its median time.
// There one of which nothing is known takes an hour: whatever it takes, those behind it have a place,
// though it is not known when they start.
//
// Arrivals. Jobs that come later may be given a turn before those that wait. What came lately comes
// again in the runs, at random times, but not in that for the places. A few arrivals say little of
// their rate and of their kinds: each run draws both anew from what they may have been, which is the
// bootstrap of Efron, "Bootstrap Methods: Another Look at the Jackknife", Annals of Statistics 7(1),
// 1979.
package forecast

import (
	"container/heap"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/scheduler/policy"
)

// Runs is how often the policy is run with times drawn at random.
const Runs = 19

const (
	// maxSteps bounds the events of one run for each job that is in it at the start.
	maxSteps = 6
	// maxArrivals bounds the jobs that come in one run.
	maxArrivals = 1 << 20
	// unknownTime is what a job of which nothing is known takes in the run for the places.
	unknownTime = time.Hour
)

// Question is what there is, and what is known of it.
type Question struct {
	// Policy has what runs and waits. It is not changed.
	Policy *policy.Policy
	// Executor of the policy.
	Executor string
	// Now is the present time.
	Now time.Time
	// Duration returns how long a job takes in all that has run for a while: the quantile u, between
	// 0 and 1, of the times that are longer than that. Nil, and false, are for what is not known.
	Duration func(id job.ID, ran time.Duration, u float64) (time.Duration, bool)
	// Arrivals are the jobs that came lately, and Over is in how long a time they came. Their ids are
	// for Duration.
	Arrivals []policy.Job
	Over     time.Duration
	// Seed makes the draws. The same question has the same answer.
	Seed uint64
}

// Range is a time with the earliest and the latest that it may be.
type Range struct {
	// Expected is the median.
	Expected time.Time
	// Earliest and Latest bound it with a probability of 90 %. Latest is zero where no such bound is
	// known: jobs that come later, or of which nothing is known, may go before.
	Earliest, Latest time.Time
}

// Expectation is what is expected of a job.
type Expectation struct {
	// Ahead is how many jobs start before it, and Owners is how many owners they have. They are set
	// where Placed is.
	Ahead, Owners int
	Placed        bool
	// Start of a waiting job, and End. Zero where that is not known: there it depends on jobs of
	// which Duration knows nothing.
	Start, End Range
}

// Of returns what is expected of every job of the policy that is active or waits.
func Of(q Question) map[job.ID]Expectation {
	jobs := q.Policy.Jobs(q.Executor)
	all := make([]*run, 0, Runs)
	for i := range Runs {
		r := newRun(&q, jobs, rand.New(rand.NewPCG(q.Seed, uint64(i)))) //nolint:gosec // draws, no secrets
		r.forward()
		all = append(all, r)
	}
	typical := newRun(&q, jobs, nil)
	typical.forward()
	result := make(map[job.ID]Expectation, len(jobs))
	for _, j := range jobs {
		e := Expectation{End: rangeOf(all, func(r *run) time.Time { return r.ends[j.ID] })}
		if !j.Running {
			e.Start = rangeOf(all, func(r *run) time.Time { return r.starts[j.ID] })
		}
		result[j.ID] = e
	}
	owners := make(map[string]bool)
	for i, p := range typical.order {
		e := result[p.ID]
		e.Ahead, e.Owners, e.Placed = i, len(owners), true
		result[p.ID] = e
		owners[p.Owner] = true
	}
	return result
}

// rangeOf is the range of a time in all runs, zero where half of them or more have none.
func rangeOf(all []*run, of func(*run) time.Time) Range {
	times := make([]time.Time, 0, len(all))
	for _, r := range all {
		if t := of(r); !t.IsZero() {
			times = append(times, t)
		}
	}
	if len(times) <= len(all)/2 {
		return Range{}
	}
	slices.SortFunc(times, time.Time.Compare)
	x := Range{Earliest: times[0], Expected: times[len(all)/2]}
	if len(times) == len(all) {
		x.Latest = times[len(times)-1]
	}
	return x
}

// run is one run of the policy.
type run struct {
	q       *Question
	rng     *rand.Rand // nil for the run in which each job takes its median time
	p       *policy.Policy
	now     time.Time
	jobs    map[job.ID]policy.Placed // of the question
	waiting int                      // of them
	order   []policy.Placed          // of the question, as they start
	ahead   ends
	pool    []policy.Job         // what arrivals are like
	gap     time.Duration        // between two of them, in the mean
	next    time.Time            // of the next arrival; zero where none comes
	like    map[job.ID]job.ID    // the job that an arrival is like
	starts  map[job.ID]time.Time // of jobs of the question that waited
	ends    map[job.ID]time.Time // of jobs of the question
}

func newRun(q *Question, jobs []policy.Placed, rng *rand.Rand) *run {
	p, _ := q.Policy.Copy(q.Executor, len(jobs))
	r := &run{
		q: q, rng: rng, p: p, now: q.Now, jobs: make(map[job.ID]policy.Placed, len(jobs)), like: make(map[job.ID]job.ID),
		starts: make(map[job.ID]time.Time, len(jobs)), ends: make(map[job.ID]time.Time, len(jobs)),
	}
	for _, j := range jobs {
		r.jobs[j.ID] = j
		if j.Running {
			r.runs(j.ID, j.Since)
		} else {
			r.waiting++
		}
	}
	r.expectArrivals()
	return r
}

// expectArrivals draws how many jobs come in this run, and of which kinds.
func (r *run) expectArrivals() {
	n := len(r.q.Arrivals)
	if r.rng == nil || n == 0 || r.q.Over <= 0 {
		return
	}
	gaps := 0.0
	for range n {
		r.pool = append(r.pool, r.q.Arrivals[r.rng.IntN(n)])
		gaps += r.rng.ExpFloat64()
	}
	// Of a rate that gave n arrivals in a time, the inverse is distributed as that time by the sum of n gaps.
	r.gap = time.Duration(float64(r.q.Over) / gaps)
	r.expectNext()
}

func (r *run) expectNext() { r.next = r.now.Add(time.Duration(r.rng.ExpFloat64() * float64(r.gap))) }

// forward goes on until every job of the question has an end, or it is not known when it starts.
func (r *run) forward() {
	for range maxSteps * (1 + len(r.jobs)) {
		r.place()
		switch {
		case r.waiting == 0 || len(r.ahead) == 0:
			return
		case !r.next.IsZero() && r.next.Before(r.ahead[0].at):
			r.now = r.next
			r.arrive()
		default:
			first, _ := heap.Pop(&r.ahead).(end)
			r.now = first.at
			r.p.Remove(first.id)
		}
	}
}

// place starts what may start now.
func (r *run) place() {
	for {
		d := r.p.Next(r.q.Executor, r.now)
		if d.Start == 0 {
			return
		}
		r.p.Start(d.Start, r.now)
		if j, ok := r.jobs[d.Start]; ok {
			r.starts[d.Start] = r.now
			r.order = append(r.order, j)
			r.waiting--
		}
		r.runs(d.Start, r.now)
	}
}

// runs draws when a job ends that runs since a time.
func (r *run) runs(id job.ID, since time.Time) {
	u := 0.5
	if r.rng != nil {
		u = r.rng.Float64()
	}
	known := id
	if like, ok := r.like[id]; ok {
		known = like
	}
	ran := max(0, r.now.Sub(since))
	took, ok := r.q.Duration(known, ran, u)
	switch {
	case ok:
	case r.rng == nil:
		took = ran + unknownTime
	default:
		return
	}
	at := since.Add(took)
	if at.Before(r.now) {
		at = r.now
	}
	if _, ok := r.jobs[id]; ok {
		r.ends[id] = at
	}
	heap.Push(&r.ahead, end{id: id, at: at})
}

// arrive adds the job that comes now.
func (r *run) arrive() {
	j := r.pool[r.rng.IntN(len(r.pool))]
	like := j.ID
	j.ID = ^job.ID(0) - maxArrivals + job.ID(len(r.like)) // which no job has, and behind all that wait
	r.like[j.ID] = like
	r.p.Add(r.q.Executor, j)
	if r.expectNext(); len(r.like) == maxArrivals {
		r.next = time.Time{}
	}
}

// end is when a job ends.
type end struct {
	id job.ID
	at time.Time
}

// ends orders them for container/heap.
type ends []end

func (e ends) Len() int { return len(e) }
func (e ends) Less(i, j int) bool {
	return e[i].at.Before(e[j].at) || e[i].at.Equal(e[j].at) && e[i].id < e[j].id
}
func (e ends) Swap(i, j int) { e[i], e[j] = e[j], e[i] }

// Push appends; it is called by container/heap.
func (e *ends) Push(x any) { *e = append(*e, x.(end)) } //nolint:errcheck,forcetypeassert // only runs pushes

// Pop takes the last; it is called by container/heap.
func (e *ends) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}
