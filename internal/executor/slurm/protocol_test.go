package slurm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/executor/batch"
	"github.com/stint-jobs/stint/internal/job"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// story tells one in a bubble of fake time.
func story(t *testing.T, name string, tell func(w *world)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { tell(newWorld(t)) })
	})
}

// pass lets fake time pass.
//
//nolint:forbidigo // fake time: a synctest bubble
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// wantExit checks how an attempt ended.
func wantExit(t *testing.T, w *waiter, reason jobsv1.Reason, code int) {
	t.Helper()
	if !w.over() {
		t.Fatalf("Wait() goes on; observed last: %+v", w.last())
	}
	if w.err != nil || w.exit.Reason != reason || w.exit.Code != code {
		t.Errorf("Wait() = %v, code %d, signal %d, %q, %v; want %v, code %d", w.exit.Reason, w.exit.Code, w.exit.Signal, w.exit.Message, w.err, reason, code)
	}
}

// wantWaiting checks what was observed last of an attempt that goes on.
func wantWaiting(t *testing.T, w *waiter, state jobsv1.State, reason jobsv1.Reason) {
	t.Helper()
	if w.over() {
		t.Fatalf("Wait() = %+v, %v", w.exit, w.err)
	}
	if o := w.last(); o.State != state || o.Reason != reason {
		t.Errorf("observed %v, %v, %q; want %v, %v", o.State, o.Reason, o.Message, state, reason)
	}
}

// wantOneRun brings a job that was started, of the first attempt of job 1, to its
// end, and checks that this was seen, and that the attempt's command ran once.
func (w *world) wantOneRun(wt *waiter, j *fakeJob, code int) {
	w.t.Helper()
	pass(10 * time.Second)
	wantWaiting(w.t, wt, runs, byItself)
	w.finish(j, code)
	pass(time.Minute)
	wantExit(w.t, wt, byItself, code)
	if n := w.runsOf("stint-test-1-1"); n != 1 {
		w.t.Errorf("the command ran %d times", n)
	}
}

const (
	queued   = jobsv1.State_STATE_QUEUED
	runs     = jobsv1.State_STATE_RUNNING
	byItself = jobsv1.Reason_REASON_UNSPECIFIED
	away     = jobsv1.Reason_REASON_WAITING_FOR_ENGINE
	byOwner  = jobsv1.Reason_REASON_CANCELLED_BY_OWNER
)

func TestLifeOfAnAttempt(t *testing.T) {
	story(t, "from pending to its end", func(w *world) {
		t := w.t
		h := w.begin(w.task(1, 1))
		wt := w.wait(h)
		pass(10 * time.Second)
		wantWaiting(t, wt, queued, resources)
		j := w.live("PENDING")[0]
		w.set(func() { j.reason, j.start = "JobHeldAdmin", time.Now().Add(time.Hour) })
		pass(10 * time.Second)
		wantWaiting(t, wt, queued, held)
		if o := wt.last(); o.ExpectedStart.IsZero() || o.EngineID != "1" || o.EngineState != "PENDING" {
			t.Errorf("observed %+v", o)
		}
		w.start(j)
		pass(10 * time.Second)
		wantWaiting(t, wt, runs, byItself)
		if o := wt.last(); o.StartTime.IsZero() || o.Node != "n1" {
			t.Errorf("observed %+v", o)
		}
		w.finish(j, 4)
		pass(10 * time.Second)
		wantExit(t, wt, byItself, 4)
		again := w.wait(h)
		synctest.Wait()
		wantExit(t, again, byItself, 4)
	})
	story(t, "refused", func(w *world) {
		t := w.t
		w.sbatch = []fakeSubmit{{answer: saysNo}}
		task := w.task(1, 1)
		for range 2 {
			var f *executor.Failure
			if _, err := w.c.Start(t.Context(), task); !errors.As(err, &f) || f.Reason != jobsv1.Reason_REASON_SUBMIT_REJECTED || !strings.Contains(f.Message, "account") {
				t.Errorf("Start() = %v", err)
			}
			if _, err := w.c.Find(t.Context(), task); !errors.As(err, &f) {
				t.Errorf("Find() = %v", err)
			}
			w.restart()
		}
		if n := w.count("sbatch"); n != 1 {
			t.Errorf("sbatch was called %d times", n)
		}
	})
	story(t, "controller down, then up", func(w *world) {
		t := w.t
		w.sbatch = []fakeSubmit{{answer: saysDown}}
		task := w.task(1, 1)
		if _, err := w.c.Start(t.Context(), task); !errors.Is(err, executor.ErrUnavailable) {
			t.Fatalf("Start() = %v", err)
		}
		if _, err := w.c.Find(t.Context(), task); !errors.Is(err, executor.ErrNotFound) {
			t.Fatalf("Find() = %v", err)
		}
		w.begin(task)
		if n := len(w.live("PENDING")); n != 1 {
			t.Errorf("%d jobs", n)
		}
	})
	story(t, "never told anybody", func(w *world) {
		t := w.t
		if _, err := w.c.Find(t.Context(), w.task(1, 1)); !errors.Is(err, executor.ErrNotFound) {
			t.Errorf("Find() = %v", err)
		}
		if _, err := w.c.Wait(t.Context(), "stint-other-1-1", nil); !errors.Is(err, executor.ErrLost) {
			t.Errorf("Wait() for another installation's = %v", err)
		}
		if _, err := w.c.Wait(t.Context(), "stint-test-99-1", nil); !errors.Is(err, executor.ErrLost) {
			t.Errorf("Wait() without a folder = %v", err)
		}
	})
}

func TestUnclearSubmissions(t *testing.T) {
	for _, tc := range []struct {
		name   string
		submit fakeSubmit
	}{
		{"accepted, then reported a time-out", fakeSubmit{take: true, answer: saysTimeout}},
		{"accepted, then hung", fakeSubmit{take: true, hang: true}},
		{"accepted after it had reported a time-out", fakeSubmit{late: true, answer: saysTimeout}},
		{"accepted after it had hung", fakeSubmit{late: true, hang: true}},
		{"accepted and said nothing", fakeSubmit{take: true, answer: batch.Answer{Stderr: "sbatch: warning: hello\n"}}},
		{"not accepted, reported a time-out", fakeSubmit{answer: saysTimeout}},
		{"not accepted, hung", fakeSubmit{hang: true}},
		{"accepted with warnings", fakeSubmit{take: true, answer: batch.Answer{Stdout: "Welcome\n1\n", Stderr: "sbatch: warning: hello\n"}}},
	} {
		story(t, tc.name, func(w *world) {
			t := w.t
			w.sbatch = []fakeSubmit{tc.submit}
			wt := w.wait(w.begin(w.task(1, 1)))
			pass(3 * time.Minute)
			jobs := w.live("PENDING")
			if len(jobs) != 1 {
				t.Fatalf("Slurm has %d jobs after a while", len(jobs))
			}
			w.start(jobs[0])
			w.wantOneRun(wt, jobs[0], 0)
		})
	}
	story(t, "started before anybody noticed", func(w *world) {
		t := w.t
		w.sbatch = []fakeSubmit{{take: true, answer: saysTimeout}}
		h := w.begin(w.task(1, 1))
		j := w.live("PENDING")[0]
		w.start(j)
		w.finish(j, 0)
		w.purge()
		wt := w.wait(h)
		pass(5 * time.Minute)
		wantExit(t, wt, byItself, 0)
		if n := w.count("sbatch"); n != 1 {
			t.Errorf("sbatch was called %d times", n)
		}
	})
	story(t, "submitted again although the first one comes much later", func(w *world) {
		w.sbatch = []fakeSubmit{{hang: true}}
		wt := w.wait(w.begin(w.task(1, 1)))
		pass(3 * time.Minute)
		second := w.live("PENDING")[0]
		first := &fakeJob{id: 77, name: second.name, dir: second.dir, state: "PENDING", reason: "Dependency", submit: time.Now()}
		w.set(func() { w.jobs = append(w.jobs, first) })
		w.start(first)
		w.start(second) // finds the lock taken
		w.wantOneRun(wt, first, 3)
	})
	story(t, "the run that holds the lock counts, not the second job", func(w *world) {
		t := w.t
		w.sbatch = []fakeSubmit{{hang: true}}
		wt := w.wait(w.begin(w.task(1, 1)))
		pass(3 * time.Minute)
		second := w.live("PENDING")[0]
		first := &fakeJob{id: 77, name: second.name, dir: second.dir, state: "PENDING", submit: second.submit.Add(-time.Minute)}
		w.set(func() { w.jobs = append(w.jobs, first) })
		w.start(first)
		w.start(second) // finds the lock taken, and is COMPLETED at once
		w.set(func() { first.state, first.end = "OUT_OF_MEMORY", time.Now() })
		pass(2 * time.Minute)
		wantExit(t, wt, jobsv1.Reason_REASON_OUT_OF_MEMORY, -1)
		if wt.exit.EngineID != "77" {
			t.Errorf("exit %+v", wt.exit)
		}
	})
	story(t, "taken from a controller that was frozen for long", func(w *world) {
		t := w.t
		// sbatch gets no answer, polls do not either, and what sbatch had sent is taken after the first good poll.
		w.sbatch = []fakeSubmit{{answer: saysTimeout}}
		h := w.begin(w.task(1, 1))
		wt := w.wait(h)
		pass(5 * time.Second)
		w.set(func() { w.broken = batch.Answer{Code: -1, Err: batch.ErrTimeout} })
		pass(10 * time.Minute)
		w.set(func() { w.broken = batch.Answer{} })
		pass(30 * time.Second)
		if n := w.count("sbatch"); n != 1 {
			t.Errorf("sbatch was called %d times", n)
		}
		j := &fakeJob{id: 5, name: string(h), dir: w.root.Job(1).Attempt(1).Path(), state: "PENDING", submit: time.Now()}
		w.set(func() { w.jobs = append(w.jobs, j) })
		pass(10 * time.Minute)
		wantWaiting(t, wt, queued, resources)
		if n := w.count("sbatch"); n != 1 {
			t.Errorf("sbatch was called %d times", n)
		}
	})
	story(t, "never accepted", func(w *world) {
		t := w.t
		for range 20 {
			w.sbatch = append(w.sbatch, fakeSubmit{answer: saysTimeout})
		}
		wt := w.wait(w.begin(w.task(1, 1)))
		pass(2 * time.Minute)
		wantWaiting(t, wt, queued, away)
		pass(time.Hour)
		wantExit(t, wt, jobsv1.Reason_REASON_LOST, -1)
		if !strings.Contains(wt.exit.Message, "It said last: Batch job submission failed: Socket timed out") {
			t.Errorf("message %q", wt.exit.Message)
		}
		if n := w.count("sbatch"); n != 10 {
			t.Errorf("sbatch was called %d times", n)
		}
	})
	story(t, "a queue that is full for hours", func(w *world) {
		t := w.t
		full := batch.Answer{Code: -1, Err: batch.ErrTimeout, Stderr: "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying\n"}
		for range 100 {
			w.sbatch = append(w.sbatch, fakeSubmit{answer: full})
		}
		wt := w.wait(w.begin(w.task(1, 1)))
		pass(time.Hour)
		wantWaiting(t, wt, queued, away)
		if o := wt.last(); !strings.Contains(o.Message, "takes no more jobs for now") {
			t.Errorf("observed %q", o.Message)
		}
		if n := w.count("sbatch"); n < 30 || n > 65 {
			t.Errorf("sbatch was called %d times in an hour", n)
		}
		w.set(func() { w.sbatch = nil })
		pass(5 * time.Minute)
		wantWaiting(t, wt, queued, resources)
	})
	story(t, "refused when submitted again", func(w *world) {
		t := w.t
		w.sbatch = []fakeSubmit{{answer: saysTimeout}, {answer: saysNo}}
		wt := w.wait(w.begin(w.task(1, 1)))
		pass(5 * time.Minute)
		wantExit(t, wt, jobsv1.Reason_REASON_SUBMIT_REJECTED, -1)
	})
	story(t, "the server dies with sbatch", func(w *world) {
		t := w.t
		// The old process got as far as its intent; its sbatch may have arrived or not.
		for i, take := range []bool{true, false} {
			task := w.task(job.ID(i+1), 1)
			w.sbatch = []fakeSubmit{{take: take, hang: true}}
			ctx, kill := context.WithCancel(context.Background())
			done := make(chan struct{})
			go func() {
				defer close(done)
				_, _ = w.c.Start(ctx, task)
			}()
			synctest.Wait()
			w.restart()
			h, err := w.c.Find(t.Context(), task)
			if err != nil {
				t.Fatalf("Find() = %v", err)
			}
			wt := w.wait(h)
			pass(3 * time.Minute)
			for _, j := range w.live("PENDING") {
				w.start(j)
				w.finish(j, 0)
			}
			pass(time.Minute)
			wantExit(t, wt, byItself, 0)
			if n := w.runsOf(string(h)); n != 1 {
				t.Errorf("the command ran %d times", n)
			}
			kill()
			<-done
		}
	})
}

func TestPollsThatFailChangeNothing(t *testing.T) {
	for name, broken := range map[string]batch.Answer{
		"refused":    {Code: 1, Stderr: "slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n"},
		"hangs":      {Code: -1, Err: batch.ErrTimeout},
		"empty":      {Stderr: "squeue: error: something\n"},
		"cut short":  {Stdout: "1" + fieldEnd + "RUNN"},
		"only words": {Stdout: "*** Welcome ***\n"},
	} {
		story(t, name, func(w *world) {
			t := w.t
			wt := w.wait(w.begin(w.task(1, 1)))
			pending := w.wait(w.begin(w.task(2, 1)))
			j := w.live("PENDING")[0]
			w.start(j)
			pass(10 * time.Second)
			wantWaiting(t, wt, runs, byItself)
			w.set(func() { w.broken = broken })
			pass(20 * time.Minute)
			wantWaiting(t, wt, runs, byItself)
			if o := wt.last(); !strings.Contains(o.Message, "has not been reachable since 2000-01-01 00:00 UTC") {
				t.Errorf("observed %q", o.Message)
			}
			wantWaiting(t, pending, queued, away)
			st := w.c.Status()
			if st.GetHealthy() || st.GetUnreachableSince() == nil {
				t.Errorf("status = %v", st)
			}
			if _, err := w.c.Start(t.Context(), w.task(3, 1)); !errors.Is(err, executor.ErrUnavailable) {
				t.Errorf("Start() = %v", err)
			}
			w.set(func() { w.broken = batch.Answer{} })
			pass(2 * time.Minute)
			wantWaiting(t, wt, runs, byItself)
			wantWaiting(t, pending, queued, resources)
			if o := wt.last(); o.Message != "" {
				t.Errorf("observed %q", o.Message)
			}
			if st := w.c.Status(); !st.GetHealthy() || st.GetUnreachableSince() != nil || st.GetMessage() != "Slurm 22.05.8 with accounting." || st.GetActiveJobs() != 2 {
				t.Errorf("status = %v", st)
			}
			w.finish(j, 0)
			pass(time.Minute)
			wantExit(t, wt, byItself, 0)
		})
	}
}

func TestVanishedJobs(t *testing.T) {
	begin := func(t *testing.T, w *world) (*waiter, *fakeJob) {
		t.Helper()
		wt := w.wait(w.begin(w.task(1, 1)))
		j := w.live("PENDING")[0]
		w.start(j)
		pass(10 * time.Second)
		wantWaiting(t, wt, runs, byItself)
		return wt, j
	}
	story(t, "purged, and accounting knows", func(w *world) {
		t := w.t
		wt, j := begin(t, w)
		w.finish(j, 6)
		w.purge()
		pass(time.Minute)
		wantExit(t, wt, byItself, 6)
		if wt.exit.EngineState != "FAILED" || wt.exit.Usage.GetMaxRssBytes() != 1000000 {
			t.Errorf("exit %+v", wt.exit)
		}
	})
	story(t, "purged, without accounting", func(w *world) {
		t := w.t
		w.set(func() { w.noBooks = true })
		wt, j := begin(t, w)
		w.finish(j, 6)
		w.purge()
		pass(time.Minute)
		wantExit(t, wt, byItself, 6)
	})
	story(t, "purged while accounting is down", func(w *world) {
		t := w.t
		w.booksDown = true
		wt, j := begin(t, w)
		w.finish(j, 6)
		w.purge()
		pass(time.Minute)
		wantWaiting(t, wt, runs, byItself)
		w.set(func() { w.booksDown = false })
		pass(3 * time.Minute)
		wantExit(t, wt, byItself, 6)
	})
	story(t, "purged while accounting hangs for ever", func(w *world) {
		t := w.t
		w.booksHang = true
		wt, j := begin(t, w)
		w.finish(j, 6)
		w.purge()
		pass(time.Minute)
		wantWaiting(t, wt, runs, byItself)
		pass(15 * time.Minute)
		wantExit(t, wt, byItself, 6)
	})
	story(t, "its id belongs to somebody else by now", func(w *world) {
		t := w.t
		wt, j := begin(t, w)
		w.finish(j, 6)
		w.purge()
		w.set(func() {
			w.seq++
			other := &fakeJob{id: j.id, name: "stint-test-2-1", state: "FAILED", code: 99, submit: time.Now(), start: time.Now(), end: time.Now(), seq: w.seq}
			w.jobs, w.books[w.seq] = append(w.jobs, other), other
		})
		pass(time.Minute)
		wantExit(t, wt, byItself, 6)
	})
	story(t, "lost by the controller before it began", func(w *world) {
		t := w.t
		wt := w.wait(w.begin(w.task(1, 1)))
		pass(10 * time.Second)
		wantWaiting(t, wt, queued, resources)
		w.crash(w.live("PENDING")...)
		pass(2 * time.Minute)
		jobs := w.live("PENDING")
		if len(jobs) != 1 || wt.over() {
			t.Fatalf("Slurm has %d jobs", len(jobs))
		}
		w.start(jobs[0])
		w.finish(jobs[0], 0)
		pass(time.Minute)
		wantExit(t, wt, byItself, 0)
	})
	story(t, "lost by the controller while it ran", func(w *world) {
		t := w.t
		wt, j := begin(t, w)
		w.crash(j)
		pass(15 * time.Minute)
		if !wt.over() || !errors.Is(wt.err, executor.ErrLost) {
			t.Errorf("Wait() = %+v, %v, over %v", wt.exit, wt.err, wt.over())
		}
		if n := w.count("sbatch"); n != 1 {
			t.Errorf("sbatch was called %d times", n)
		}
	})
	story(t, "lost by the controller while it ran, without a word from the node", func(w *world) {
		t := w.t
		wt, j := begin(t, w)
		w.set(func() { j.owner = false })
		w.crash(j)
		pass(5 * time.Minute)
		wantWaiting(t, wt, runs, byItself)
		pass(10 * time.Minute)
		if !wt.over() || !errors.Is(wt.err, executor.ErrLost) {
			t.Errorf("Wait() = %+v, %v, over %v", wt.exit, wt.err, wt.over())
		}
	})
}

func TestRunsThatSlurmRepeats(t *testing.T) {
	story(t, "after it cut the first one off", func(w *world) {
		t := w.t
		wt := w.wait(w.begin(w.task(1, 1)))
		j := w.live("PENDING")[0]
		w.start(j)
		pass(10 * time.Second)
		w.forgetStart(j)
		pass(10 * time.Second)
		wantWaiting(t, wt, queued, resources)
		w.start(j)
		pass(time.Minute)
		wantExit(t, wt, jobsv1.Reason_REASON_PREEMPTED, -1)
		if n := w.runsOf(j.name); n != 1 {
			t.Errorf("the command ran %d times", n)
		}
	})
	story(t, "after it cut the first one off, some time", func(w *world) {
		t := w.t
		wt := w.wait(w.begin(w.task(1, 1)))
		j := w.live("PENDING")[0]
		w.start(j)
		pass(10 * time.Second)
		w.set(func() {
			j.state, j.reason, j.restarts, j.owner = "PENDING", "BeginTime", 1, false
			old := *j
			old.state, old.end = "NODE_FAIL", time.Now()
			w.seq++
			w.books[j.seq], w.books[w.seq], j.seq = &old, j, w.seq
		})
		pass(3 * time.Minute)
		wantExit(t, wt, jobsv1.Reason_REASON_PREEMPTED, -1)
		if j.state != "CANCELLED" {
			t.Errorf("the job that would run nothing is %s", j.state)
		}
	})
	story(t, "although it had ended", func(w *world) {
		t := w.t
		wt := w.wait(w.begin(w.task(1, 1)))
		j := w.live("PENDING")[0]
		w.start(j)
		pass(10 * time.Second)
		w.finish(j, 0)
		w.set(func() { j.state = "PENDING" }) // the controller forgot the end
		pass(time.Minute)
		wantExit(t, wt, byItself, 0)
	})
}

func TestCancel(t *testing.T) {
	story(t, "pending", func(w *world) {
		t := w.t
		h := w.begin(w.task(1, 1))
		if err := w.c.Cancel(t.Context(), h); err != nil {
			t.Fatal(err)
		}
		wt := w.wait(h)
		pass(10 * time.Second)
		wantExit(t, wt, byOwner, -1)
		if !wt.exit.Start.IsZero() || wt.exit.Usage != nil {
			t.Errorf("a command that never ran: %+v", wt.exit)
		}
	})
	story(t, "running, and asked for again as scancel got lost", func(w *world) {
		t := w.t
		h := w.begin(w.task(1, 1))
		wt := w.wait(h)
		j := w.live("PENDING")[0]
		w.start(j)
		pass(10 * time.Second)
		w.set(func() { w.broken = saysDown })
		if err := w.c.Cancel(t.Context(), h); err == nil {
			t.Error("Cancel() without a controller succeeded")
		}
		w.set(func() { w.broken = batch.Answer{} })
		for range 3 { // as the scheduler does
			pass(5 * time.Second)
			if err := w.c.Cancel(t.Context(), h); err != nil {
				t.Error(err)
			}
		}
		pass(10 * time.Second)
		wantExit(t, wt, byOwner, -1)
		if err := w.c.Cancel(t.Context(), h); err != nil {
			t.Error(err)
		}
	})
	story(t, "often asked for, seldom passed on", func(w *world) {
		t := w.t
		h := w.begin(w.task(1, 1))
		j := w.live("PENDING")[0]
		w.set(func() { j.state = "COMPLETING" })
		for range 600 {
			if err := w.c.Cancel(t.Context(), h); err != nil {
				t.Error(err)
			}
			pass(time.Second)
		}
		if n := w.count("scancel"); n < 5 || n > 20 {
			t.Errorf("scancel was called %d times in ten minutes", n)
		}
	})
	story(t, "too late", func(w *world) {
		t := w.t
		h := w.begin(w.task(1, 1))
		wt := w.wait(h)
		j := w.live("PENDING")[0]
		w.start(j)
		w.finish(j, 0)
		if err := w.c.Cancel(t.Context(), h); err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Second)
		wantExit(t, wt, byItself, 0)
	})
	story(t, "before Slurm has it", func(w *world) {
		t := w.t
		w.sbatch = []fakeSubmit{{late: true, hang: true}}
		h := w.begin(w.task(1, 1))
		wt := w.wait(h)
		for range 12 {
			if err := w.c.Cancel(t.Context(), h); err != nil {
				t.Fatal(err)
			}
			pass(5 * time.Second)
		}
		pass(time.Minute)
		wantExit(t, wt, byOwner, -1)
		if n := w.runsOf(string(h)); n != 0 {
			t.Errorf("the command ran %d times", n)
		}
	})
	story(t, "while Slurm never gets it", func(w *world) {
		t := w.t
		w.sbatch = []fakeSubmit{{answer: saysTimeout}}
		h := w.begin(w.task(1, 1))
		wt := w.wait(h)
		if err := w.c.Cancel(t.Context(), h); err != nil {
			t.Fatal(err)
		}
		w.restart() // the wish is durable
		wt.stop()
		wt = w.wait(h)
		pass(5 * time.Minute)
		wantExit(t, wt, byOwner, -1)
		if n := w.count("sbatch"); n != 1 {
			t.Errorf("sbatch was called %d times", n)
		}
		// Should Slurm come up with it after all, nothing runs.
		late := &fakeJob{id: 5, name: string(h), dir: w.root.Job(1).Attempt(1).Path(), state: "PENDING", submit: time.Now()}
		w.set(func() { w.jobs = append(w.jobs, late) })
		w.start(late)
		if n := w.runsOf(string(h)); n != 0 || late.state != "COMPLETED" {
			t.Errorf("the command ran %d times, and the job is %s", n, late.state)
		}
	})
	story(t, "by somebody else", func(w *world) {
		t := w.t
		wt := w.wait(w.begin(w.task(1, 1)))
		w.cancel(w.live("PENDING")[0], "4123456")
		pass(10 * time.Second)
		wantExit(t, wt, jobsv1.Reason_REASON_CANCELLED_BY_ENGINE, -1)
		if !strings.Contains(wt.exit.Message, "4123456") {
			t.Errorf("message %q", wt.exit.Message)
		}
	})
}

func TestJobsThatCanNeverStart(t *testing.T) {
	story(t, "are given up after a while", func(w *world) {
		t := w.t
		wt := w.wait(w.begin(w.task(1, 1)))
		j := w.live("PENDING")[0]
		w.set(func() { j.reason = "PartitionNodeLimit" })
		pass(9 * time.Minute)
		wantWaiting(t, wt, queued, resources)
		if o := wt.last(); !strings.Contains(o.Message, "can never start") {
			t.Errorf("observed %q", o.Message)
		}
		w.set(func() { w.broken = saysDown })
		pass(5 * time.Minute)
		w.set(func() { w.broken = batch.Answer{} })
		pass(3 * time.Minute)
		wantExit(t, wt, jobsv1.Reason_REASON_SUBMIT_REJECTED, -1)
		if j.state != "CANCELLED" {
			t.Errorf("the job is %s", j.state)
		}
	})
	story(t, "unless the reason passes", func(w *world) {
		t := w.t
		wt := w.wait(w.begin(w.task(1, 1)))
		j := w.live("PENDING")[0]
		for range 4 {
			w.set(func() { j.reason = "PartitionConfig" })
			pass(9 * time.Minute)
			w.set(func() { j.reason = "Resources" })
			pass(time.Minute)
		}
		wantWaiting(t, wt, queued, resources)
	})
}

func TestExpectedStartIsNewsWhenItIsQuiteAnother(t *testing.T) {
	story(t, "and not at every poll", func(w *world) {
		t := w.t
		wt := w.wait(w.begin(w.task(1, 1)))
		j := w.live("PENDING")[0]
		expect := func(start time.Time, seen int) {
			t.Helper()
			w.set(func() { j.start = start })
			pass(10 * time.Second)
			wt.mu.Lock()
			defer wt.mu.Unlock()
			if len(wt.seen) != seen {
				t.Errorf("%d observations, want %d; the last is %+v", len(wt.seen), seen, wt.seen[len(wt.seen)-1])
			}
		}
		expect(time.Time{}, 1)
		soon := time.Now().Add(5 * time.Hour)
		expect(soon, 2)
		expect(soon.Add(20*time.Minute), 2)
		expect(soon.Add(40*time.Minute), 3)
		expect(soon.Add(39*time.Minute), 3)
		expect(time.Time{}, 4)
	})
}

func TestUnknownStatesKeepTheLastOne(t *testing.T) {
	story(t, "and do not end anything", func(w *world) {
		t := w.t
		wt := w.wait(w.begin(w.task(1, 1)))
		j := w.live("PENDING")[0]
		w.start(j)
		pass(10 * time.Second)
		w.set(func() { j.state = "BRAND_NEW" })
		pass(time.Hour)
		wantWaiting(t, wt, runs, byItself)
		w.set(func() { j.state = "RUNNING" })
		w.finish(j, 0)
		pass(time.Minute)
		wantExit(t, wt, byItself, 0)
	})
}

func TestManyJobsCostAsManyPollsAsOne(t *testing.T) {
	const many = 300
	synctest.Test(t, func(t *testing.T) {
		polls := func(n int) (squeue, sacct int) {
			w := newWorld(t)
			var all []*waiter
			for i := range n {
				all = append(all, w.wait(w.begin(w.task(job.ID(i+1), 1))))
			}
			pass(time.Minute)
			before, accountsBefore := w.count("squeue"), w.count("sacct")
			for _, j := range w.live("PENDING") {
				w.start(j)
			}
			pass(time.Minute)
			for _, j := range w.live("RUNNING") {
				w.finish(j, 0)
			}
			w.purge() // so that all of them need accounting too
			pass(time.Minute)
			for _, wt := range all {
				wantExit(t, wt, byItself, 0)
			}
			most := 0
			w.set(func() { most = w.mostSqueue })
			if most > 1 {
				t.Errorf("%d squeue at a time", most)
			}
			w.stop()
			w.stop = func() {}
			return w.count("squeue") - before, w.count("sacct") - accountsBefore
		}
		oneQueue, oneAcct := polls(1)
		queue, acct := polls(many)
		if queue > oneQueue+2 || acct > oneAcct+3 {
			t.Errorf("%d jobs took %d squeue and %d sacct, one took %d and %d", many, queue, acct, oneQueue, oneAcct)
		}
	})
}

func TestPollsAreSeldomWhenNothingHappens(t *testing.T) {
	story(t, "and never too seldom for the cluster's memory", func(w *world) {
		t := w.t
		pass(time.Hour)
		before := w.count("squeue")
		pass(time.Hour)
		if n := w.count("squeue") - before; n != 60 {
			t.Errorf("%d polls in an hour without jobs", n)
		}
		w.wait(w.begin(w.task(1, 1)))
		pass(time.Hour)
		before = w.count("squeue")
		pass(time.Hour)
		if n := w.count("squeue") - before; n != 720 {
			t.Errorf("%d polls in an hour with a job", n)
		}
		before = w.count("squeue")
		w.c.Hint(1, 1, jobsv1.JobEvent_JOB_EVENT_STARTED)
		pass(3 * time.Second)
		if n := w.count("squeue") - before; n != 1 && n != 2 {
			t.Errorf("%d polls within 3 s of a hint", n)
		}
	})
}

func TestOrphans(t *testing.T) {
	story(t, "are reported, and cancelled on request", func(w *world) {
		t := w.t
		for i := range 3 {
			w.begin(w.task(job.ID(i+1), 1))
		}
		strange := &fakeJob{id: 50, name: "stint-test-of-an-older-version", state: "RUNNING", submit: time.Now()}
		w.set(func() {
			w.jobs = append(w.jobs, strange, &fakeJob{id: 51, name: "stint-other-1-1", state: "RUNNING"}, &fakeJob{id: 52, name: "stint-test-9-1", state: "COMPLETED"})
		})
		got, err := w.c.Orphans(t.Context(), func(id job.ID, attempt int) bool { return id == 2 && attempt == 1 })
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, o := range got {
			names = append(names, fmt.Sprintf("%s %s %s", o.Handle, o.EngineID, o.State))
		}
		if s := strings.Join(names, ", "); s != "stint-test-1-1 1 PENDING, stint-test-3-1 3 PENDING, stint-test-of-an-older-version 50 RUNNING" {
			t.Errorf("orphans: %s", s)
		}
		if err := w.c.CancelOrphan(t.Context(), got[1]); err != nil {
			t.Fatal(err)
		}
		if n := len(w.live("PENDING")); n != 2 {
			t.Errorf("%d jobs are left", n)
		}
		w.set(func() { w.broken = saysDown })
		if _, err := w.c.Orphans(t.Context(), nil); err == nil {
			t.Error("Orphans() without a controller succeeded")
		}
	})
}
