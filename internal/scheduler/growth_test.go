package scheduler_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/estimate"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/executor/executortest"
	"github.com/stint-jobs/stint/internal/scheduler"
	"github.com/stint-jobs/stint/internal/scheduler/policy"
)

const (
	noMemory = jobsv1.Reason_REASON_OUT_OF_MEMORY
	noTime   = jobsv1.Reason_REASON_TIME_LIMIT
	gib      = int64(1 << 30)
)

// grows gives a job a retry policy with factors, and memory of a GiB.
func grows(memory, limit float64) func(*jobsv1.Job) {
	return func(j *jobsv1.Job) {
		j.Resources.MemoryBytes = gib
		j.Retry = &jobsv1.RetryPolicy{MemoryFactor: proto.Float64(memory), TimeFactor: proto.Float64(limit)}
	}
}

// ends plans how an attempt of the first job ends.
func (w *world) ends(attempt int, reason jobsv1.Reason, usage *jobsv1.Usage) {
	w.engine.Plan(1, attempt, executortest.Plan{Exit: &executor.Exit{Code: -1, Reason: reason, Usage: usage}, Run: time.Second})
}

func TestAnAttemptThatRanOutOfMemoryIsFollowedByOneWithMore(t *testing.T) {
	inWorld(t, func(w *world) {
		w.capacity = scheduler.Capacity{policy.CPUs: 4, policy.Memory: 8 * gib}
		w.start()
		w.ends(1, noMemory, nil)
		w.ends(2, noMemory, nil)
		id := w.submit("ann", "minute", grows(2.5, 1))
		w.pass(2 * time.Second)
		if j := w.want(id, queued, jobsv1.Reason_REASON_WAITING_FOR_RETRY); !strings.Contains(j.GetMessage(), "Memory of 2.5 GiB, as attempt 1 ran out of its 1 GiB.") {
			t.Errorf("while it waits: %q", j.GetMessage())
		}
		w.pass(15 * time.Second)
		w.crash() // what the next attempt gets is stored
		w.start()
		w.pass(time.Hour)
		j := w.want(id, completed, noReason)
		if n := len(j.GetAttempts()); n != 3 {
			t.Fatalf("%d attempts", n)
		}
		for i, want := range []int64{0, gib * 5 / 2, gib * 25 / 4} {
			if got := j.GetAttempts()[i]; got.GetResources().GetMemoryBytes() != want || (got.GetResourcesNote() != "") != (want > 0) {
				t.Errorf("attempt %d was given %v (%s)", i+1, got.GetResources(), got.GetResourcesNote())
			}
		}
		if last := j.GetAttempts()[2]; last.GetUsage().GetAllocatedMemoryBytes() != gib*25/4 || last.GetResources().GetCpus() != 1 {
			t.Errorf("the executor gave %v of %v", last.GetUsage(), last.GetResources())
		}
		if j.GetResources().GetMemoryBytes() != gib {
			t.Errorf("what it asked for has changed: %v", j.GetResources())
		}
	})
}

// While it waits and while it runs, the next attempt counts as what it is given.
func TestWhatAnAttemptIsGivenCountsAgainstTheCapacity(t *testing.T) {
	inWorld(t, func(w *world) {
		w.capacity = scheduler.Capacity{policy.CPUs: 4, policy.Memory: 4 * gib}
		w.start()
		w.ends(1, noMemory, nil)
		id := w.submit("ann", "minute", grows(4, 1))
		w.pass(2 * time.Second)
		other := w.submit("bob", "hold", func(j *jobsv1.Job) { j.Resources.MemoryBytes = gib })
		w.pass(time.Minute)
		if why := w.waits(id, jobsv1.Reason_REASON_WAITING_FOR_RESOURCES); !strings.Contains(why, "needs 4 GiB, and 3 GiB of 4 GiB are free") {
			t.Errorf("it waits: %s", why)
		}
		w.crash()
		w.start()
		w.pass(time.Second)
		w.waits(id, jobsv1.Reason_REASON_WAITING_FOR_RESOURCES)
		w.engine.Release(other, 1)
		w.pass(time.Second)
		w.want(id, running, noReason)
		w.crash()
		w.start() // which finds it running
		w.pass(time.Second)
		small := w.submit("bob", "nothing")
		w.pass(time.Second)
		w.waits(small, jobsv1.Reason_REASON_WAITING_FOR_RESOURCES)
		w.pass(time.Minute)
		w.want(id, completed, noReason)
		w.want(small, completed, noReason)
	})
}

func TestGrowthEndsAtTheMaximum(t *testing.T) {
	limit := func(d time.Duration) func(*jobsv1.Job) {
		return func(j *jobsv1.Job) { j.Resources.TimeLimit = durationpb.New(d) }
	}
	for name, c := range map[string]struct {
		reason   jobsv1.Reason
		change   []func(*jobsv1.Job)
		maximum  *jobsv1.Resources
		usage    *jobsv1.Usage
		second   *jobsv1.Resources // what the second attempt is given; nil where there is none
		words    string            // of the job, where it fails
		capacity int64
	}{
		"of the service": {
			noMemory,
			[]func(*jobsv1.Job){grows(8, 1)},
			&jobsv1.Resources{MemoryBytes: 3 * gib}, nil,
			&jobsv1.Resources{Cpus: 1, MemoryBytes: 3 * gib}, "It had 3 GiB of memory, and the service has no more for it.", 0,
		},
		"of the executor": {
			noMemory,
			[]func(*jobsv1.Job){grows(8, 1)},
			&jobsv1.Resources{MemoryBytes: 3 * gib}, nil,
			&jobsv1.Resources{Cpus: 1, MemoryBytes: 2 * gib}, "It had 2 GiB of memory, and the executor has no more for it.", 2 * gib,
		},
		"reached before": {
			noMemory, []func(*jobsv1.Job){grows(8, 1)}, &jobsv1.Resources{MemoryBytes: gib}, nil, nil, "It had 1 GiB of memory", 0,
		},
		"of the time": {
			noTime,
			[]func(*jobsv1.Job){grows(1, 10), limit(time.Hour)},
			&jobsv1.Resources{TimeLimit: durationpb.New(2 * time.Hour)}, nil,
			&jobsv1.Resources{Cpus: 1, MemoryBytes: gib, TimeLimit: durationpb.New(2 * time.Hour)}, "It had 2h, and jobs of the service may have no more.", 0,
		},
		"of numbers": {
			noMemory,
			[]func(*jobsv1.Job){grows(10, 1), func(j *jobsv1.Job) { j.Resources.MemoryBytes = math.MaxInt64 / 2 }},
			nil, nil,
			&jobsv1.Resources{Cpus: 1, MemoryBytes: math.MaxInt64}, "no more for it", 0,
		},
		"the engine's own limit of time": {
			noTime,
			[]func(*jobsv1.Job){grows(1, 3)},
			&jobsv1.Resources{TimeLimit: durationpb.New(2 * time.Hour)},
			&jobsv1.Usage{Elapsed: durationpb.New(time.Hour)},
			&jobsv1.Resources{Cpus: 1, MemoryBytes: gib, TimeLimit: durationpb.New(2 * time.Hour)}, "It had 2h", 0,
		},
		"the engine's own limit of memory": {
			noMemory,
			[]func(*jobsv1.Job){grows(2, 1), func(j *jobsv1.Job) { j.Resources.MemoryBytes = 0 }},
			&jobsv1.Resources{MemoryBytes: 4 * gib},
			&jobsv1.Usage{MaxRssBytes: 3 * gib}, &jobsv1.Resources{Cpus: 1, MemoryBytes: 4 * gib}, "It had 4 GiB of memory", 0,
		},
		"nothing is known": {
			noTime, []func(*jobsv1.Job){grows(1, 3)}, nil, nil, nil, "may have no more", 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.maximum = func(string) *jobsv1.Resources { return c.maximum }
				if c.capacity > 0 {
					w.capacity = scheduler.Capacity{policy.Memory: c.capacity}
				}
				w.start()
				for n := range 4 {
					usage := c.usage
					if n > 0 || usage == nil {
						usage = &jobsv1.Usage{}
					}
					w.ends(n+1, c.reason, usage)
				}
				id := w.submit("ann", "nothing", c.change...)
				w.pass(24 * time.Hour)
				j := w.want(id, failed, c.reason)
				if !strings.Contains(j.GetMessage(), c.words) {
					t.Errorf("it failed with %q", j.GetMessage())
				}
				switch n := len(j.GetAttempts()); {
				case c.second == nil && n != 1, c.second != nil && n != 2:
					t.Errorf("%d attempts", n)
				case c.second != nil && !proto.Equal(j.GetAttempts()[1].GetResources(), c.second):
					t.Errorf("the second attempt was given %v", j.GetAttempts()[1].GetResources())
				}
			})
		})
	}
}

func TestAFactorOfOneAndOtherReasonsGrowNothing(t *testing.T) {
	for _, c := range []struct {
		reason   jobsv1.Reason
		policy   *jobsv1.RetryPolicy
		attempts int
	}{
		{noMemory, nil, 1},
		{noMemory, &jobsv1.RetryPolicy{TimeFactor: proto.Float64(2)}, 1},
		{noMemory, &jobsv1.RetryPolicy{MemoryFactor: proto.Float64(1)}, 3},
		{noMemory, &jobsv1.RetryPolicy{Reasons: []jobsv1.Reason{noMemory}}, 3},
		{noMemory, &jobsv1.RetryPolicy{MemoryFactor: proto.Float64(2), MaxAttempts: 1}, 1},
		{jobsv1.Reason_REASON_LOST, &jobsv1.RetryPolicy{MemoryFactor: proto.Float64(2)}, 3},
		{jobsv1.Reason_REASON_EXIT_NONZERO, &jobsv1.RetryPolicy{MemoryFactor: proto.Float64(2)}, 1},
	} {
		inWorld(t, func(w *world) {
			w.start()
			w.ends(0, c.reason, nil)
			id := w.submit("ann", "nothing", func(j *jobsv1.Job) { j.Retry = c.policy })
			w.pass(time.Hour)
			j := w.want(id, failed, c.reason)
			if len(j.GetAttempts()) != c.attempts {
				t.Errorf("%v, %v: %d attempts", c.reason, c.policy, len(j.GetAttempts()))
			}
			for _, a := range j.GetAttempts() {
				if a.GetResources() != nil {
					t.Errorf("%v, %v: it was given %v", c.reason, c.policy, a.GetResources())
				}
			}
		})
	}
}

// An attempt says by what advice it was given what it was given.
func TestAnAttemptByAdviceSaysSo(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start()
		advised := w.submit("ann", "nothing", func(j *jobsv1.Job) {
			j.AppliedAdvice = &jobsv1.Advice{Samples: 37, MemoryBytes: 1, TimeLimit: durationpb.New(time.Hour)}
		})
		plain := w.submit("ann", "nothing")
		w.pass(time.Minute)
		a := w.want(advised, completed, noReason).GetAttempts()[0]
		if want := "By advice from 37 completed jobs like it: memory of 1 B and a time limit of 1h."; a.GetResourcesNote() != want || a.GetResources().GetMemoryBytes() != 1 {
			t.Errorf("it was given %v (%s)", a.GetResources(), a.GetResourcesNote())
		}
		if a := w.want(plain, completed, noReason).GetAttempts()[0]; a.GetResources() != nil || a.GetResourcesNote() != "" {
			t.Errorf("without advice: %v", a)
		}
	})
}

func TestAdviceIsWithinWhatThereIs(t *testing.T) {
	history := &estimate.History{}
	for n := range 40 {
		history.Add(estimate.Kind{Service: "Big", Version: "1"}, estimate.Sample{InputBytes: 5, MemoryBytes: 10 * gib, Elapsed: time.Hour})
		history.Add(estimate.Kind{Service: "Tiny"}, estimate.Sample{MemoryBytes: 1 << 20, Elapsed: 5 * time.Millisecond})
		history.Add(estimate.Kind{Service: "Unmeasured"}, estimate.Sample{Elapsed: time.Hour})
		took := time.Minute
		if n%4 == 0 {
			took = time.Hour
		}
		history.Add(estimate.Kind{Service: "Sleep"}, estimate.Sample{MemoryBytes: 1 << 20, Elapsed: took})
	}
	for n := range 19 {
		history.Add(estimate.Kind{Service: "New", Version: "3"}, estimate.Sample{InputBytes: int64(n), MemoryBytes: 1, Elapsed: time.Hour})
	}
	for _, c := range []struct {
		service, version string
		maximum          *jobsv1.Resources
		capacity         int64
		samples          int32
		memory           int64
		limit            time.Duration
		note             string
	}{
		{"Big", "1", nil, 0, 40, 11776 << 20, 78 * time.Minute, ""},
		{"Big", "1", &jobsv1.Resources{MemoryBytes: 8 * gib, TimeLimit: durationpb.New(time.Hour)}, 0, 40, 8 * gib, time.Hour, "the service has at most 8 GiB for a job. Jobs like it would need a time limit of 1h18m, and jobs of the service may have at most 1h"},
		{"Big", "1", &jobsv1.Resources{MemoryBytes: 8 * gib}, 4 * gib, 40, 4 * gib, 78 * time.Minute, "the executor has at most 4 GiB"},
		{"Big", "2", nil, 0, 0, 0, 0, "Nothing is advised: 0 jobs of Big 2 like it have completed, and it takes 20."},
		{"Tiny", "", nil, 0, 40, 64 << 20, time.Minute, ""},
		{"Unmeasured", "", nil, 0, 40, 0, 78 * time.Minute, "No memory is advised"},
		{"Sleep", "", nil, 0, 40, 64 << 20, 78 * time.Minute, "half of them took at most 1m, and one in twenty more than 1h"},
		{"New", "3", nil, 0, 19, 0, 0, "19 jobs of New 3 like it have completed"},
	} {
		inWorld(t, func(w *world) {
			w.history, w.maximum = history, func(string) *jobsv1.Resources { return c.maximum }
			if c.capacity > 0 {
				w.capacity = scheduler.Capacity{policy.Memory: c.capacity}
			}
			w.start()
			a := w.s.Advise(&jobsv1.Job{Service: c.service, ServiceVersion: c.version, Executor: "local"})
			if a.GetSamples() != c.samples || a.GetMemoryBytes() != c.memory || a.GetTimeLimit().AsDuration() != c.limit ||
				!strings.Contains(a.GetNote(), c.note) || (c.note == "") != (a.GetNote() == "") {
				t.Errorf("%s %s: advised %v, want %+v", c.service, c.version, a, c)
			}
		})
	}
}
