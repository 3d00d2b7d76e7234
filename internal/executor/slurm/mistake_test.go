package slurm

import (
	"fmt"
	"testing"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

const byEngine = jobsv1.Reason_REASON_CANCELLED_BY_ENGINE

// A killed controller gives ids out twice, and ends the second job when the first one is over.
func TestJobsEndedByMistakeAreSubmittedAgain(t *testing.T) {
	for _, noBooks := range []bool{false, true} {
		for _, purged := range []bool{false, true} {
			if noBooks && purged {
				continue // then it is not there, and submitted again for that
			}
			story(t, fmt.Sprintf("purged %t, without accounting %t", purged, noBooks), func(w *world) {
				t := w.t
				w.set(func() { w.noBooks = noBooks })
				wt := w.wait(w.begin(w.task(1, 1)))
				pass(20 * time.Second)
				w.mistake(w.live("PENDING")[0])
				if purged {
					w.purge()
				}
				pass(30 * time.Second)
				wantWaiting(t, wt, queued, resources)
				pass(5 * time.Minute)
				jobs := w.live("PENDING")
				if len(jobs) != 1 || w.count("sbatch") != 2 {
					t.Fatalf("Slurm has %d jobs after %d sbatch; want 1 after 2", len(jobs), w.count("sbatch"))
				}
				w.start(jobs[0])
				w.wantOneRun(wt, jobs[0], 3)
			})
		}
	}
	story(t, "by a controller that was there before the attempt, unknown to it", func(w *world) {
		t := w.t
		pass(time.Minute) // the first poll is good
		w.set(func() { w.boot = time.Now() })
		pass(time.Minute)
		wt := w.wait(w.begin(w.task(1, 1)))
		pass(10 * time.Second)
		w.cancel(w.live("PENDING")[0], "0")
		pass(5 * time.Minute)
		if jobs := w.live("PENDING"); len(jobs) != 1 || wt.over() {
			t.Fatalf("Slurm has %d jobs, over %t", len(jobs), wt.over())
		}
	})
	story(t, "and cancelled by their owner meanwhile", func(w *world) {
		t := w.t
		h := w.begin(w.task(1, 1))
		wt := w.wait(h)
		pass(20 * time.Second)
		w.mistake(w.live("PENDING")[0])
		pass(20 * time.Second)
		if err := w.c.Cancel(t.Context(), h); err != nil {
			t.Fatal(err)
		}
		pass(5 * time.Minute)
		wantExit(t, wt, byOwner, -1)
		if n := w.count("sbatch"); n != 1 {
			t.Errorf("sbatch was called %d times", n)
		}
	})
}

func TestWhatAnAdministratorCancelsStaysCancelled(t *testing.T) {
	for _, tc := range []struct {
		name   string
		before time.Duration // how long before the server the controller began; zero for later
		after  time.Duration // how long before the cancellation it began again; zero for not at all
		uid    string
	}{
		{"controller that never says when it began", 0, 0, "0"},
		{"controller that was there before the server", time.Second, 0, "0"},
		{"long after the controller began", 0, 11 * time.Minute, "0"},
		{"by somebody, just after the controller began", 0, 10 * time.Second, "4123456"},
	} {
		story(t, tc.name, func(w *world) {
			t := w.t
			if tc.before > 0 {
				w.set(func() { w.boot = time.Now().Add(-tc.before) })
			}
			wt := w.wait(w.begin(w.task(1, 1)))
			pass(time.Minute)
			if tc.after > 0 {
				w.set(func() { w.boot = time.Now() })
				pass(tc.after)
			}
			w.cancel(w.live("PENDING")[0], tc.uid)
			pass(time.Minute)
			wantExit(t, wt, byEngine, -1)
			if n := w.count("sbatch"); n != 1 {
				t.Errorf("sbatch was called %d times", n)
			}
		})
	}
	story(t, "again and again, just after the controller began", func(w *world) {
		t := w.t
		wt := w.wait(w.begin(w.task(1, 1)))
		pass(20 * time.Second)
		for range 20 {
			if jobs := w.live("PENDING"); len(jobs) > 0 {
				w.mistake(jobs[0])
			}
			pass(3 * time.Minute)
		}
		wantExit(t, wt, byEngine, -1)
		if n := w.count("sbatch"); n != 11 {
			t.Errorf("sbatch was called %d times; want once and ten times more", n)
		}
	})
}
