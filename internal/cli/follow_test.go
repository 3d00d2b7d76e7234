package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

const (
	completed = jobsv1.State_STATE_COMPLETED
	failed    = jobsv1.State_STATE_FAILED
	cancelled = jobsv1.State_STATE_CANCELLED
)

// followAll runs a follower until all ids are final and answers what it saw, as "id revision".
func followAll(t interface{ Fatal(...any) }, f *fake, req *jobsv1.WatchStatusRequest) []string {
	a := newApp(strings.NewReader(""), io.Discard, io.Discard)
	a.link = link{server: f.addr, timeout: fakeTimeout}
	a.wait = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	follower, err := a.follow(req, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	defer a.conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), fakeTimeout)
	defer cancel()
	var seen []string
	v := newVerdict(req.GetIds())
	err = follower.run(ctx, func(c change) error {
		seen = append(seen, fmt.Sprintf("%s %s %s", changedID(c.frame), stateWord(c.frame.GetJob().GetState()), c.frame.GetJob().GetMessage()))
		return v.note(c)
	})
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

func TestAWatchLosesAndDoublesNothingHoweverOftenItIsCut(t *testing.T) {
	f := startFake(t)
	rapid.Check(t, func(t *rapid.T) {
		var ids []string
		for range rapid.IntRange(1, 3).Draw(t, "jobs") {
			res, err := f.Submit(context.Background(), &jobsv1.SubmitRequest{Job: &jobsv1.Job{Service: "Sleep"}})
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, res.GetJob().GetId())
		}
		f.mu.Lock()
		from := f.revision
		f.mu.Unlock()
		for i, n := range rapid.SliceOfN(rapid.IntRange(0, 4), 0, 8).Draw(t, "cuts") {
			if i == 0 {
				n++ // before the first frame the follower is not patient
			}
			f.fail("WatchStatus", fault{err: errLost, frames: n})
		}
		steps := rapid.SliceOfN(rapid.IntRange(0, len(ids)-1), 0, 12).Draw(t, "steps")
		var played sync.WaitGroup
		played.Go(func() {
			for i, which := range steps {
				f.update(ids[which], func(j *fakeJob) { j.State, j.Message = jobsv1.State_STATE_RUNNING, strconv.Itoa(i) })
			}
			for _, id := range ids {
				f.end(id, completed, 0, "")
			}
		})
		seen := followAll(t, f, &jobsv1.WatchStatusRequest{Ids: ids, AfterCursor: cursorOf(from), UntilFinal: true})
		played.Wait()
		var want []string
		for _, c := range f.newsAfter(&jobsv1.WatchStatusRequest{Ids: ids}, from) {
			want = append(want, fmt.Sprintf("%s %s %s", c.id, stateWord(c.job.GetState()), c.job.GetMessage()))
		}
		if diff := cmp.Diff(want, seen); diff != "" {
			t.Fatal(diff)
		}
		f.mu.Lock()
		f.faults["WatchStatus"] = nil // those that were not met
		f.mu.Unlock()
	})
}

func TestASnapshotThatIsCutBeginsAnewAndDoublesNothing(t *testing.T) {
	f := startFake(t)
	ids := []string{submitted(t, f, "Sleep"), submitted(t, f, "Sleep")}
	// Begin and one job; begin, both jobs, but no end; then all of it.
	f.fail("WatchStatus", fault{err: errLost, frames: 2}, fault{err: errLost, frames: 3}, fault{err: errLost, frames: 4})
	var played sync.WaitGroup
	played.Go(func() {
		f.awaitCalls("whole snapshot", 1)
		for _, id := range ids {
			f.start(id)
			f.end(id, completed, 0, "")
		}
	})
	seen := followAll(t, f, &jobsv1.WatchStatusRequest{Ids: ids})
	played.Wait()
	want := []string{"1 QUEUED ", "2 QUEUED ", "1 RUNNING ", "1 COMPLETED ", "2 RUNNING ", "2 COMPLETED "}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Error(diff)
	}
}

func TestAResetIsMadeGoodByTheSnapshotBehindIt(t *testing.T) {
	f := startFake(t)
	ids := []string{submitted(t, f, "Sleep"), submitted(t, f, "Sleep"), submitted(t, f, "Sleep")}
	f.start(ids[0])
	f.end(ids[1], completed, 0, "")
	f.mu.Lock()
	f.oldest = f.revision // everything up to now is forgotten
	f.mu.Unlock()
	f.end(ids[0], completed, 0, "")
	f.remove(ids[2])
	seen := followAll(t, f, &jobsv1.WatchStatusRequest{Ids: ids, AfterCursor: cursorOf(1)})
	want := []string{"1 COMPLETED ", "2 COMPLETED ", "3 UNSPECIFIED "}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Error(diff)
	}
}

func TestAWatchGoesOnAfterTheServerWasStartedAnew(t *testing.T) {
	f := startFake(t)
	id := submitted(t, f, "Sleep")
	f.start(id)
	again := make(chan struct{})
	var played sync.WaitGroup
	played.Go(func() {
		defer close(again)
		f.awaitCalls("WatchStatus", 1)
		f.stop()
		if err := f.listen(f.addr); err != nil {
			t.Error(err)
		}
		f.end(id, failed, jobsv1.Reason_REASON_OUT_OF_MEMORY, "It needed more than 1 GiB.")
	})
	addr := f.addr
	r := stintWith(nil, func(a *app) {
		a.wait = func(ctx context.Context, d time.Duration) error {
			<-again
			return pause(ctx, d)
		}
	}, "watch", id, "--server", addr)
	played.Wait()
	r.want(t, exitFailed)
	if n := strings.Count(r.out, "FAILED"); n != 1 {
		t.Errorf("FAILED came %d times:\n%s", n, r.out)
	}
	wantIn(t, r.err, "stint: job 1 failed (OUT_OF_MEMORY): It needed more than 1 GiB.", "stint logs 1 --stderr")
}

func TestWatchExitCodesAreTrue(t *testing.T) {
	f := startFake(t)
	jobs := make(map[jobsv1.State]string)
	for _, s := range []jobsv1.State{completed, failed, cancelled} {
		jobs[s] = submitted(t, f, "Sleep")
		f.end(jobs[s], s, 0, "")
	}
	tests := []struct {
		ids  []string
		code int
		err  string
	}{
		{[]string{jobs[completed]}, 0, ""},
		{[]string{jobs[failed]}, 1, "job 2 failed"},
		{[]string{jobs[cancelled]}, 3, "job 3 was cancelled"},
		{[]string{jobs[completed], jobs[cancelled]}, 3, "of 2 jobs, 1 were cancelled"},
		{[]string{jobs[cancelled], jobs[failed]}, 1, "of 2 jobs, 1 failed, 1 were cancelled"},
		{[]string{"99"}, 1, "There is no such job"},
		{[]string{jobs[completed], jobs[completed]}, 0, ""},
	}
	for _, test := range tests {
		r := stint(f, append([]string{"watch"}, test.ids...)...).want(t, test.code)
		wantIn(t, r.err, test.err)
	}
}

func TestAJobThatGoesAwayEndsItsWatch(t *testing.T) {
	f := startFake(t)
	id := submitted(t, f, "Sleep")
	f.fail("WatchStatus", fault{err: errLost, frames: 3})
	f.remove(id)
	r := stint(f, "watch", id, "--after", cursorOf(1)).want(t, exitFailed)
	wantIn(t, r.out, "REMOVED")
	wantIn(t, r.err, "there is no job 1, or it is not yours")
}

func TestTheServerBeingGoneTooLongEndsAWatchWithCode4(t *testing.T) {
	f := startFake(t)
	id := submitted(t, f, "Sleep")
	f.fail("WatchStatus", fault{err: errLost, frames: 3})
	var played sync.WaitGroup
	played.Go(func() {
		f.awaitCalls("WatchStatus", 1)
		f.stop()
	})
	r := stint(f, "watch", id, "--patience", "1m")
	played.Wait()
	r.want(t, exitUnreachable)
	wantIn(t, r.err, "cannot reach the server")
}

func TestSubmitWaitTellsEveryChangeAndTheResults(t *testing.T) {
	f := startFake(t)
	r := stint(f, "submit", "Date", "--wait", "--output-name", "today").want(t, 0)
	wantIn(t, r.out, "Job 1 is QUEUED: Date, output name today.", "RUNNING", "COMPLETED", "Result files, also in your workspace at /jobs/today:", "now\t21\t")
	if strings.Index(r.out, "RUNNING") > strings.Index(r.out, "COMPLETED") {
		t.Error("out of order")
	}
	r = stint(f, "submit", "Date", "--wait", "-o", "json").want(t, 0)
	if !strings.HasPrefix(r.out, "{\n") {
		t.Errorf("stdout is not only the job:\n%s", r.out)
	}
	wantIn(t, r.out, `"state": "STATE_COMPLETED"`)
	wantIn(t, r.err, "RUNNING")
	f.files.put("/notes.txt", "no sequences")
	r = stint(f, "submit", "SequenceStats", "-p", "sequences=/notes.txt", "--wait").want(t, exitFailed)
	wantIn(t, r.err, "job 3 failed (EXIT_NONZERO): The command exited with code 12.")
}

func TestCtrlCEndsAWatchWith130(t *testing.T) {
	f := startFake(t)
	id := submitted(t, f, "Sleep")
	for _, s := range []struct {
		signal syscall.Signal
		code   int
	}{{syscall.SIGINT, 130}, {syscall.SIGTERM, 143}} {
		calls := f.count("WatchStatus")
		var played sync.WaitGroup
		played.Go(func() {
			f.awaitCalls("WatchStatus", calls+1)
			if err := syscall.Kill(os.Getpid(), s.signal); err != nil {
				t.Error(err)
			}
		})
		r := stint(f, "watch", id)
		played.Wait()
		r.want(t, s.code)
		wantIn(t, r.err, "stint: interrupted; the job goes on")
	}
}

func TestSubmitWaitOfAJobThatHadEndedSaysHow(t *testing.T) {
	f := startFake(t)
	for range 2 {
		r := stint(f, "submit", "Date", "--request-id", "once", "--wait").want(t, 0)
		wantIn(t, r.out, "COMPLETED", "now\t21")
	}
	if len(f.jobs) != 1 {
		t.Errorf("%d jobs", len(f.jobs))
	}
}
