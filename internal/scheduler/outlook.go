package scheduler

import (
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/estimate"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/scheduler/forecast"
	"github.com/stint-jobs/stint/internal/scheduler/policy"
	"github.com/stint-jobs/stint/internal/store"
)

const (
	// maxForecast is how many waiting jobs of an executor a forecast looks at.
	maxForecast = 256
	// forecastEvery is the least time between two forecasts for an executor, and forecastRest how
	// many times as long as a forecast took no other is made: they take a twentieth of a processor.
	forecastEvery = 250 * time.Millisecond
	forecastRest  = 20
	// maxArrivals is how many of the latest jobs say what comes next.
	maxArrivals = 128
)

// outlook is the latest forecast for an executor.
type outlook struct {
	mu       sync.Mutex
	made     time.Time
	took     time.Duration
	of       map[job.ID]forecast.Expectation
	placed   *jobsv1.QueuePosition // all that have a place in it
	complete bool                  // whether all waiting jobs are in it
}

// arrival is a job that came lately.
type arrival struct {
	at   time.Time
	job  policy.Job
	kind estimate.Kind
	size int64
}

// arrived notes a job that joined the queue of an executor and was submitted after a time; mu is
// held. Of those before it is not known how many have left.
func (l *lane) arrived(b *store.Brief, j policy.Job, after time.Time) {
	submitted := time.Unix(0, b.GetSubmitTimeNs())
	if b.ID <= l.newest || !submitted.After(after) {
		return // it comes back, or was there before
	}
	l.newest = b.ID
	a := arrival{at: submitted, job: j, kind: estimate.Kind{Service: b.GetService(), Version: b.GetServiceVersion()}, size: b.GetInputBytes()}
	if len(l.arrivals) == maxArrivals {
		l.arrivals = append(l.arrivals[:0], l.arrivals[1:]...)
	}
	l.arrivals = append(l.arrivals, a)
}

// Expect sets what is expected of jobs, which are the caller's own copies: their places, starts and
// ends, or why these cannot be said; and of final jobs what they used of what they had. It may be
// called at any time, and is cheap: a forecast serves many calls.
func (s *Scheduler) Expect(list ...*jobsv1.Job) {
	for _, j := range list {
		id, err := job.ParseID(j.GetId())
		if err != nil {
			continue
		}
		if job.Terminal(j.GetState()) {
			j.UsageNote = usageNote(j)
			continue
		}
		l := s.lanes[j.GetExecutor()]
		if l == nil {
			j.ExpectationNote = "The executor is not configured on this server."
			continue
		}
		if j.GetState() == jobsv1.State_STATE_RUNNING {
			s.expectEnd(j, j.GetStartTime().AsTime())
			continue
		}
		s.mu.Lock()
		w, active := s.policy.Why(id, time.Now()), s.active[id] != nil
		s.mu.Unlock()
		switch {
		case active:
			s.expectOfEngine(j)
		case w.Reason == policy.Unknown:
			j.ExpectationNote = "It takes its place when its wait for the next attempt is over."
		case w.Reason == policy.Never:
			j.ExpectationNote = "It can never start: there is not enough for it."
		default:
			o := s.outlookOf(l)
			s.apply(j, id, o)
		}
	}
}

// expectOfEngine is for a job that its executor has and has not started: the engine alone knows its
// place.
func (s *Scheduler) expectOfEngine(j *jobsv1.Job) {
	if j.GetExpectedStartTime() == nil {
		if j.ExpectationNote = s.unreachable(j.GetExecutor()); j.ExpectationNote == "" {
			j.ExpectationNote = "It is with its executor, which does not say when it starts."
		}
		return
	}
	s.expectEnd(j, j.GetExpectedStartTime().AsTime())
}

// expectEnd sets when a job ends that starts, or started, at a time.
func (s *Scheduler) expectEnd(j *jobsv1.Job, start time.Time) {
	like := s.like(j)
	ran := max(0, time.Since(start))
	median, ok := like.Time(ran, 0.5)
	if !ok {
		j.ExpectationNote = tooFew(like, j)
		return
	}
	first, _ := like.Time(ran, 0.05)
	last, _ := like.Time(ran, 0.95)
	if limit := job.Given(j).GetTimeLimit().AsDuration(); limit > 0 {
		first, median, last = min(first, limit), min(median, limit), min(last, limit)
	}
	j.ExpectedCompleteTime = timestamppb.New(start.Add(median))
	j.ExpectedCompleteRange = &jobsv1.TimeRange{Earliest: timestamppb.New(start.Add(first)), Latest: timestamppb.New(start.Add(last))}
}

// Preview sets what would be expected of a job that is not submitted.
func (s *Scheduler) Preview(j *jobsv1.Job) {
	l := s.lanes[j.GetExecutor()]
	if l == nil {
		return
	}
	// Who asks again and again takes no more of the processor than who lists jobs.
	if !l.preview.TryLock() {
		j.ExpectationNote = "The server forecasts for others at the moment. Ask again in a few seconds."
		return
	}
	defer l.preview.Unlock()
	begin := time.Now()
	if begin.Before(l.nextPreview) {
		j.ExpectationNote = "The server forecasts for others at the moment. Ask again in a few seconds."
		return
	}
	more := waitingJob(previewID, j.GetOwner(), j.GetPriority(), j.GetResources())
	q, complete := s.question(l, &more)
	known, like := q.Duration, s.like(j)
	own := &times{sets: map[job.ID]estimate.Set{previewID: like}, limits: map[job.ID]time.Duration{previewID: more.Limit}}
	q.Duration = func(id job.ID, ran time.Duration, u float64) (time.Duration, bool) {
		if id == previewID {
			return own.duration(id, ran, u)
		}
		return known(id, ran, u)
	}
	of := forecast.Of(q)
	l.nextPreview = begin.Add(forecastRest * time.Since(begin))
	s.apply(j, previewID, forecasted{of: of, placed: placed(of), complete: complete})
}

// previewID is of no job, and behind all that wait.
const previewID = ^job.ID(0)

// apply sets what a forecast says of a waiting job.
func (s *Scheduler) apply(j *jobsv1.Job, id job.ID, o forecasted) {
	e, ok := o.of[id]
	switch {
	case !ok && !o.complete:
		j.QueuePosition = &jobsv1.QueuePosition{JobsAhead: o.placed.GetJobsAhead(), UsersAhead: o.placed.GetUsersAhead(), AtLeast: true}
		j.ExpectationNote = "Too many jobs are before it to say when it starts."
		return
	case !ok:
		j.ExpectationNote = "It has just been submitted. Its place is known in a moment."
		return
	case e.Placed:
		j.QueuePosition = &jobsv1.QueuePosition{JobsAhead: int64(e.Ahead), UsersAhead: int64(e.Owners), AtLeast: !o.complete}
	}
	if note := s.noStarts(j.GetExecutor()); note != "" {
		j.ExpectationNote = note
		return
	}
	if e.Start.Expected.IsZero() {
		j.ExpectationNote = "It waits for jobs of which it is not known how long they take: they have no time limit, and too few like them have completed."
		return
	}
	j.ExpectedStartTime, j.ExpectedStartRange = timeRange(e.Start)
	like := s.like(j)
	if like.Size() < estimate.MinSamples || e.End.Expected.IsZero() {
		j.ExpectationNote = tooFew(like, j)
		return
	}
	j.ExpectedCompleteTime, j.ExpectedCompleteRange = timeRange(e.End)
}

// noStarts says why no job starts on an executor for an unknown time, or "".
func (s *Scheduler) noStarts(name string) string {
	if held := s.held(); held != "" {
		return "No job starts at the moment, so it cannot be said when this one does. " + held
	}
	return s.unreachable(name)
}

// unreachable says that an executor cannot be reached, or "".
func (s *Scheduler) unreachable(name string) string {
	if rep, ok := s.lanes[name].engine.Executor.(executor.Reporter); ok && !rep.Status().GetHealthy() {
		return "The executor cannot be reached at the moment, so it cannot be said when jobs start."
	}
	return ""
}

// timeRange returns a time and its range to the minute: they depend on jobs of others, whose times
// are shown so in the queue.
func timeRange(r forecast.Range) (*timestamppb.Timestamp, *jobsv1.TimeRange) {
	x := &jobsv1.TimeRange{Earliest: timestamppb.New(r.Earliest.Truncate(time.Minute))}
	if !r.Latest.IsZero() {
		x.Latest = timestamppb.New(r.Latest.Add(time.Minute - 1).Truncate(time.Minute))
	}
	return timestamppb.New(r.Expected.Round(time.Minute)), x
}

func tooFew(like estimate.Set, j *jobsv1.Job) string {
	if like.Size() >= estimate.MinSamples {
		return "It runs longer than all jobs like it did, so it cannot be said when it ends."
	}
	return fmt.Sprintf("It cannot be said when it ends: %d jobs of %s like it have completed, and it takes %d to know how long they take.",
		like.Size(), j.GetService(), estimate.MinSamples)
}

// like returns the completed attempts that are like a job.
func (s *Scheduler) like(j *jobsv1.Job) estimate.Set {
	return s.cfg.History.Like(estimate.Kind{Service: j.GetService(), Version: j.GetServiceVersion()}, j.GetInputBytes())
}

// forecasted is what an outlook has at a time. It does not change.
type forecasted struct {
	of       map[job.ID]forecast.Expectation
	placed   *jobsv1.QueuePosition
	complete bool
}

// outlookOf returns a forecast for an executor that is not old.
func (s *Scheduler) outlookOf(l *lane) forecasted {
	o := &l.outlook
	o.mu.Lock()
	defer o.mu.Unlock()
	if begin := time.Now(); o.of == nil || begin.Sub(o.made) >= max(forecastEvery, forecastRest*o.took) {
		q, complete := s.question(l, nil)
		o.of, o.complete = forecast.Of(q), complete
		o.placed = placed(o.of)
		o.made, o.took = begin, time.Since(begin)
	}
	return forecasted{of: o.of, placed: o.placed, complete: o.complete}
}

// placed counts what has a place in a forecast, and its owners.
func placed(of map[job.ID]forecast.Expectation) *jobsv1.QueuePosition {
	p := &jobsv1.QueuePosition{AtLeast: true}
	for _, e := range of {
		if e.Placed {
			p.JobsAhead = max(p.JobsAhead, int64(e.Ahead)+1)
			p.UsersAhead = max(p.UsersAhead, int64(e.Owners))
		}
	}
	return p
}

// question has what runs and waits on an executor now, and one more job if there is one.
func (s *Scheduler) question(l *lane, more *policy.Job) (q forecast.Question, complete bool) {
	q = forecast.Question{Executor: l.name, Now: time.Now()}
	q.Seed = uint64(q.Now.UnixNano()) //nolint:gosec // any number
	s.mu.Lock()
	q.Policy, complete = s.policy.Copy(l.name, maxForecast)
	arrivals := append([]arrival(nil), l.arrivals...)
	s.mu.Unlock()
	if more != nil {
		q.Policy.Add(l.name, *more)
	}
	t := s.times(q.Policy.Jobs(l.name), arrivals)
	q.Duration = t.duration
	if len(arrivals) >= estimate.MinSamples { // fewer say nothing of what comes
		q.Over = q.Now.Sub(arrivals[0].at)
		for _, a := range arrivals[1:] {
			q.Arrivals = append(q.Arrivals, a.job)
		}
	}
	return q, complete
}

// times says how long jobs take.
type times struct {
	sets   map[job.ID]estimate.Set
	limits map[job.ID]time.Duration
}

// times finds the completed attempts that are like jobs which wait, run or came lately.
func (s *Scheduler) times(list []policy.Placed, arrivals []arrival) *times {
	type key struct {
		kind estimate.Kind
		bin  int
	}
	t := &times{sets: make(map[job.ID]estimate.Set, len(list)), limits: make(map[job.ID]time.Duration, len(list))}
	known := make(map[key]estimate.Set)
	add := func(id job.ID, kind estimate.Kind, size int64, limit time.Duration) {
		k := key{kind, estimate.Bin(size)}
		set, ok := known[k]
		if !ok {
			set = s.cfg.History.Like(kind, size)
			known[k] = set
		}
		t.sets[id], t.limits[id] = set, limit
	}
	ids, limits := make([]job.ID, len(list)), make(map[job.ID]time.Duration, len(list))
	for i, j := range list {
		ids[i], limits[j.ID] = j.ID, j.Limit
	}
	briefs, err := s.cfg.Store.Briefs(ids)
	if err != nil {
		s.log.Warn("read jobs to forecast by", "error", err)
	}
	for i := range briefs {
		b := &briefs[i]
		add(b.ID, estimate.Kind{Service: b.GetService(), Version: b.GetServiceVersion()}, b.GetInputBytes(), limits[b.ID])
	}
	for _, a := range arrivals {
		add(a.job.ID, a.kind, a.size, a.job.Limit)
	}
	return t
}

// duration is that of a forecast.Question. Where too few jobs like it are known it is by the time
// limit: real times are spread evenly over what users ask for, see Tsafrir, Etsion and Feitelson,
// "Modeling User Runtime Estimates", Job Scheduling Strategies for Parallel Processing, 2005.
func (t *times) duration(id job.ID, ran time.Duration, u float64) (time.Duration, bool) {
	set, limit := t.sets[id], t.limits[id]
	took, ok := set.Draw(ran, u)
	switch {
	case ok && limit > 0:
		return max(ran, min(took, limit)), true
	case ok:
		return took, true
	case limit > 0:
		return ran + time.Duration(u*float64(max(0, limit-ran))), true
	case set.Size() >= estimate.MinSamples: // it runs longer than all before
		return ran + time.Duration(u*float64(ran)), true
	default:
		return 0, false
	}
}
