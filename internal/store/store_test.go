package store_test

import (
	"errors"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/store/storetest"
	"github.com/stint-jobs/stint/internal/weight"
)

func TestMain(m *testing.M) {
	// Fewer than rapid's own 100, for the time that the race detector takes; -rapid.checks overrules it.
	if err := flag.Set("rapid.checks", "60"); err != nil {
		panic(err)
	}
	folder, err := os.MkdirTemp("", "store")
	if err != nil {
		panic(err)
	}
	bigFolder = folder
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(folder)
		os.Exit(code)
	}))
}

// bigFolder is for what benchmarks share.
var bigFolder string

const (
	queued    = jobsv1.State_STATE_QUEUED
	running   = jobsv1.State_STATE_RUNNING
	completed = jobsv1.State_STATE_COMPLETED
	failed    = jobsv1.State_STATE_FAILED
	cancelled = jobsv1.State_STATE_CANCELLED
)

// newJob is a request for a job.
func newJob(service, name string) *jobsv1.Job {
	return &jobsv1.Job{
		Service: service, OutputName: name, OutputFolder: "/jobs", Executor: "local",
		Parameters: &structpb.Struct{Fields: map[string]*structpb.Value{"n": structpb.NewStringValue(name)}},
		Resources:  &jobsv1.Resources{Cpus: 1, MemoryBytes: 1 << 30},
		Labels:     map[string]string{"project": "phage", "run": name},
	}
}

func submit(tb testing.TB, s *store.Store, owner string, jobs ...*jobsv1.Job) []*jobsv1.Job {
	tb.Helper()
	stored, _, err := s.Submit(tb.Context(), jobs, store.SubmitOptions{Owner: owner})
	if err != nil {
		tb.Fatal(err)
	}
	return stored
}

func idOf(t fataler, j *jobsv1.Job) job.ID {
	t.Helper()
	id, err := job.ParseID(j.GetId())
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// become moves a job into a state.
func become(tb testing.TB, s *store.Store, id job.ID, state jobsv1.State) *jobsv1.Job {
	tb.Helper()
	j, err := s.Update(tb.Context(), store.Everyone, id, into(state))
	if err != nil {
		tb.Fatal(err)
	}
	return j
}

// into is an update that moves a job into a state at the time of its submission and as many seconds as it has history.
func into(state jobsv1.State) func(*storev1.Record) error {
	return func(r *storev1.Record) error {
		j := r.GetJob()
		at := j.GetSubmitTime().AsTime().Add(time.Duration(len(j.GetHistory())) * time.Second)
		_, err := job.Transition(j, job.Status{State: state, Time: at})
		return err
	}
}

func TestSubmitAnswersTheCompleteJobAsItIsStored(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 123456789, time.UTC)
	s := storetest.OpenConfig(t, store.Config{Now: func() time.Time { return now }})
	got := submit(t, s, "ada", newJob("Date", "first"), newJob("Date", ""))
	if got[0].GetId() != "1" || got[1].GetId() != "2" || got[1].GetOutputName() != "Date-2" {
		t.Errorf("ids %s, %s and default name %q", got[0].GetId(), got[1].GetId(), got[1].GetOutputName())
	}
	if !got[0].GetSubmitTime().AsTime().Equal(now) || got[0].GetState() != queued || got[0].GetEtag() == "" || got[0].GetOwner() != "ada" {
		t.Errorf("submitted %v", got[0])
	}
	if h := got[0].GetHistory(); len(h) != 1 || h[0].GetRevision() != got[0].GetRevision() || h[0].GetState() != queued {
		t.Errorf("history %v", h)
	}
	for _, want := range got {
		stored, err := s.Get(store.OwnedBy("ada"), idOf(t, want))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, stored, protocmp.Transform()); diff != "" {
			t.Errorf("answered (-) and stored (+):\n%s", diff)
		}
	}
}

func TestAJobOfSomebodyElseDoesNotExist(t *testing.T) {
	s := storetest.Open(t)
	id := idOf(t, submit(t, s, "ada", newJob("Date", "x"))[0])
	for name, scope := range map[string]store.Scope{"other": store.OwnedBy("bob"), "nobody": {}} {
		if _, err := s.Get(scope, id); !errors.Is(err, job.ErrNotFound) {
			t.Errorf("%s: get: %v", name, err)
		}
		if _, err := s.Update(t.Context(), scope, id, into(running)); !errors.Is(err, job.ErrNotFound) {
			t.Errorf("%s: update: %v", name, err)
		}
		_, missing, err := s.GetMany(scope, []job.ID{id}, jobsv1.JobView_JOB_VIEW_BASIC, weight.Bound{})
		if err != nil || len(missing) != 1 {
			t.Errorf("%s: get many: %v %v", name, missing, err)
		}
		page, err := s.Page(t.Context(), store.Query{Scope: scope, Limit: 10})
		if err != nil || page.Total != 0 || len(page.Jobs) != 0 {
			t.Errorf("%s: page: %v %v", name, page, err)
		}
		changes, err := s.Changes(store.Watch{Scope: scope}, 0, 0)
		if err != nil || len(changes.List) != 0 {
			t.Errorf("%s: changes: %v %v", name, changes, err)
		}
		changes, err = s.Changes(store.Watch{Scope: scope, IDs: []job.ID{id}}, 0, 0)
		if err != nil || len(changes.List) != 0 {
			t.Errorf("%s: changes of a job: %v %v", name, changes, err)
		}
		if sum := s.Summarize(scope); sum.GetTotal().GetQueued() != 0 {
			t.Errorf("%s: summary: %v", name, sum)
		}
	}
}

func TestRequestIDs(t *testing.T) {
	s := storetest.Open(t)
	first, again, err := s.Submit(t.Context(), []*jobsv1.Job{newJob("A", "a"), newJob("A", "b")},
		store.SubmitOptions{Owner: "ada", RequestID: "r1", RequestHash: []byte("h")})
	if err != nil || again {
		t.Fatal(again, err)
	}
	t.Run("the same request answers the same jobs", func(t *testing.T) {
		got, again, err := s.Submit(t.Context(), []*jobsv1.Job{newJob("A", "a"), newJob("A", "b")},
			store.SubmitOptions{Owner: "ada", RequestID: "r1", RequestHash: []byte("h"), MaxActive: 1})
		if err != nil || !again {
			t.Fatal(again, err)
		}
		if diff := cmp.Diff(first, got, protocmp.Transform()); diff != "" {
			t.Error(diff)
		}
		got, found, err := s.Submitted(store.SubmitOptions{Owner: "ada", RequestID: "r1", RequestHash: []byte("h")})
		if diff := cmp.Diff(first, got, protocmp.Transform()); err != nil || !found || diff != "" {
			t.Error(found, err, diff)
		}
	})
	t.Run("a new one was not submitted", func(t *testing.T) {
		for _, o := range []store.SubmitOptions{{Owner: "ada"}, {Owner: "ada", RequestID: "r2"}, {Owner: "bob", RequestID: "r1"}} {
			if got, found, err := s.Submitted(o); got != nil || found || err != nil {
				t.Error(o, got, found, err)
			}
		}
	})
	t.Run("another request is refused", func(t *testing.T) {
		_, _, err := s.Submit(t.Context(), []*jobsv1.Job{newJob("B", "a")},
			store.SubmitOptions{Owner: "ada", RequestID: "r1", RequestHash: []byte("other")})
		if !errors.Is(err, job.ErrRequestIDReused) {
			t.Error(err)
		}
		if _, _, err = s.Submitted(store.SubmitOptions{Owner: "ada", RequestID: "r1"}); !errors.Is(err, job.ErrRequestIDReused) {
			t.Error(err)
		}
	})
	t.Run("another owner's is another", func(t *testing.T) {
		_, again, err := s.Submit(t.Context(), []*jobsv1.Job{newJob("A", "a")},
			store.SubmitOptions{Owner: "bob", RequestID: "r1", RequestHash: []byte("other")})
		if err != nil || again {
			t.Error(again, err)
		}
	})
}

func TestBoundsOnActiveJobs(t *testing.T) {
	s := storetest.Open(t)
	bounds := store.SubmitOptions{Owner: "ada", MaxActivePerOwner: 2, MaxActive: 3}
	try := func(owner string, n int) error {
		o := bounds
		o.Owner = owner
		var jobs []*jobsv1.Job
		for range n {
			jobs = append(jobs, newJob("A", ""))
		}
		_, _, err := s.Submit(t.Context(), jobs, o)
		return err
	}
	if err := try("ada", 3); !errors.Is(err, job.ErrExhausted) {
		t.Errorf("three at once: %v", err)
	}
	if err := errors.Join(try("ada", 2), try("bob", 1)); err != nil {
		t.Fatal(err)
	}
	for _, owner := range []string{"ada", "bob"} {
		if err := try(owner, 1); !errors.Is(err, job.ErrExhausted) {
			t.Errorf("one more of %s: %v", owner, err)
		}
	}
	become(t, s, 1, cancelled)
	if err := try("ada", 1); err != nil {
		t.Errorf("after one ended: %v", err)
	}
	if q, r := s.Load(store.OwnedBy("ada")); q != 2 || r != 0 {
		t.Errorf("ada has %d queued and %d running", q, r)
	}
}

func TestUpdate(t *testing.T) {
	s := storetest.Open(t)
	id := idOf(t, submit(t, s, "ada", newJob("A", "a"))[0])
	boom := errors.New("boom")
	before := s.Revision()
	noChange := map[string]func(*storev1.Record) error{
		"an error":          func(r *storev1.Record) error { r.Job.Message = "x"; return boom },
		"unchanged":         func(r *storev1.Record) error { r.Job.Message = "x"; return store.ErrUnchanged },
		"nothing":           func(*storev1.Record) error { return nil },
		"a panic":           func(r *storev1.Record) error { r.Job.Message = "x"; panic("boom") },
		"another owner":     func(r *storev1.Record) error { r.Job.Owner = "bob"; return nil },
		"another job":       func(r *storev1.Record) error { r.Job = &jobsv1.Job{}; return nil },
		"an illegal state":  func(r *storev1.Record) error { r.Job.State = jobsv1.State_STATE_UNSPECIFIED; return nil },
		"text not in UTF-8": func(r *storev1.Record) error { r.Job.Message = "\xff"; return nil },
	}
	for name, fn := range noChange {
		j, err := s.Update(t.Context(), store.Everyone, id, fn)
		switch name {
		case "unchanged", "nothing":
			if err != nil || j.GetMessage() != "" || j.GetId() != "1" {
				t.Errorf("%s: %v %v", name, j, err)
			}
		case "an error":
			if err != boom { //nolint:errorlint // it must be passed on as it is
				t.Errorf("%s: %v", name, err)
			}
		default:
			if err == nil || j != nil {
				t.Errorf("%s: %v %v", name, j, err)
			}
		}
	}
	if s.Revision() != before {
		t.Errorf("revision %d became %d without a change", before, s.Revision())
	}
	j := become(t, s, id, running)
	if j.GetRevision() != before+1 || len(j.GetHistory()) != 2 || j.GetHistory()[1].GetState() != running {
		t.Errorf("running: %v", j)
	}
	j, err := s.Update(t.Context(), store.Everyone, id, func(r *storev1.Record) error {
		if r.GetJob().GetId() != "1" || r.GetJob().GetParameters() != nil {
			t.Errorf("fn got %v", r)
		}
		r.Job.Progress = &jobsv1.Progress{Message: "half"}
		return nil
	})
	if err != nil || len(j.GetHistory()) != 2 || j.GetRevision() != before+2 {
		t.Errorf("progress: %v %v", j, err)
	}
	stored, err := s.Get(store.Everyone, id)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(j, stored, protocmp.Transform(), protocmp.IgnoreFields(j, "parameters")); diff != "" {
		t.Error(diff)
	}
	if _, err := s.Update(t.Context(), store.Everyone, 99, into(running)); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("a job that is not there: %v", err)
	}
}

func TestUpdateManyHasAResultForEach(t *testing.T) {
	s := storetest.Open(t)
	submit(t, s, "ada", newJob("A", "a"), newJob("A", "b"))
	submit(t, s, "bob", newJob("A", "c"))
	become(t, s, 2, completed)
	commits := s.Stats().Commits
	got, err := s.UpdateMany(t.Context(), store.OwnedBy("ada"), []job.ID{2, 3, 1, 1}, func(r *storev1.Record) error {
		if job.Terminal(r.GetJob().GetState()) {
			return job.ErrConflict
		}
		return into(cancelled)(r)
	})
	if err != nil {
		t.Fatal(err)
	}
	if !errors.Is(got[0].Err, job.ErrConflict) || !errors.Is(got[1].Err, job.ErrNotFound) || got[2].Err != nil ||
		got[2].Job.GetState() != cancelled || !errors.Is(got[3].Err, job.ErrConflict) {
		t.Errorf("results %v", got)
	}
	if n := s.Stats().Commits - commits; n != 1 {
		t.Errorf("%d commits", n)
	}
}

func TestHistoryAndAttemptsAreBounded(t *testing.T) {
	s := storetest.Open(t)
	id := idOf(t, submit(t, s, "ada", newJob("A", "a"))[0])
	var j *jobsv1.Job
	for n := range int32(60) {
		var err error
		j, err = s.Update(t.Context(), store.Everyone, id, func(r *storev1.Record) error {
			r.Job.Attempts = append(r.Job.Attempts, &jobsv1.Attempt{Number: n + 1})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	h, a := j.GetHistory(), j.GetAttempts()
	if len(h) != 41 || h[0].GetAttempt() != 0 || h[1].GetAttempt() != 21 || h[40].GetAttempt() != 60 {
		t.Errorf("history of %d: %v, %v ... %v", len(h), h[0], h[1], h[len(h)-1])
	}
	if len(a) != 20 || a[0].GetNumber() != 41 || a[19].GetNumber() != 60 {
		t.Errorf("attempts %v", a)
	}
}

func TestDelete(t *testing.T) {
	s := storetest.Open(t)
	submit(t, s, "ada", newJob("A", "a"), newJob("A", "b"), newJob("A", "c"))
	become(t, s, 1, completed)
	become(t, s, 3, failed)
	if _, err := s.Delete(t.Context(), 1, 2); !errors.Is(err, job.ErrConflict) {
		t.Errorf("delete a waiting job: %v", err)
	}
	if _, err := s.Get(store.Everyone, 1); err != nil {
		t.Errorf("job 1 is gone with a refused delete: %v", err)
	}
	got, err := s.Delete(t.Context(), 3, 1, 1, 77)
	if diff := cmp.Diff([]job.ID{3, 1}, got); err != nil || diff != "" {
		t.Errorf("deleted %v %v", got, err)
	}
	if _, err := s.Get(store.Everyone, 1); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("get a deleted job: %v", err)
	}
	if j := submit(t, s, "ada", newJob("A", "d"))[0]; j.GetId() != "4" {
		t.Errorf("id %s was given again", j.GetId())
	}
}

// fataler is a test, also one of rapid.
type fataler interface {
	Helper()
	Fatal(args ...any)
}
