package cli

import (
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

func TestFollowedLogsAreWholeHoweverOftenTheyAreCut(t *testing.T) {
	f := startFake(t)
	rapid.Check(t, func(rt *rapid.T) {
		id := submitted(t, f, "Sleep")
		f.start(id)
		for i, n := range rapid.SliceOfN(rapid.IntRange(0, 5), 0, 6).Draw(rt, "cuts") {
			f.fail("StreamLogs", fault{err: errLost, frames: n, eof: i == 0 && n > 2}) // a server that drains may end it as if all was said
		}
		parts := rapid.SliceOfN(rapid.StringMatching(`[a-z]{0,20}\n?`), 0, 6).Draw(rt, "parts")
		var played sync.WaitGroup
		played.Go(func() {
			for _, p := range parts {
				f.print(id, p)
			}
			f.end(id, completed, 0, "")
		})
		r := stint(f, "logs", id, "-f")
		played.Wait()
		if want := strings.Join(parts, ""); r.code != 0 || r.out != want {
			rt.Fatalf("code %d, got %q, want %q\n%s", r.code, r.out, want, r.err)
		}
		f.mu.Lock()
		f.faults["StreamLogs"] = nil // those that were not met
		f.mu.Unlock()
	})
}

func TestFollowedLogsGoOnWithTheNextAttempt(t *testing.T) {
	f := startFake(t)
	id := submitted(t, f, "Sleep")
	f.start(id)
	f.print(id, "first\n")
	f.update(id, func(j *fakeJob) {
		j.State, j.Reason = jobsv1.State_STATE_QUEUED, jobsv1.Reason_REASON_WAITING_FOR_RETRY
	})
	var played sync.WaitGroup
	played.Go(func() {
		f.start(id)
		f.print(id, "second\n")
		f.end(id, completed, 0, "")
	})
	r := stint(f, "logs", id, "-f")
	played.Wait()
	r.want(t, 0)
	if !strings.HasSuffix(r.out, "second\n") {
		t.Errorf("stdout %q", r.out)
	}
	first := stint(f, "logs", id, "--attempt", "1", "-f").want(t, 0)
	if first.out != "first\n" {
		t.Errorf("attempt 1: %q", first.out)
	}
}

func TestLogsOfOneStreamAndItsEnd(t *testing.T) {
	f := startFake(t)
	id := submitted(t, f, "Sleep")
	f.start(id)
	f.print(id, "one\ntwo\n\x1b[2Jthree\n")
	f.update(id, func(j *fakeJob) { j.stderr[0] = "oops\n" })
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, "one\ntwo\n\x1b[2Jthree\n"},
		{[]string{"--tail", "2"}, "two\n\x1b[2Jthree\n"},
		{[]string{"--stderr"}, "oops\n"},
	} {
		if r := stint(f, append([]string{"logs", id}, test.args...)...).want(t, 0); r.out != test.want {
			t.Errorf("%v: %q", test.args, r.out)
		}
	}
	r := stintWith(f, onTerminal(80), "logs", id).want(t, 0)
	if r.out != "one\ntwo\nthree\n" {
		t.Errorf("on a terminal: %q", r.out)
	}
	stint(f, "logs", id, "--tail", "-1").want(t, exitUsage)
}

func TestAHoleInALogIsSaid(t *testing.T) {
	var out, errOut strings.Builder
	r := &logReader{app: &app{err: &errOut}, request: &jobsv1.StreamLogsRequest{}, out: &out}
	for _, frame := range []*jobsv1.StreamLogsResponse{
		{Offset: 0, Data: []byte("head")},
		{Offset: 2, Data: []byte("adx")}, // comes a second time, and one byte more
		{Offset: 0, Data: []byte("head")},
		{Offset: 2053, Data: []byte("tail")},
		{},
	} {
		if err := r.take(frame); err != nil {
			t.Fatal(err)
		}
	}
	if out.String() != "headxtail" || r.request.GetOffset() != 2057 {
		t.Errorf("%q up to %d", out.String(), r.request.GetOffset())
	}
	wantIn(t, errOut.String(), "2.00 KiB left out here")
}
