package job_test

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
)

const (
	queued    = jobsv1.State_STATE_QUEUED
	running   = jobsv1.State_STATE_RUNNING
	completed = jobsv1.State_STATE_COMPLETED
	failed    = jobsv1.State_STATE_FAILED
	cancelled = jobsv1.State_STATE_CANCELLED
)

func TestTransitionAllPairs(t *testing.T) {
	legal := map[[2]jobsv1.State]bool{
		{0, queued}:      true,
		{queued, queued}: true, {queued, running}: true, {queued, completed}: true, {queued, failed}: true, {queued, cancelled}: true,
		{running, queued}: true, {running, running}: true, {running, completed}: true, {running, failed}: true, {running, cancelled}: true,
	}
	all := append([]jobsv1.State{0}, job.States...)
	at := time.Unix(1000, 0)
	for _, from := range all {
		for _, to := range all {
			t.Run(from.String()+"/"+to.String(), func(t *testing.T) {
				j := &jobsv1.Job{State: from, Message: "before"}
				changed, err := job.Transition(j, job.Status{State: to, Message: "after", Time: at})
				switch {
				case job.Terminal(from):
					if changed || err != nil || j.State != from || j.Message != "before" {
						t.Fatalf("a final job changed: %v %v %v", changed, err, j)
					}
				case legal[[2]jobsv1.State{from, to}]:
					if !changed || err != nil || j.State != to || j.Message != "after" {
						t.Fatalf("changed=%v err=%v job=%v", changed, err, j)
					}
				default:
					if !errors.Is(err, job.ErrConflict) || j.State != from || j.Message != "before" {
						t.Fatalf("changed=%v err=%v job=%v", changed, err, j)
					}
				}
			})
		}
	}
}

func TestTransitionKeepsTimesTrue(t *testing.T) {
	j := &jobsv1.Job{State: queued, ExpectedStartTime: timestamppb.New(time.Unix(5, 0))}
	steps := []struct {
		to                   jobsv1.State
		at                   int64
		wantStart, wantEnd   int64
		wantChanged, started bool
	}{
		{running, 10, 10, 0, true, true},
		{running, 11, 10, 0, false, true}, // seen again: nothing changed
		{queued, 20, 0, 0, true, false},   // lost, waits for another attempt
		{running, 30, 30, 0, true, true},
		{completed, 40, 30, 40, true, true},
		{failed, 50, 30, 40, false, true}, // too late
	}
	for i, s := range steps {
		changed, err := job.Transition(j, job.Status{State: s.to, Time: time.Unix(s.at, 0)})
		if err != nil || changed != s.wantChanged {
			t.Fatalf("step %d: changed=%v err=%v", i, changed, err)
		}
		if got := j.GetStartTime().GetSeconds(); got != s.wantStart || (j.StartTime != nil) != s.started {
			t.Errorf("step %d: start %d, want %d", i, got, s.wantStart)
		}
		if got := j.GetCompleteTime().GetSeconds(); got != s.wantEnd {
			t.Errorf("step %d: complete %d, want %d", i, got, s.wantEnd)
		}
	}
	if j.ExpectedStartTime != nil {
		t.Error("a started job still has an expected start")
	}
}

func TestParseID(t *testing.T) {
	for s, want := range map[string]job.ID{"1": 1, "21463335": 21463335, "18446744073709551615": math.MaxUint64} {
		if got, err := job.ParseID(s); err != nil || got != want || got.String() != s {
			t.Errorf("ParseID(%q) = %d, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "0", "01", "-1", "+1", "1.0", "0x1", "18446744073709551616", "1 ", "١", "abc", strings.Repeat("9", 1000)} {
		if id, err := job.ParseID(s); !errors.Is(err, job.ErrNotFound) {
			t.Errorf("ParseID(%q) = %d, %v; want ErrNotFound", s, id, err)
		} else if len(err.Error()) > 120 {
			t.Errorf("ParseID(%q...) repeats all of its input: %d bytes", s[:10], len(err.Error()))
		}
	}
}

func FuzzParseID(f *testing.F) {
	f.Add("1")
	f.Add("00")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := job.ParseID(s)
		if err == nil && (id.String() != s || job.IDFromKey(id.Key()) != id) {
			t.Fatalf("%q has another name: %v", s, id)
		}
	})
}

// What is beyond any bound is found in one go, whatever the bounds of the contract say.
func TestCheckSubmitReportsEverythingAtOnce(t *testing.T) {
	bad := &jobsv1.Job{
		OutputName: "a/b", OutputFolder: "/a/../../etc", ParentId: "99999999999999999999",
		Resources: &jobsv1.Resources{Named: map[string]int64{"gpus": 1, "licence": 1}},
		Retry:     &jobsv1.RetryPolicy{Reasons: []jobsv1.Reason{jobsv1.Reason_REASON_LOST, jobsv1.Reason_REASON_CANCELLED_BY_OWNER}},
	}
	var got []string
	for _, v := range job.CheckSubmit(bad, "job.") {
		got = append(got, v.Field)
	}
	want := []string{"job.service", "job.outputName", "job.outputFolder", "job.parentId", "job.resources.named.gpus", "job.retry.reasons[1]"}
	if !slices.Equal(got, want) {
		t.Errorf("found %q; want %q", got, want)
	}
	good := &jobsv1.Job{
		Service: "GenomeAssembly", OutputName: "λ phage (2)", OutputFolder: "runs/1", ParentId: "7",
		Resources: &jobsv1.Resources{Named: map[string]int64{"licence": 0, "db-slots": job.MaxNamedAmount}},
		Retry:     &jobsv1.RetryPolicy{MaxAttempts: 2, Reasons: []jobsv1.Reason{jobsv1.Reason_REASON_EXIT_NONZERO}},
	}
	if v := job.CheckSubmit(good, "job."); len(v) != 0 {
		t.Errorf("a good job is refused: %v", v)
	}
}

// The bounds that the configuration shares with requests are read from the contract, so none is zero.
func TestBoundsAreReadFromTheContract(t *testing.T) {
	for name, n := range map[string]int64{
		"MaxBatch": int64(job.MaxBatch), "MaxOutputName": int64(job.MaxOutputName), "MaxPath": int64(job.MaxPath), "MaxLabels": int64(job.MaxLabels),
		"MaxLabelValue": int64(job.MaxLabelValue), "MaxNamed": int64(job.MaxNamed), "MaxNamedAmount": job.MaxNamedAmount,
		"MaxRetryWait": int64(job.MaxRetryWait), "MaxFactor": int64(job.MaxFactor),
	} {
		if n < 1 {
			t.Errorf("%s is %d", name, n)
		}
	}
}

func TestAJobAsksForFewNamesOfTheOperator(t *testing.T) {
	named := make(map[string]int64)
	for i := range job.MaxNamed + 1 {
		named["n"+strconv.Itoa(i)] = 1
	}
	if v := job.CheckNamed("named", named); len(v) != 1 || v[0].Field != "named" {
		t.Errorf("%d names: %v", len(named), v)
	}
	delete(named, "n0")
	if v := job.CheckNamed("named", named); len(v) != 0 {
		t.Errorf("%d names: %v", len(named), v)
	}
}

func TestOutputNameCannotDriveATerminalOrLeaveItsFolder(t *testing.T) {
	for _, name := range []string{"..", ".", "a\x1b[2J", "a\nb", "a\x00", " a", "a ", ".stint-x", "x\u0085y"} {
		if v := job.CheckSubmit(&jobsv1.Job{Service: "S", OutputName: name}, ""); len(v) != 1 || v[0].Field != "outputName" {
			t.Errorf("output name %q: %v", name, v)
		}
	}
}

func TestCleanPath(t *testing.T) {
	for in, want := range map[string]string{"": "/", "/": "/", "a": "/a", "/a//b/": "/a/b", "./a": "/a", "/a/.b/c.": "/a/.b/c."} {
		if got, err := job.CleanPath(in); err != nil || got != want {
			t.Errorf("CleanPath(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"..", "/..", "/a/../b", "a\x00b", "a\nb", "\xff", strings.Repeat("a/", 600), "/" + strings.Repeat("a", 256), "/.stint-tmp/x"} {
		if got, err := job.CleanPath(in); err == nil {
			t.Errorf("CleanPath(%q) = %q; want an error", in, got)
		}
	}
}

func FuzzCleanPathStaysInside(f *testing.F) {
	f.Add("/a/../../b")
	f.Fuzz(func(t *testing.T, p string) {
		got, err := job.CleanPath(p)
		if err != nil {
			return
		}
		if !strings.HasPrefix(got, "/") || strings.Contains(got+"/", "/../") || strings.ContainsRune(got, 0) {
			t.Fatalf("%q became %q", p, got)
		}
		if again, err := job.CleanPath(got); err != nil || again != got {
			t.Fatalf("%q is not final: %q, %v", got, again, err)
		}
	})
}

func TestRequestID(t *testing.T) {
	for _, s := range []string{"", "a-b_c", strings.Repeat("x", 128)} {
		if v := job.CheckRequestID(s); len(v) != 0 {
			t.Errorf("%q refused: %v", s, v)
		}
	}
	for _, s := range []string{"a b", "é", "\x00", strings.Repeat("x", 129)} {
		if v := job.CheckRequestID(s); len(v) == 0 {
			t.Errorf("%q accepted", s)
		}
	}
}

func TestRetry(t *testing.T) {
	memory, limit := jobsv1.Reason_REASON_OUT_OF_MEMORY, jobsv1.Reason_REASON_TIME_LIMIT
	grows := &jobsv1.RetryPolicy{MemoryFactor: proto.Float64(2)}
	lost, exit := jobsv1.Reason_REASON_LOST, jobsv1.Reason_REASON_EXIT_NONZERO
	own := &jobsv1.RetryPolicy{MaxAttempts: 20, Backoff: durationpb.New(time.Minute), Reasons: []jobsv1.Reason{exit}}
	cases := []struct {
		name   string
		policy *jobsv1.RetryPolicy
		reason jobsv1.Reason
		n      int
		wait   time.Duration
		again  bool
	}{
		{"the infrastructure by default", nil, lost, 1, 10 * time.Second, true},
		{"doubled", nil, lost, 2, 20 * time.Second, true},
		{"budget spent", nil, lost, 3, 0, false},
		{"not the command's own failure", nil, exit, 1, 0, false},
		{"as the policy says", own, exit, 1, time.Minute, true},
		{"only what the policy says", own, lost, 1, 0, false},
		{"bounded", own, exit, 10, 10 * time.Minute, true},
		{"a long own wait is kept", &jobsv1.RetryPolicy{Backoff: durationpb.New(time.Hour)}, lost, 2, time.Hour, true},
		{"a factor is a reason", grows, memory, 1, 10 * time.Second, true},
		{"a factor of another is none", grows, limit, 1, 0, false},
		{"a factor spends the budget", grows, memory, 3, 0, false},
		{"beside a factor the infrastructure", grows, lost, 1, 10 * time.Second, true},
		{"one attempt only", &jobsv1.RetryPolicy{MaxAttempts: 1}, lost, 1, 0, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if wait, again := job.Retry(c.policy, c.reason, c.n); wait != c.wait || again != c.again {
				t.Errorf("got %v %v, want %v %v", wait, again, c.wait, c.again)
			}
		})
	}
}
