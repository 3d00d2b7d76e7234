package policy_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/scheduler/policy"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// fixture is a policy with a clock.
type fixture struct {
	*testing.T
	p    *policy.Policy
	now  time.Time
	last job.ID
}

func newFixture(t *testing.T, cfg policy.Config) *fixture {
	t.Helper()
	return &fixture{T: t, p: policy.New(cfg), now: start}
}

func cores(n int64) policy.Config {
	return policy.Config{Executors: map[string]policy.Resources{"a": {policy.CPUs: n}}}
}

// add makes a job wait: an owner, cores, a time limit (0 is none).
func (b *fixture) add(owner string, cpus int64, limit time.Duration, change ...func(*policy.Job)) job.ID {
	return b.addTo("a", owner, cpus, limit, change...)
}

func (b *fixture) addTo(executor, owner string, cpus int64, limit time.Duration, change ...func(*policy.Job)) job.ID {
	b.last++
	j := policy.Job{ID: b.last, Owner: owner, Need: policy.Resources{policy.CPUs: cpus}, Limit: limit}
	for _, c := range change {
		c(&j)
	}
	b.p.Add(executor, j)
	return b.last
}

// place starts what may start and returns it.
func (b *fixture) place(executor string) []job.ID {
	var ids []job.ID
	for {
		d := b.p.Next(executor, b.now)
		if d.Start == 0 {
			return ids
		}
		b.p.Start(d.Start, b.now)
		ids = append(ids, d.Start)
	}
}

func (b *fixture) wantStarts(why string, want ...job.ID) {
	b.Helper()
	if diff := cmp.Diff(want, b.place("a")); diff != "" {
		b.Errorf("%s: starts (-want +got):\n%s", why, diff)
	}
}

func (b *fixture) wantWhy(id job.ID, want policy.Reason) policy.Why {
	b.Helper()
	w := b.p.Why(id, b.now)
	if w.Reason != want {
		b.Errorf("job %s waits for %v (%+v), want %v", id, w.Reason, w, want)
	}
	return w
}

func TestTurnGoesToWhoeverHasLeast(t *testing.T) {
	b := newFixture(t, cores(4))
	ann1, ann2, ann3 := b.add("ann", 1, 0), b.add("ann", 1, 0), b.add("ann", 1, 0)
	bob1, bob2 := b.add("bob", 2, 0), b.add("bob", 1, 0)
	b.wantStarts("ann, bob, ann who has one core to his two", ann1, bob1, ann2)
	b.p.Remove(bob1)
	b.wantStarts("bob has nothing now", bob2, ann3)
}

func TestNewcomerDoesNotWaitBehindALongQueue(t *testing.T) {
	b := newFixture(t, cores(1))
	for range 300 {
		b.add("greedy", 1, 0)
	}
	b.wantStarts("the first of all", 1)
	late := b.add("late", 1, 0)
	b.p.Remove(1)
	b.wantStarts("the newcomer", late)
}

// Those who come later again and again do not hold back who waits, although they have nothing in
// use either.
func TestStreamOfNewcomersHoldsNobodyBack(t *testing.T) {
	b := newFixture(t, cores(1))
	b.add("ann", 1, 0)
	b.add("ann", 1, 0)
	b.wantStarts("ann's first", 1)
	b.p.Remove(1)
	for i := range 10 {
		b.add(fmt.Sprint("new", i), 1, 0)
		got := b.place("a")
		if len(got) == 1 && got[0] == 2 {
			return
		}
		b.p.Remove(got[0])
	}
	t.Error("ann's second job did not start")
}

func TestSharesFollowWeights(t *testing.T) {
	cfg := cores(12)
	cfg.Shares = map[string]policy.Share{"ann": {Weight: 3}, "bob": {Weight: 1}}
	b := newFixture(t, cfg)
	got := map[string]int{}
	owner := map[job.ID]string{}
	for range 20 {
		owner[b.add("ann", 1, 0)] = "ann"
		owner[b.add("bob", 1, 0)] = "bob"
	}
	for _, id := range b.place("a") {
		got[owner[id]]++
	}
	if diff := cmp.Diff(map[string]int{"ann": 9, "bob": 3}, got); diff != "" {
		t.Error(diff)
	}
}

func TestGroupSharesAsOne(t *testing.T) {
	cfg := cores(12)
	cfg.Shares = map[string]policy.Share{"ann": {Group: "lab"}, "bob": {Group: "lab"}, "cy": {Group: "lab", Weight: 2}}
	cfg.Groups = map[string]float64{"lab": 2}
	b := newFixture(t, cfg)
	got := map[string]int{}
	owner := map[job.ID]string{}
	for range 20 {
		for _, o := range []string{"ann", "bob", "cy", "dan"} {
			owner[b.add(o, 1, 0)] = o
		}
	}
	for _, id := range b.place("a") {
		got[owner[id]]++
	}
	if diff := cmp.Diff(map[string]int{"ann": 2, "bob": 2, "cy": 4, "dan": 4}, got); diff != "" {
		t.Error(diff)
	}
}

func TestOwnJobsGoByPriorityThenAge(t *testing.T) {
	b := newFixture(t, cores(3))
	first := b.add("ann", 1, 0)
	low := b.add("ann", 1, 0, func(j *policy.Job) { j.Priority = -1 })
	high := b.add("ann", 1, 0, func(j *policy.Job) { j.Priority = 1 })
	b.wantStarts("by priority", high, first, low)
}

func TestCapHoldsBackItsOwnerAlone(t *testing.T) {
	b := newFixture(t, policy.Config{
		Executors:         map[string]policy.Resources{"a": {policy.CPUs: 100}, "b": {policy.CPUs: 100}},
		MaxActivePerOwner: 1,
	})
	for i := range 16 {
		b.addTo("b", fmt.Sprint("capped", i), 1, 0)
	}
	b.place("b")
	var waiting []job.ID
	for i := range 16 {
		waiting = append(waiting, b.add(fmt.Sprint("capped", i), 1, 0))
	}
	for i := range 80 {
		b.wantStarts("somebody else's", b.add(fmt.Sprint("u", i), 1, 0))
	}
	b.wantWhy(waiting[0], policy.Capped)
	b.p.Remove(1)
	b.wantStarts("the one who is under the cap again", waiting[0])
}

func TestSmallJobsPassThoseThatDoNotFit(t *testing.T) {
	b := newFixture(t, cores(20))
	hold := b.add("ann", 10, 0)
	b.wantStarts("ann's", hold)
	var big job.ID
	for i := range 16 {
		big = b.add(fmt.Sprint("big", i), 20, 0)
	}
	small := b.add("zed", 1, 0)
	b.wantStarts("the 17th owner's", small)
	if w := b.wantWhy(big, policy.Short); w.Need != 20 || w.Free != 9 || w.Total != 20 || w.Resource != policy.CPUs {
		t.Errorf("%+v", w)
	}
}

func TestOwnerHasBackfill(t *testing.T) {
	b := newFixture(t, cores(16))
	b.wantStarts("the first", b.add("ann", 1, 0))
	b.add("ann", 16, 0)
	b.wantStarts("the small one behind the wide one", b.add("ann", 1, 0))
}

// With time limits the reservation has a time, and only what ends before or fits beside starts.
func TestBackfillDoesNotMoveAReservation(t *testing.T) {
	b := newFixture(t, cores(10))
	b.wantStarts("the first", b.add("ann", 6, time.Hour))
	wide := b.add("bob", 8, time.Hour)
	long := b.add("cy", 3, 2*time.Hour)
	short := b.add("dan", 3, time.Hour)
	thin := b.add("eve", 1, 0)
	b.wantStarts("what ends in an hour, and what fits beside the wide job", short, thin)
	if w := b.wantWhy(wide, policy.Short); !w.Reservation.At.Equal(start.Add(time.Hour)) {
		t.Errorf("reserved for %v", w.Reservation.At)
	}
	b.p.Remove(short)
	if w := b.wantWhy(long, policy.Behind); w.Reservation.Job != wide {
		t.Errorf("behind %s", w.Reservation.Job)
	}
	b.now = start.Add(time.Hour)
	b.p.Remove(1)
	b.wantStarts("as promised", wide)
}

// Without time limits a job is overtaken until it would have started but for those that overtook
// it.
func TestWideJobAmongEndlessSmallOnesStarts(t *testing.T) {
	b := newFixture(t, cores(2))
	one, two := b.add("small", 1, 0), b.add("small", 1, 0)
	b.wantStarts("two small ones", one, two)
	wide := b.add("large", 2, 0)
	for range 10 {
		b.add("small", 1, 0)
	}
	b.p.Remove(one)
	b.wantStarts("a small one, for the second one of the first runs", 4)
	b.p.Remove(two)
	b.wantStarts("nothing more overtakes it")
	if w := b.p.Why(5, b.now); w.Reason != policy.Behind || !w.Reservation.Firm {
		t.Errorf("the next small one: %+v", w)
	}
	b.add("other", 1, 0) // whoever comes
	b.wantStarts("nothing more overtakes it")
	b.p.Remove(4)
	b.wantStarts("the wide job", wide)
}

func TestJobsThatNeedOtherResourcesPass(t *testing.T) {
	b := newFixture(t, policy.Config{Executors: map[string]policy.Resources{"a": {policy.CPUs: 8, policy.GPUs: 1, "licence": 1}}})
	gpu := func(j *policy.Job) { j.Need[policy.GPUs] = 1 }
	b.wantStarts("the one with the GPU", b.add("ann", 1, 0, gpu))
	waits := b.add("bob", 1, 0, gpu)
	b.wantStarts("those that need none", b.add("cy", 1, 0), b.add("dan", 1, 0, func(j *policy.Job) { j.Need["licence"] = 1 }))
	if w := b.wantWhy(waits, policy.Short); w.Resource != policy.GPUs || w.Free != 0 || w.Total != 1 {
		t.Errorf("%+v", w)
	}
	impossible := b.add("eve", 1, 0, func(j *policy.Job) { j.Need[policy.GPUs] = 2 })
	b.wantStarts("nothing")
	b.wantWhy(impossible, policy.Never)
	want := []policy.Why{{Reason: policy.Never, Resource: policy.GPUs, Need: 2, Total: 1}, {Reason: policy.Never, Resource: "other", Need: 1}}
	if diff := cmp.Diff(want, b.p.Never("a", policy.Resources{policy.GPUs: 2, "licence": 1, "other": 1}), cmpopts.IgnoreUnexported(policy.Reservation{})); diff != "" {
		t.Error(diff)
	}
	if w := b.p.Never("a", policy.Resources{policy.GPUs: 1, policy.Memory: 1 << 50}); w != nil {
		t.Errorf("what can be given is refused: %+v", w)
	}
}

// What an operator names is there only where a capacity names it: a job that needs it elsewhere can
// never start, and one that needs none of it is not held back.
func TestWhatNobodyHasIsNeverGiven(t *testing.T) {
	b := newFixture(t, policy.Config{Executors: map[string]policy.Resources{"a": {policy.CPUs: 8}, "b": {policy.CPUs: 8, "licence": 2}}})
	needs := func(n int64) func(*policy.Job) { return func(j *policy.Job) { j.Need["licence"] = n } }
	w := b.wantWhy(b.add("ann", 1, 0, needs(1)), policy.Never)
	if w.Resource != "licence" || w.Need != 1 || w.Total != 0 {
		t.Errorf("%+v", w)
	}
	if f := b.p.Forecast("a", policy.Job{ID: 99, Owner: "ann", Need: policy.Resources{"licence": 1}}, b.now); f.Reason != policy.Never {
		t.Errorf("forecast %+v", f)
	}
	b.wantStarts("the one that needs none of it", b.add("ann", 1, 0, needs(0)))
	if w := b.wantWhy(b.addTo("b", "ann", 1, 0, needs(3)), policy.Never); w.Total != 2 {
		t.Errorf("%+v", w)
	}
	one, two := b.addTo("b", "ann", 1, 0, needs(2)), b.addTo("b", "bob", 1, 0, needs(1))
	if got := b.place("b"); len(got) != 1 || got[0] != one {
		t.Errorf("starts %v", got)
	}
	if w := b.wantWhy(two, policy.Short); w.Resource != "licence" || w.Free != 0 || w.Total != 2 {
		t.Errorf("%+v", w)
	}
	b.p.Remove(one)
	if got := b.place("b"); len(got) != 1 || got[0] != two || b.p.Used("b", "licence") != 1 {
		t.Errorf("starts %v, and %d are in use", got, b.p.Used("b", "licence"))
	}
}

func TestWhatIsNotNamedIsNotBounded(t *testing.T) {
	b := newFixture(t, policy.Config{Executors: map[string]policy.Resources{"a": {policy.Slots: 2}}})
	b.wantStarts("two of any size", b.add("ann", 1000, 0), b.add("bob", 1, 0))
	w := b.wantWhy(b.add("cy", 1, 0), policy.Short)
	if w.Resource != policy.Slots || w.Total != 2 {
		t.Errorf("%+v", w)
	}
}

func TestReservationEndsWithItsJob(t *testing.T) {
	for name, end := range map[string]func(b *fixture, wide job.ID){
		"it is cancelled": func(b *fixture, wide job.ID) { b.p.Remove(wide) },
		"its owner reaches the cap": func(b *fixture, _ job.ID) {
			b.addTo("b", "large", 1, 0)
			b.place("b")
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newFixture(t, policy.Config{
				Executors:         map[string]policy.Resources{"a": {policy.CPUs: 2}, "b": {policy.CPUs: 2}},
				MaxActivePerOwner: 1,
			})
			one := b.add("one", 1, 0)
			b.wantStarts("the first", one)
			wide := b.add("large", 2, 0)
			b.wantStarts("past the wide job", b.add("two", 1, 0))
			b.p.Remove(one)
			next := b.add("three", 1, 0)
			b.wantStarts("nothing: the wide job is overtaken no more")
			end(b, wide)
			b.wantStarts("the next", next)
		})
	}
}

func TestRunningJobsAreTakenInWhateverThereIs(t *testing.T) {
	b := newFixture(t, cores(2))
	b.p.AddRunning("a", policy.Job{ID: 100, Owner: "ann", Need: policy.Resources{policy.CPUs: 4}}, start)
	if n := b.p.Used("a", policy.CPUs); n != 4 || b.p.Active("a") != 1 {
		t.Errorf("%d in use", n)
	}
	waits := b.add("bob", 1, 0)
	b.wantStarts("nothing")
	b.p.Remove(100)
	b.wantStarts("when it is over", waits)
}

func TestPositionCountsThoseBefore(t *testing.T) {
	b := newFixture(t, cores(1))
	b.wantStarts("the first", b.add("zed", 1, 0))
	for range 3 {
		b.add("ann", 1, 0)
	}
	id := b.add("bob", 1, 0)
	if w := b.p.Why(id, b.now); w.Ahead != 3 {
		t.Errorf("%d ahead", w.Ahead)
	}
	if w := b.p.Forecast("a", policy.Job{ID: 1000, Owner: "cy", Need: policy.Resources{policy.CPUs: 1}}, b.now); w.Reason != policy.Short {
		t.Errorf("forecast %+v", w)
	}
}

// Thousands of jobs that need little of each resource together, and much of one each, do not hide
// the jobs of others.
func TestOneOwnersJobsDoNotHideThoseOfOthers(t *testing.T) {
	b := newFixture(t, policy.Config{Executors: map[string]policy.Resources{"a": {policy.CPUs: 100, policy.Memory: 100}}})
	memory := func(n int64) func(*policy.Job) { return func(j *policy.Job) { j.Need[policy.Memory] = n } }
	b.wantStarts("half of all", b.add("zed", 50, 0, memory(50)))
	for range 5000 {
		b.add("ann", 60, 0, memory(1))
		b.add("ann", 1, 0, memory(60))
	}
	b.wantStarts("somebody else's", b.add("bob", 10, 0, memory(10)))
	if n := len(b.p.Waiting()); n != 10_000 {
		t.Errorf("%d wait", n)
	}
}

// leave returns how long it takes all waiting jobs of one owner to leave, the newest first.
func leave(t *testing.T, jobs int) time.Duration {
	t.Helper()
	b := newFixture(t, cores(1))
	b.wantStarts("the first", b.add("ann", 1, 0))
	for range jobs {
		b.add("ann", 1, time.Hour)
	}
	begin := time.Now()
	for id := b.last; id > 1; id-- {
		b.p.Remove(id)
		if d := b.p.Next("a", b.now); d.Start != 0 {
			t.Fatal("a job starts on a full machine")
		}
	}
	took := time.Since(begin)
	if left := b.p.Waiting(); len(left) > 0 {
		t.Fatalf("%d jobs still wait", len(left))
	}
	return took
}

// Whoever cancels all of a long queue does not wait for the square of its length: twenty times as
// many jobs would take four hundred times as long.
func TestLeavingALongQueueIsNotQuadratic(t *testing.T) {
	const few, many = 1000, 20_000
	least := func(jobs int) time.Duration { return min(leave(t, jobs), leave(t, jobs), leave(t, jobs)) }
	if a, b := least(few), least(many); b > 150*a {
		t.Errorf("%d jobs leave in %v, and %d in %v", few, a, many, b)
	}
}
