package scheduler

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/scheduler/policy"
)

const (
	// maxShort bounds the jobs of which it is kept since when less memory would have been enough, and
	// maxSteps what is kept of each.
	maxShort, maxSteps = 64, 64
	// leastSooner is the least time that is worth a sentence.
	leastSooner = time.Minute
	// memoryMargin is how many times what a job used would have been enough for it, as in advice.
	memoryMargin = 1.15
)

// short is a job that was next in order while it waited for memory, and how much memory was free
// then. Nothing but its need of memory kept it from starting at these times: whatever else it needs
// was free, its owner was at no cap, and attempts were not held.
type short struct {
	need   policy.Resources
	looked uint64 // how often something had been given back by the latest look
	steps  []step // each has more free than those before it
}

// step is a time at which so much memory was free.
type step struct {
	at   time.Time
	free int64
}

// noteShort notes what is free for the job that is next in order and does not fit. Only what is given
// back makes more free. It is of Run's goroutine, like short.
func (s *Scheduler) noteShort(l *lane, id job.ID) {
	_, bounded := l.engine.Capacity[policy.Memory]
	if _, prompt := l.engine.Executor.(executor.Prompt); !bounded || !prompt {
		return // an engine with a queue of its own starts jobs when it likes
	}
	h := s.short[id]
	switch {
	case h == nil && len(s.short) >= maxShort, h != nil && (h.looked == s.released || len(h.steps) >= maxSteps):
		return
	case h == nil:
		briefs, err := s.cfg.Store.Briefs([]job.ID{id})
		if err != nil || briefs[0].Err != nil {
			return // it is read again before it starts
		}
		h = &short{need: needs(briefs[0].NextResources())}
		s.short[id] = h
	}
	h.looked = s.released
	if free, ok := s.memoryAlone(l, h.need); ok && (len(h.steps) == 0 || free > h.steps[len(h.steps)-1].free) {
		h.steps = append(h.steps, step{at: time.Now(), free: free})
	}
}

// memoryAlone returns how much memory is free on an executor, and whether there is enough of all
// else that a job needs.
func (s *Scheduler) memoryAlone(l *lane, need policy.Resources) (free int64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, total := range l.engine.Capacity {
		left, needed := total-s.policy.Used(l.name, name), need[name]
		switch {
		case name == policy.Memory:
			free = left
		case name == policy.Slots:
			needed = max(1, needed)
			fallthrough
		default:
			if needed > left {
				return 0, false
			}
		}
	}
	return free, true
}

// sooner returns how much sooner the run's attempt would have started if its job had asked for what
// it used. It returns nil where that is not known, or too little to speak of.
func (r *run) sooner(had, used int64) *jobsv1.SoonerStart {
	if r.short == nil || used <= 0 {
		return nil
	}
	enough := enoughFor(used)
	if enough >= had {
		return nil
	}
	for _, st := range r.short.steps {
		if st.free < enough {
			continue
		}
		if by := r.started.Sub(st.at); by >= leastSooner {
			return &jobsv1.SoonerStart{MemoryBytes: enough, Sooner: durationpb.New(by.Truncate(leastSooner))}
		}
		return nil
	}
	return nil
}

// enoughFor returns how much memory would have been enough for a job that used so much.
func enoughFor(used int64) int64 {
	return max(leastMemory, up(scaled(used, memoryMargin), mib))
}

// usageNote says of a final job what its last attempt had of memory and time and what of it was
// used. It is empty where that was not measured.
func usageNote(j *jobsv1.Job) string {
	a := job.Attempt(j)
	had, used := job.Given(j), a.GetUsage()
	var notes []string
	if m := used.GetMaxRssBytes(); m > 0 && had.GetMemoryBytes() > 0 {
		notes = append(notes, fmt.Sprintf("It had %s of memory and used %s.", Bytes(had.GetMemoryBytes()), Bytes(m)))
	}
	if d, limit := used.GetElapsed().AsDuration(), had.GetTimeLimit().AsDuration(); d > 0 && limit > 0 {
		notes = append(notes, fmt.Sprintf("It had %s and took %s.", span(limit), span(rounded(d))))
	}
	if by := a.GetSoonerStart(); by != nil {
		notes = append(notes, fmt.Sprintf("With %s of memory it would have started at least %s sooner.",
			Bytes(by.GetMemoryBytes()), span(by.GetSooner().AsDuration())))
	}
	return strings.Join(notes, " ")
}

// span writes a time for people: 2h, 1h30m, 90ms.
func span(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
