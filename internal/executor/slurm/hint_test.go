package slurm

import (
	"testing"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
)

const (
	toldStart = jobsv1.JobEvent_JOB_EVENT_STARTED
	toldEnd   = jobsv1.JobEvent_JOB_EVENT_ENDED
)

func TestHintsShowStartAndEndAtOnce(t *testing.T) {
	story(t, "also long after the last poll", func(w *world) {
		t := w.t
		wt := w.wait(w.begin(w.task(1, 1)))
		pass(time.Hour + 2*time.Second) // polls are 5 s apart by now
		j := w.live("PENDING")[0]
		w.start(j)
		w.c.Hint(1, 1, toldStart)
		pass(time.Millisecond)
		wantWaiting(t, wt, runs, byItself)
		pass(time.Minute + 2*time.Second)
		before := w.count("squeue")
		w.c.Hint(1, 1, toldEnd) // the script tells before it ends
		pass(250 * time.Millisecond)
		w.finish(j, 0)
		pass(300 * time.Millisecond)
		wantExit(t, wt, byItself, 0)
		pass(1500 * time.Millisecond)
		if n := w.count("squeue") - before; n != 2 {
			t.Errorf("%d polls for an end that the second one showed", n)
		}
	})
}

func TestAFloodOfHintsCostsFewPolls(t *testing.T) {
	story(t, "however many there are", func(w *world) {
		t := w.t
		w.wait(w.begin(w.task(1, 1)))
		pass(time.Hour)
		before := w.count("squeue")
		for range 6000 { // a hundred a second for a minute, of jobs that are there and of others
			w.c.Hint(1, 1, toldStart)
			w.c.Hint(job.ID(w.count("squeue")), 1, toldEnd)
			pass(10 * time.Millisecond)
		}
		n := w.count("squeue") - before
		// One a second, some saved up, and perhaps a usual one between them.
		if n < 30 || n > 60+10+5 {
			t.Errorf("%d polls in a minute of hints", n)
		}
		most := 0
		w.set(func() { most = w.mostSqueue })
		if most > 1 {
			t.Errorf("%d squeue at a time", most)
		}
		pass(2 * time.Minute)
		before = w.count("squeue")
		pass(time.Hour)
		if n := w.count("squeue") - before; n != 720 {
			t.Errorf("%d polls in an hour after that", n)
		}
	})
}

func TestASlowClusterIsNotHurriedByHints(t *testing.T) {
	story(t, "it rests as long as ever", func(w *world) {
		t := w.t
		w.set(func() { w.slow = time.Second })
		w.wait(w.begin(w.task(1, 1)))
		pass(time.Hour)
		before := w.count("squeue")
		for range 600 {
			w.c.Hint(1, 1, toldEnd)
			pass(100 * time.Millisecond)
		}
		if n := w.count("squeue") - before; n > 9 { // a second, and ten of rest on average
			t.Errorf("%d polls in a minute of a cluster that takes a second for each", n)
		}
	})
}

func TestHintsWhileTheClusterIsAway(t *testing.T) {
	story(t, "change nothing", func(w *world) {
		t := w.t
		wt := w.wait(w.begin(w.task(1, 1)))
		pass(10 * time.Second)
		w.start(w.live("PENDING")[0])
		pass(10 * time.Second)
		w.set(func() { w.broken = saysDown })
		for range 100 {
			w.c.Hint(1, 1, toldEnd)
			pass(time.Second)
		}
		wantWaiting(t, wt, runs, byItself)
	})
}
