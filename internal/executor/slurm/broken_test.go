package slurm

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/executor/batch"
	"github.com/stint-jobs/stint/internal/executor/executortest"
	"github.com/stint-jobs/stint/internal/job"
)

// through is an engine whose every answer is a, by way of a connection.
func through(a batch.Answer, line executortest.Connection) *engine {
	cfg := Config{User: "me"}
	cfg.setDefaults()
	return &engine{cfg: cfg, log: cfg.Logger, owners: newOwners(), run: func(_ context.Context, c batch.Call) batch.Answer {
		out := a.Stdout
		for _, arg := range c.Args { // rows end with the mark that was asked for
			if v, ok := strings.CutPrefix(arg, "--delimiter="); ok {
				out = strings.ReplaceAll(out, string(sampleMark), v)
			}
			if _, v, ok := strings.Cut(arg, "\x1e"); ok {
				out = strings.ReplaceAll(out, string(sampleMark), v)
			}
		}
		mark := batch.NewMark()
		got, err := mark.Read(line.Pass(mark.Write(batch.Answer{Stdout: out, Stderr: a.Stderr, Code: a.Code})))
		got.Program, got.Err = c.Program, err
		return got
	}}
}

// kinds are all kinds of answers, and what is concluded from each. Concluding nothing is "".
func kinds(t *testing.T) map[string]struct {
	answer   batch.Answer
	conclude func(e *engine) string
} {
	t.Helper()
	submit := func(e *engine) string {
		got := e.Submit(t.Context(), batch.Plan{}, nil)
		if got.Outcome == batch.Uncertain && got.Hold == (batch.Hold{}) {
			return ""
		}
		return "submitted"
	}
	poll := func(e *engine) string {
		rows, err := e.Poll(t.Context())
		if err != nil {
			return ""
		}
		return "rows " + strings.Repeat("I", len(rows))
	}
	account := func(e *engine) string {
		all, err := e.Account(t.Context(), batch.Query{IDs: []string{"22"}})
		if err != nil && !errors.Is(err, batch.ErrNoAccounting) {
			return ""
		}
		return "accounts " + strings.Repeat("I", len(all))
	}
	probe := func(e *engine) string {
		f, err := e.Probe(t.Context())
		if err != nil {
			return ""
		}
		return "version " + f.Version
	}
	cancel := func(e *engine) string {
		if err := e.Cancel(t.Context(), "stint-test-1-1", "7"); err != nil {
			return ""
		}
		return "cancelled"
	}
	row, _, _ := strings.Cut(sample(t, "squeue-22.05.8.txt"), "\n")
	account1, _, _ := strings.Cut(sample(t, "sacct-22.05.8.txt"), "\n")
	config := "BOOT_TIME = 1\nSLURM_VERSION = 22.05.8\nAccountingStorageType = accounting_storage/none\n"
	type kind = struct {
		answer   batch.Answer
		conclude func(e *engine) string
	}
	return map[string]kind{
		"sbatch, an id":        {batch.Answer{Stdout: "123\n"}, submit},
		"sbatch, a refusal":    {saysNo, submit},
		"sbatch, a full queue": {batch.Answer{Code: 1, Stderr: "sbatch: error: AssocMaxSubmitJobLimit\nsbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)\n"}, submit},
		"sbatch, out of reach": {saysDown, submit},
		"sbatch, a bad option": {batch.Answer{Code: 255, Stderr: "sbatch: unrecognized option '--x'\nTry \"sbatch --help\" for more information\n"}, submit},
		"squeue, rows":         {batch.Answer{Stdout: row + "\n" + row + "\n"}, poll},
		"squeue, none":         {batch.Answer{}, poll},
		"squeue, no ASCII":     {batch.Answer{Stdout: strings.Replace(row, "\x1e", " caf\xe9 na\xc3\xafve\x1e", 1) + "\n"}, poll},
		"sacct, rows":          {batch.Answer{Stdout: account1 + "\n"}, account},
		"sacct, none":          {batch.Answer{}, account},
		"sacct, no accounting": {batch.Answer{Code: 1, Stderr: "Slurm accounting storage is disabled\n"}, account},
		"scontrol, the config": {batch.Answer{Stdout: config}, probe},
		"scancel, done":        {batch.Answer{}, cancel},
	}
}

// Wherever an answer breaks off, whatever line of it gets lost, nothing is concluded.
func TestNothingIsConcludedFromAnAnswerThatIsNotWhole(t *testing.T) {
	for name, kind := range kinds(t) {
		if kind.conclude(through(kind.answer, executortest.Connection{})) == "" {
			t.Errorf("%s: nothing is concluded from the whole answer", name)
		}
		out, errs := batch.NewMark().Write(kind.answer)
		for at := range len(out) {
			if got := kind.conclude(through(kind.answer, executortest.Connection{Cut: at + 1})); got != "" {
				t.Errorf("%s: cut after %d bytes of %q: %s", name, at, out, got)
			}
		}
		for at := range len(errs) {
			if got := kind.conclude(through(kind.answer, executortest.Connection{CutErrors: at + 1})); got != "" {
				t.Errorf("%s: cut after %d bytes of %q: %s", name, at, errs, got)
			}
		}
		for n := range strings.Count(out, "\n") - 1 { // the first one is empty
			if got := kind.conclude(through(kind.answer, executortest.Connection{Lose: n + 2})); got != "" {
				t.Errorf("%s: without line %d of %q: %s", name, n+2, out, got)
			}
		}
		if got := kind.conclude(through(kind.answer, executortest.Connection{Crippled: true})); got != "" {
			t.Errorf("%s: over a terminal: %s", name, got)
		}
	}
}

// Whatever byte is changed on the way, wherever somebody's words get into an answer, nothing but the whole of it is believed.
func TestNothingIsConcludedFromAnAnswerThatWasChanged(t *testing.T) {
	for name, kind := range kinds(t) {
		want := kind.conclude(through(kind.answer, executortest.Connection{}))
		out, errs := batch.NewMark().Write(kind.answer)
		believed := 0
		for at := range max(len(out), len(errs)) + 1 {
			for _, line := range []executortest.Connection{
				{Flip: at + 1},
				{Insert: "\r\nBroadcast message from root@login1: going down\r\n", At: at + 1},
				{Insert: "7", At: at + 1},
				{Insert: "\xef\xbb\xbf", At: at + 1},
			} {
				got := kind.conclude(through(kind.answer, line))
				if got != "" && got != want {
					t.Errorf("%s: with %+v: %q, want %q or nothing", name, line, got, want)
				}
				if got != "" {
					believed++
				}
			}
		}
		if believed > 30 { // words before the frame and after it are of no account; nearly all places are inside
			t.Errorf("%s: %d changed answers were believed", name, believed)
		}
		if got := kind.conclude(through(kind.answer, executortest.Connection{Recoded: true})); got != want && (got != "" || !strings.Contains(name, "no ASCII")) {
			t.Errorf("%s: in another locale: %q, want %q", name, got, want)
		}
	}
}

// What login shells print changes nothing.
func TestWordsAroundAnAnswerChangeNothing(t *testing.T) {
	for name, kind := range kinds(t) {
		want := kind.conclude(through(kind.answer, executortest.Connection{}))
		for _, words := range []string{
			"*** Welcome ***\n", "123\n", "no line end", "sbatch: error: Batch job submission failed: Invalid account\n", "squeue: error: Socket timed out\n",
			"101\x1fRUNNING\x1fNone\x1f0:0\x1f0\x1fn1\x1f1\x1f1\x1fN/A\x1f101\x1fstint-test-1-1\x1e\n", "bash: warning: setlocale: LC_ALL: cannot change locale\n",
		} {
			for _, line := range []executortest.Connection{{Before: words}, {After: words}, {Before: words, After: words}} {
				if got := kind.conclude(through(kind.answer, line)); got != want {
					t.Errorf("%s: with %+v: %q, want %q", name, line, got, want)
				}
			}
		}
	}
}

// The connection breaks after sbatch was accepted: the job is found, and never runs twice.
func TestAConnectionThatBreaksAfterASubmission(t *testing.T) {
	out, _ := batch.NewMark().Write(batch.Answer{Stdout: "1\n"})
	for _, line := range []executortest.Connection{{Cut: 1}, {Cut: len(out) / 2}, {Cut: len(out) - 1}, {CutErrors: 1}, {Lose: 3}} {
		story(t, "at any byte", func(w *world) {
			t := w.t
			w.set(func() { w.line = line })
			task := w.task(1, 1)
			h, err := w.c.Start(t.Context(), task)
			if err != nil {
				t.Fatalf("%+v: Start() = %v", line, err)
			}
			w.set(func() { w.line = executortest.Connection{} })
			wt := w.wait(h)
			pass(10 * time.Second)
			wantWaiting(t, wt, queued, resources)
			j := w.live("PENDING")[0]
			w.start(j)
			w.wantOneRun(wt, j, 0)
			if n := w.count("sbatch"); n != 1 {
				t.Errorf("%+v: sbatch was called %d times", line, n)
			}
		})
	}
}

// Over a login shell that prints lines, a job is seen as over any other.
func TestALoginShellThatPrintsLines(t *testing.T) {
	story(t, "on both streams", func(w *world) {
		w.set(func() { w.line = executortest.Connection{Before: "*** Welcome ***\n42\n", After: "Bye"} })
		wt := w.wait(w.begin(w.task(1, 1)))
		pass(10 * time.Second)
		wantWaiting(w.t, wt, queued, resources)
		w.start(w.live("PENDING")[0])
		w.wantOneRun(wt, w.live("RUNNING")[0], 0)
	})
}

func TestADoubtfulSubmissionHasTheWordsOfSbatch(t *testing.T) {
	story(t, "while it is looked for", func(w *world) {
		w.sbatch = []fakeSubmit{{answer: batch.Answer{Code: 1, Stderr: "sbatch: error: flux capacitor: connection reset\nsbatch: error: Batch job submission failed: Unspecified error\n"}}}
		wt := w.wait(w.begin(w.task(1, 1)))
		pass(10 * time.Second)
		wantWaiting(w.t, wt, queued, away)
		if o := wt.last(); !strings.Contains(o.Message, "flux capacitor: connection reset") {
			w.t.Errorf("observed %q", o.Message)
		}
	})
}

var saysClosed = batch.Answer{Code: 1, Stderr: "sbatch: error: Batch job submission failed: Required partition not available (inactive or drain)\n"}

func TestJobsWaitForAClosedPartition(t *testing.T) {
	story(t, "for hours, and for a full queue", func(w *world) {
		t := w.t
		for range 1000 {
			w.sbatch = append(w.sbatch, fakeSubmit{answer: saysClosed})
		}
		var all []*waiter
		for id := range 50 {
			all = append(all, w.wait(w.begin(w.task(job.ID(id+1), 1))))
		}
		if n := w.count("sbatch"); n != 1 {
			t.Errorf("sbatch was called %d times for 50 jobs that wait for one partition", n)
		}
		pass(3 * time.Hour)
		for _, wt := range all {
			wantWaiting(t, wt, queued, held)
			if o := wt.last(); !strings.Contains(o.Message, "closed for now") || !strings.Contains(o.Message, "inactive or drain") {
				t.Fatalf("observed %q", o.Message)
			}
		}
		if n := w.count("sbatch"); n < 100 || n > 200 {
			t.Errorf("sbatch was called %d times in three hours", n)
		}
		w.set(func() { w.sbatch = nil })
		pass(3 * time.Minute)
		if n := len(w.live("PENDING")); n != 50 {
			t.Errorf("the cluster has %d of 50 jobs", n)
		}
		for _, wt := range all {
			wantWaiting(t, wt, queued, resources)
		}
	})
	story(t, "and can be cancelled meanwhile", func(w *world) {
		for range 100 {
			w.sbatch = append(w.sbatch, fakeSubmit{answer: saysClosed})
		}
		h := w.begin(w.task(1, 1))
		wt := w.wait(h)
		pass(time.Hour)
		if err := w.c.Cancel(w.t.Context(), h); err != nil {
			w.t.Fatal(err)
		}
		pass(3 * time.Minute)
		wantExit(w.t, wt, byOwner, -1)
	})
	story(t, "also over a restart of the server", func(w *world) {
		for range 100 {
			w.sbatch = append(w.sbatch, fakeSubmit{answer: saysClosed})
		}
		h := w.begin(w.task(1, 1))
		wt := w.wait(h)
		pass(time.Minute)
		wt.stop()
		synctest.Wait()
		w.restart()
		wt = w.wait(h)
		pass(10 * time.Minute)
		wantWaiting(w.t, wt, queued, held)
		w.set(func() { w.sbatch = nil })
		pass(3 * time.Minute)
		wantWaiting(w.t, wt, queued, resources)
	})
}

// A site's own no reaches the user at once.
func TestARefusalInWordsOfTheSite(t *testing.T) {
	story(t, "is final", func(w *world) {
		w.sbatch = []fakeSubmit{{answer: batch.Answer{Code: 1, Stderr: "sbatch: error: Please give a project with --account=PROJECT\nsbatch: error: Batch job submission failed: Unspecified error\n"}}}
		var f *executor.Failure
		if _, err := w.c.Start(w.t.Context(), w.task(1, 1)); !errors.As(err, &f) || f.Reason != jobsv1.Reason_REASON_SUBMIT_REJECTED ||
			f.Message != "The cluster refused the job: Please give a project with --account=PROJECT." {
			w.t.Errorf("Start() = %v", err)
		}
	})
}
