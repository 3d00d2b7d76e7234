package policy_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/scheduler/policy"
)

// world is a random installation, and a slow and plain model of what runs and waits there. It
// checks each decision by what the rules are for, not by how they are computed.
type world struct {
	t       *testing.T
	rng     *rand.Rand
	seed    uint64
	cfg     policy.Config
	p       *policy.Policy
	now     time.Time
	lastID  job.ID
	waiting map[job.ID]*simJob
	running map[job.ID]*simJob
	kept    map[string]job.ID    // the overtaken job by executor
	promise map[string]time.Time // when it starts at the latest, where that was ever known
}

type simJob struct {
	policy.Job
	executor string
	start    time.Time
	runs     time.Duration // how long it really runs, at most its limit
	overtook job.ID
}

func newWorld(t *testing.T, seed uint64) *world {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	w := &world{
		t: t, rng: rng, seed: seed, now: start, waiting: map[job.ID]*simJob{}, running: map[job.ID]*simJob{},
		kept: map[string]job.ID{}, promise: map[string]time.Time{},
		cfg: policy.Config{
			Executors: map[string]policy.Resources{}, Shares: map[string]policy.Share{}, Groups: map[string]float64{"lab": 2},
			MaxActivePerOwner: []int{0, 0, 1, 3}[rng.IntN(4)],
		},
	}
	for i := range 1 + rng.IntN(2) {
		c := policy.Resources{policy.CPUs: 1 + rng.Int64N(16)}
		if rng.IntN(2) == 0 {
			c[policy.Memory] = 1 + rng.Int64N(32)
		}
		if rng.IntN(3) == 0 {
			c[policy.GPUs] = rng.Int64N(3)
		}
		if rng.IntN(5) == 0 {
			c[policy.Slots] = 1 + rng.Int64N(8)
		}
		if rng.IntN(2) == 0 {
			c["licence"] = 1 + rng.Int64N(3)
		}
		w.cfg.Executors[fmt.Sprint("x", i)] = c
	}
	if rng.IntN(2) == 0 {
		w.cfg.Shares = map[string]policy.Share{"u0": {Weight: 3}, "u1": {Group: "lab"}, "u2": {Group: "lab", Weight: 2}, "u3": {Weight: 0.5}}
	}
	w.p = policy.New(w.cfg)
	return w
}

func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf("seed %d: %s", w.seed, fmt.Sprintf(format, args...))
}

func (w *world) submit() {
	w.lastID++
	rng := w.rng
	j := &simJob{Job: policy.Job{
		ID: w.lastID, Owner: fmt.Sprint("u", rng.IntN(5)), Priority: int32(rng.IntN(3)) - 1, //nolint:gosec // small
		Need: policy.Resources{policy.CPUs: 1 + rng.Int64N(10), policy.Memory: rng.Int64N(16), policy.GPUs: rng.Int64N(8) / 6},
	}, executor: fmt.Sprint("x", rng.IntN(len(w.cfg.Executors))), runs: time.Duration(1+rng.IntN(100)) * time.Minute}
	if rng.IntN(4) == 0 {
		j.Need["licence"] = 1 + rng.Int64N(2)
	}
	if rng.IntN(4) > 0 {
		j.Limit = j.runs + time.Duration(rng.IntN(50))*time.Minute
	}
	w.p.Add(j.executor, j.Job)
	w.waiting[j.ID] = j
	kept := w.waiting[w.kept[j.executor]]
	if kept != nil && kept.Owner == j.Owner && j.Priority > kept.Priority && w.possible(j) {
		w.keep(j) // it takes the reservation of its owner over
	}
}

func (w *world) keep(j *simJob) {
	for _, r := range w.running {
		if r.overtook == w.kept[j.executor] {
			r.overtook = j.ID
		}
	}
	w.kept[j.executor] = j.ID
	delete(w.promise, j.executor)
}

func (w *world) unkeep(executor string) {
	for _, r := range w.on(executor, nil) {
		r.overtook = 0
	}
	delete(w.kept, executor)
	delete(w.promise, executor)
}

func (w *world) need(j *simJob, name string) int64 {
	if name == policy.Slots {
		return 1
	}
	return j.Need[name]
}

// fits reports whether all of some jobs fit beside others.
func (w *world) fits(executor string, beside []*simJob, jobs ...*simJob) bool {
	if _, has := w.cfg.Executors[executor]["licence"]; !has && slices.ContainsFunc(jobs, func(j *simJob) bool { return j.Need["licence"] > 0 }) {
		return false
	}
	for name, free := range w.cfg.Executors[executor] {
		for _, j := range beside {
			free -= w.need(j, name)
		}
		wanted := int64(0)
		for _, j := range jobs {
			wanted += w.need(j, name)
		}
		if wanted > 0 && wanted > free {
			return false
		}
	}
	return true
}

func (w *world) possible(j *simJob) bool { return w.fits(j.executor, nil, j) }

func (w *world) on(executor string, but func(*simJob) bool) []*simJob {
	var list []*simJob
	for _, id := range slices.Sorted(maps.Keys(w.running)) {
		if j := w.running[id]; j.executor == executor && (but == nil || !but(j)) {
			list = append(list, j)
		}
	}
	return list
}

// earliest is when j fits by the time limits of what runs beside it.
func (w *world) earliest(j *simJob, beside []*simJob) (time.Time, bool) {
	times := []time.Time{w.now}
	for _, r := range beside {
		if r.Limit > 0 {
			times = append(times, r.start.Add(r.Limit))
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	for _, at := range times {
		var left []*simJob
		for _, r := range beside {
			if r.Limit == 0 || r.start.Add(r.Limit).After(at) {
				left = append(left, r)
			}
		}
		if w.fits(j.executor, left, j) {
			return at, true
		}
	}
	return time.Time{}, false
}

// delays reports whether starting j now would delay the first job, head, more than the rules allow.
func (w *world) delays(j, head *simJob) bool {
	beside := w.on(head.executor, nil)
	started := *j
	started.start = w.now
	if at, known := w.earliest(head, beside); known {
		then, stillKnown := w.earliest(head, append(beside, &started))
		return !stillKnown || then.After(at)
	}
	overtook := func(r *simJob) bool { return w.kept[head.executor] == head.ID && r.overtook == head.ID }
	if !w.fits(head.executor, w.on(head.executor, overtook), head) {
		return false // it waits for others anyway
	}
	for name, free := range w.cfg.Executors[head.executor] {
		for _, r := range beside {
			free -= w.need(r, name)
		}
		if a, b := w.need(head, name), w.need(j, name); a > 0 && b > 0 && a+b > free {
			return true
		} else if b > free {
			return true
		}
	}
	return false
}

func (w *world) active(owner string) (n int) {
	for _, r := range w.running {
		if r.Owner == owner {
			n++
		}
	}
	return n
}

func (w *world) capped(owner string) bool {
	return w.cfg.MaxActivePerOwner > 0 && w.active(owner) >= w.cfg.MaxActivePerOwner
}

// candidates are the jobs that could start now, past head if there is one.
func (w *world) candidates(executor string, head *simJob) []*simJob {
	var list []*simJob
	beside := w.on(executor, nil)
	for _, id := range slices.Sorted(maps.Keys(w.waiting)) {
		j := w.waiting[id]
		if j.executor == executor && !w.capped(j.Owner) && w.fits(executor, beside, j) && (head == nil || j == head || !w.delays(j, head)) {
			list = append(list, j)
		}
	}
	return list
}

// shares are what the owner's group and the owner have for their weights.
func (w *world) shares(executor, owner string) (group string, ofGroup, ofOwner float64) {
	s := w.cfg.Shares[owner]
	weight := s.Weight
	if weight == 0 {
		weight = 1
	}
	group, groupWeight := owner, weight
	if s.Group != "" {
		group, groupWeight = s.Group, w.cfg.Groups[s.Group]
	}
	for _, r := range w.on(executor, nil) {
		n := float64(max(1, r.Need[policy.CPUs]))
		if r.Owner == owner {
			ofOwner += n / weight
		}
		if r.Owner == owner || s.Group != "" && w.cfg.Shares[r.Owner].Group == s.Group {
			ofGroup += n / groupWeight
		}
	}
	return group, ofGroup, ofOwner
}

// checkShare finds that nobody with less for their weight had a job that could have started
// instead.
func (w *world) checkShare(j *simJob, candidates []*simJob) {
	const rounding = 1e-9
	group, ofGroup, ofOwner := w.shares(j.executor, j.Owner)
	for _, c := range candidates {
		if c.Owner == j.Owner {
			if c.Priority > j.Priority || c.Priority == j.Priority && c.ID < j.ID {
				w.fail("job %d of %s starts before their job %d", j.ID, j.Owner, c.ID)
			}
			continue
		}
		otherGroup, theirs, own := w.shares(c.executor, c.Owner)
		if otherGroup != group && theirs < ofGroup-rounding || otherGroup == group && own < ofOwner-rounding {
			w.fail("job %d of %s (%v, %v) starts before job %d of %s (%v, %v)", j.ID, j.Owner, ofGroup, ofOwner, c.ID, c.Owner, theirs, own)
		}
	}
}

// place asks for decisions and checks them.
func (w *world) place(executor string) {
	for {
		d := w.p.Next(executor, w.now)
		head := w.waiting[d.Reservation.Job]
		w.checkReservation(executor, d.Reservation, head)
		candidates := w.candidates(executor, head)
		if d.Start == 0 {
			if len(candidates) > 0 {
				w.fail("nothing starts on %s, and job %d fits and delays nobody (reserved: %d)", executor, candidates[0].ID, d.Reservation.Job)
			}
			return
		}
		j := w.waiting[d.Start]
		if !slices.Contains(candidates, j) {
			w.fail("job %d starts and does not fit, is of a capped owner, or delays job %d", d.Start, d.Reservation.Job)
		}
		if j.ID != w.kept[executor] {
			w.checkShare(j, candidates)
		}
		w.start(j, head, d.Reservation)
	}
}

// checkReservation finds that a promise is kept, and that an overtaken job keeps its reservation.
func (w *world) checkReservation(executor string, r policy.Reservation, head *simJob) {
	if kept := w.kept[executor]; kept != 0 && head != nil && kept != head.ID {
		w.fail("job %d was overtaken, and the reservation is job %d's", kept, head.ID)
	}
	promise, ok := w.promise[executor]
	if ok && w.kept[executor] != 0 && head != nil && (r.At.IsZero() || r.At.After(promise)) {
		w.fail("job %d was to start by %v, and now by %v", head.ID, promise, r.At)
	}
	if ok && w.now.After(promise) {
		w.fail("job %d was to start by %v and did not by %v", w.kept[executor], promise, w.now)
	}
}

func (w *world) start(j, head *simJob, r policy.Reservation) {
	delete(w.waiting, j.ID)
	w.running[j.ID] = j
	j.start = w.now
	if j.ID == w.kept[j.executor] {
		w.unkeep(j.executor)
	}
	if head != nil && head != j {
		j.overtook = head.ID
		w.kept[j.executor] = head.ID
		if !r.At.IsZero() {
			w.promise[j.executor] = r.At
		}
	}
	w.p.Start(j.ID, w.now)
	for executor, id := range w.kept {
		if k := w.waiting[id]; k == nil || w.capped(k.Owner) {
			w.unkeep(executor)
		}
	}
}

// step lets one thing happen: a job comes, one is cancelled, or the next one ends.
func (w *world) step(jobs int) {
	switch n := w.rng.IntN(10); {
	case n < 6 && int(w.lastID) < jobs:
		w.submit()
	case n == 6 && len(w.waiting) > 0:
		ids := slices.Sorted(maps.Keys(w.waiting))
		id := ids[w.rng.IntN(len(ids))]
		if w.kept[w.waiting[id].executor] == id {
			w.unkeep(w.waiting[id].executor)
		}
		delete(w.waiting, id)
		w.p.Remove(id)
	default:
		var next *simJob
		for _, id := range slices.Sorted(maps.Keys(w.running)) {
			if j := w.running[id]; next == nil || j.start.Add(j.runs).Before(next.start.Add(next.runs)) {
				next = j
			}
		}
		if next == nil {
			return
		}
		if at := next.start.Add(next.runs); at.After(w.now) {
			w.now = at
		}
		delete(w.running, next.ID)
		w.p.Remove(next.ID)
	}
	for _, executor := range slices.Sorted(maps.Keys(w.cfg.Executors)) {
		w.place(executor)
	}
}

// In every world: no resource is idle that a waiting job could have without delaying the one before
// it; a job that was overtaken starts when it was promised, and where nothing could be promised, is
// overtaken by nothing that delays it; and the turn is that of whoever has least for their weight,
// so that shares differ by no more than one job. Every job that can start does.
func TestRandomWorldsKeepTheRules(t *testing.T) {
	worlds := 10000
	if testing.Short() {
		worlds = 500
	}
	for seed := range worlds {
		w := newWorld(t, uint64(seed)) //nolint:gosec // counts up from 0
		jobs := 5 + w.rng.IntN(25)
		for steps := 0; int(w.lastID) < jobs || len(w.running) > 0; steps++ {
			w.step(jobs)
			if steps > 100*jobs {
				w.fail("it does not come to an end")
			}
		}
		for id, j := range w.waiting {
			if w.possible(j) {
				w.fail("job %d never started", id)
			}
		}
	}
}
