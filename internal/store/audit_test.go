package store_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/store/audit"
	"github.com/stint-jobs/stint/internal/store/credential"
	"github.com/stint-jobs/stint/internal/store/file"
	"github.com/stint-jobs/stint/internal/store/storetest"
)

// by is a context in which that user does something.
func by(ctx context.Context, user, method string) context.Context {
	return store.WithAudit(ctx, &storev1.AuditEntry{User: user, How: "token", CredentialId: "t1", Address: "192.0.2.7", Method: method})
}

// wholeAudit returns the audit, oldest first, without times.
func wholeAudit(tb testing.TB, s *store.Store) []*storev1.AuditEntry {
	tb.Helper()
	var all []*storev1.AuditEntry
	var before uint64
	for {
		rows, next, err := s.AuditEntries(tb.Context(), audit.Query{Before: before, Limit: 3})
		if err != nil {
			tb.Fatal(err)
		}
		for _, r := range rows {
			if r.Entry.GetTime() == nil {
				tb.Errorf("entry %d has no time", r.Sequence)
			}
			r.Entry.Time = nil
			all = append(all, r.Entry)
		}
		if before = next; next == 0 {
			slices.Reverse(all)
			return all
		}
	}
}

func sameAudit(tb testing.TB, s *store.Store, want ...*storev1.AuditEntry) {
	tb.Helper()
	if diff := cmp.Diff(want, wholeAudit(tb, s), protocmp.Transform()); diff != "" {
		tb.Errorf("the audit is not as it should be:\n%s", diff)
	}
}

func entry(user, method, subject string, jobs ...uint64) *storev1.AuditEntry {
	return &storev1.AuditEntry{User: user, How: "token", CredentialId: "t1", Address: "192.0.2.7", Method: method, Subject: subject, JobIds: jobs}
}

func TestWhatChangesSomethingIsAuditedWithWhatItTouched(t *testing.T) {
	s := storetest.Open(t)
	ctx := t.Context()
	submitAs := func(user, owner string, jobs ...*jobsv1.Job) {
		t.Helper()
		if _, _, err := s.Submit(by(ctx, user, "submit"), jobs, store.SubmitOptions{Owner: owner}); err != nil {
			t.Fatal(err)
		}
	}
	submitAs("ada", "ada", newJob("A", "a"), newJob("A", "b"))
	submitAs("root", "bob", newJob("A", "c"))
	if _, err := s.Update(by(ctx, "root", "cancel"), store.Everyone, 1, into(cancelled)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.UpdateMany(by(ctx, "ada", "cancel all"), store.Everyone, []job.ID{3, 77, 2}, into(cancelled)); err != nil {
		t.Fatal(err)
	}
	hash := credential.Hash{1}
	if err := s.PutToken(by(ctx, "root", "make token"), hash, &storev1.Token{Id: "x", User: "cyd"}, 0); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteToken(by(ctx, "root", "revoke token"), "x", ""); err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{"bob", "root"} {
		report := &storev1.Issue{Reporter: user, Job: &jobsv1.Job{Owner: "bob"}}
		if _, err := s.AddIssue(by(ctx, user, "report"), 3, report); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.SetSettings(by(ctx, "root", "close"), &storev1.Settings{SubmissionsClosed: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Delete(by(ctx, "root", "delete"), 1, 2, 3); err != nil {
		t.Fatal(err)
	}
	if err := s.Audit(ctx, entry("root", "read", "bob", 9)); err != nil {
		t.Fatal(err)
	}
	sameAudit(t, s,
		entry("ada", "submit", "", 1, 2),
		entry("root", "submit", "bob", 3),
		entry("root", "cancel", "ada", 1),
		entry("ada", "cancel all", "bob", 3), // jobs of two users are two entries
		entry("ada", "cancel all", "", 2),
		entry("root", "make token", "cyd"),
		entry("root", "revoke token", "cyd"),
		entry("bob", "report", "", 3),
		entry("root", "report", "bob", 3),
		entry("root", "close", ""),
		entry("root", "delete", "ada", 1, 2),
		entry("root", "delete", "bob", 3),
		entry("root", "read", "bob", 9),
	)
}

func TestWhatChangesNothingIsNotAudited(t *testing.T) {
	s := storetest.Open(t)
	ctx := t.Context()
	o := store.SubmitOptions{Owner: "ada", RequestID: "r", MaxActivePerOwner: 1}
	if _, _, err := s.Submit(ctx, []*jobsv1.Job{newJob("A", "a")}, o); err != nil { // the server itself
		t.Fatal(err)
	}
	if _, again, err := s.Submit(by(ctx, "ada", "again"), []*jobsv1.Job{newJob("A", "a")}, o); err != nil || !again {
		t.Fatal(again, err)
	}
	o.RequestID = "another"
	if _, _, err := s.Submit(by(ctx, "ada", "too many"), []*jobsv1.Job{newJob("A", "b")}, o); !errors.Is(err, job.ErrExhausted) {
		t.Fatal(err)
	}
	if _, err := s.Update(by(ctx, "bob", "not theirs"), store.OwnedBy("bob"), 1, into(cancelled)); !errors.Is(err, job.ErrNotFound) {
		t.Fatal(err)
	}
	for _, err := range []error{store.ErrUnchanged, nil} {
		if _, err := s.Update(by(ctx, "ada", "no-op"), store.Everyone, 1, func(*storev1.Record) error { return err }); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.UpdateMany(by(ctx, "ada", "none"), store.Everyone, []job.ID{5, 6}, into(cancelled)); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteToken(by(ctx, "ada", "no token"), "x", ""); !errors.Is(err, job.ErrNotFound) {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(by(ctx, "ada", "gone"))
	cancel()
	if _, err := s.Update(gone, store.Everyone, 1, into(running)); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	sameAudit(t, s)
	if h := s.AuditHead(); h != (audit.Head{}) {
		t.Errorf("the head is %v", h)
	}
}

func TestMoreJobsThanAnEntryNamesAreMoreEntries(t *testing.T) {
	s := storetest.Open(t)
	jobs := make([]*jobsv1.Job, 2001)
	for i := range jobs {
		jobs[i] = newJob("A", strconv.Itoa(i))
	}
	if _, _, err := s.Submit(by(t.Context(), "ada", "submit"), jobs, store.SubmitOptions{Owner: "ada"}); err != nil {
		t.Fatal(err)
	}
	next := uint64(1)
	for _, e := range wholeAudit(t, s) {
		if len(e.GetJobIds()) > 1000 {
			t.Errorf("an entry with %d jobs", len(e.GetJobIds()))
		}
		for _, id := range e.GetJobIds() {
			if id != next {
				t.Fatalf("job %d, want %d", id, next)
			}
			next++
		}
	}
	if next != 2002 {
		t.Errorf("the last job named is %d", next-1)
	}
}

func TestACommitThatFailsLeavesNoEntry(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	s := storetest.OpenConfig(t, store.Config{Path: path}.WithoutSync())
	if _, _, err := s.Submit(by(t.Context(), "ada", "kept"), []*jobsv1.Job{newJob("A", "a")}, store.SubmitOptions{Owner: "ada"}); err != nil {
		t.Fatal(err)
	}
	head := s.AuditHead()
	s.RefuseBatches(func() error { return errors.New("no space") })
	if err := s.Audit(t.Context(), entry("ada", "lost", "")); err == nil {
		t.Fatal("it is stored")
	}
	if s.AuditHead() != head {
		t.Error("the head moved")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = storetest.OpenConfig(t, store.Config{Path: path})
	if s.AuditHead() != head {
		t.Error("the head moved on disk")
	}
	if err := s.Audit(t.Context(), entry("ada", "after", "")); err != nil {
		t.Fatal(err)
	}
	sameAudit(t, s, entry("ada", "kept", "", 1), entry("ada", "after", ""))
}

func TestTheChainHoldsWhoeverWritesAtTheSameTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	s := storetest.OpenConfig(t, store.Config{Path: path}.WithoutSync())
	var wg sync.WaitGroup
	const callers, each = 16, 20
	for c := range callers {
		wg.Go(func() {
			user := fmt.Sprint("user", c)
			for n := range each {
				if _, _, err := s.Submit(by(t.Context(), user, "submit"), []*jobsv1.Job{newJob("A", strconv.Itoa(n))}, store.SubmitOptions{Owner: user}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	head := s.AuditHead()
	all := wholeAudit(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	report, err := file.VerifyAudit(path, &head)
	if err != nil || len(report.Problems) > 0 || report.Entries != callers*each || report.End != head {
		t.Errorf("%+v %v", report, err)
	}
	for i, e := range all {
		if len(e.GetJobIds()) != 1 || e.GetJobIds()[0] != uint64(i+1) {
			t.Fatalf("entry %d is about job %v", i+1, e.GetJobIds())
		}
	}
}

func TestQueriesOfTheAudit(t *testing.T) {
	s := storetest.Open(t)
	for n := range uint64(60) {
		e := entry([]string{"ada", "bob", "adam"}[n%3], fmt.Sprint("m", n), "", n%7+1)
		switch n % 10 {
		case 3:
			e.Actor = "robot"
		case 4:
			e.Subject = "eve"
		}
		if err := s.Audit(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		q    audit.Query
		fits func(n int) bool
	}{
		"all":     {audit.Query{}, func(int) bool { return true }},
		"user":    {audit.Query{User: "ada"}, func(n int) bool { return n%3 == 0 }},
		"actor":   {audit.Query{User: "robot"}, func(n int) bool { return n%10 == 3 }},
		"subject": {audit.Query{User: "eve"}, func(n int) bool { return n%10 == 4 }},
		"job":     {audit.Query{Job: 5}, func(n int) bool { return n%7 == 4 }},
		"both":    {audit.Query{User: "bob", Job: 5}, func(n int) bool { return n%3 == 1 && n%7 == 4 }},
		"nobody":  {audit.Query{User: "ad"}, func(int) bool { return false }},
	} {
		var got, want []string
		for n := 59; n >= 0; n-- {
			if c.fits(n) {
				want = append(want, fmt.Sprint("m", n))
			}
		}
		for q := c.q; ; {
			q.Limit = 4
			rows, next, err := s.AuditEntries(t.Context(), q)
			if err != nil || len(rows) > 4 {
				t.Fatal(len(rows), err)
			}
			for _, r := range rows {
				got = append(got, r.Entry.GetMethod())
			}
			if q.Before = next; next == 0 {
				break
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

// TestTheAuditIsAsItsModel does things, refused, failed and done, and reopens and crashes in between.
func TestTheAuditIsAsItsModel(t *testing.T) {
	dir, run := t.TempDir(), 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		path := filepath.Join(dir, strconv.Itoa(run))
		now := time.Unix(1_700_000_000, 0)
		open := func() *store.Store {
			s, err := store.Open(store.Config{Path: path, Now: func() time.Time { return now }}.WithoutSync())
			if err != nil {
				rt.Fatal(err)
			}
			return s
		}
		s := open()
		defer func() { storetest.Close(t, s, path) }()
		var want []*storev1.AuditEntry
		var heads []audit.Head
		jobs := 0
		user := rapid.SampledFrom(owners)
		noted := func(e *storev1.AuditEntry) {
			want, heads = append(want, e), append(heads, s.AuditHead())
		}
		rt.Repeat(map[string]func(*rapid.T){
			"submit": func(rt *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(-2, 5).Draw(rt, "seconds")) * time.Second)
				u := user.Draw(rt, "user")
				if _, _, err := s.Submit(by(context.Background(), u, "submit"), []*jobsv1.Job{newJob("A", "a")}, store.SubmitOptions{Owner: u}); err != nil {
					rt.Fatal(err)
				}
				jobs++
				noted(entry(u, "submit", "", uint64(jobs)))
			},
			"refused": func(rt *rapid.T) {
				_, err := s.Update(by(context.Background(), user.Draw(rt, "user"), "refused"), store.OwnedBy("nobody"), 1, into(cancelled))
				if !errors.Is(err, job.ErrNotFound) {
					rt.Fatal(err)
				}
			},
			"server": func(rt *rapid.T) { // the same change by nobody
				if _, _, err := s.Submit(context.Background(), []*jobsv1.Job{newJob("A", "a")}, store.SubmitOptions{Owner: user.Draw(rt, "user")}); err != nil {
					rt.Fatal(err)
				}
				jobs++
			},
			"read": func(rt *rapid.T) {
				e := entry(user.Draw(rt, "user"), "read", "ada", rapid.Uint64Range(1, 9).Draw(rt, "job"))
				if err := s.Audit(context.Background(), proto.CloneOf(e)); err != nil {
					rt.Fatal(err)
				}
				noted(e)
			},
			"reopen": func(*rapid.T) { storetest.Close(t, s, path); s = open() },
			"crash": func(rt *rapid.T) { // in the middle of a commit
				s.RefuseBatches(func() error { return errors.New("crash") })
				if err := s.Audit(context.Background(), entry("ada", "lost", "")); err == nil {
					rt.Fatal("it is stored")
				}
				storetest.Close(t, s, path)
				s = open()
			},
			"": func(rt *rapid.T) {
				if h := s.AuditHead(); h.Sequence != uint64(len(want)) || len(heads) > 0 && h != heads[len(heads)-1] {
					rt.Fatalf("the head is %v after %d entries", h, len(want))
				}
			},
		})
		sameAudit(t, s, want...)
	})
}
