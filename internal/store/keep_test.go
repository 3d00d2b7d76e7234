package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/store/credential"
	"github.com/stint-jobs/stint/internal/store/file"
	"github.com/stint-jobs/stint/internal/store/storetest"
	"github.com/stint-jobs/stint/internal/weight"
)

func TestRetention(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	s := storetest.OpenConfig(t, store.Config{
		Now: func() time.Time { return start },
		Retention: store.Retention{
			completed: {For: time.Hour},
			failed:    {AtMost: 2},
			queued:    {For: time.Nanosecond}, // not a final state: means nothing
		},
	})
	end := func(id job.ID, state jobsv1.State, after time.Duration) {
		t.Helper()
		change(t, s, id, func(r *storev1.Record) {
			if _, err := job.Transition(r.Job, job.Status{State: state, Time: start.Add(after)}); err != nil {
				t.Error(err)
			}
		})
	}
	var jobs []*jobsv1.Job
	for i := range 9 {
		jobs = append(jobs, newJob("A", strconv.Itoa(i)))
	}
	submit(t, s, "ada", jobs...)
	end(1, completed, time.Minute)
	end(2, completed, 2*time.Hour)
	end(3, failed, 9*time.Minute) // submitted first of the failed, but ended last
	end(4, failed, 3*time.Minute)
	end(5, failed, 2*time.Minute)
	end(6, failed, 4*time.Minute)
	end(7, cancelled, time.Second)
	end(8, running, 0)
	got, err := s.ApplyRetention(t.Context(), start.Add(time.Hour+2*time.Minute))
	if diff := cmp.Diff([]job.ID{1, 5, 4}, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if got, err = s.ApplyRetention(t.Context(), start.Add(time.Hour+2*time.Minute)); err != nil || len(got) != 0 {
		t.Errorf("again: %v %v", got, err)
	}
	if _, missing, err := s.GetMany(store.Everyone, []job.ID{1, 2, 3, 4, 5, 6, 7, 8, 9}, 0, weight.Bound{}); err != nil || len(missing) != 3 {
		t.Errorf("missing %v, %v", missing, err)
	}
}

func TestWithoutRetentionNothingIsDeleted(t *testing.T) {
	s := storetest.Open(t)
	submit(t, s, "ada", newJob("A", "a"))
	become(t, s, 1, completed)
	if got, err := s.ApplyRetention(t.Context(), time.Now().Add(1000*time.Hour)); err != nil || got != nil {
		t.Errorf("%v %v", got, err)
	}
}

func TestTokens(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	s := storetest.OpenConfig(t, store.Config{Path: path})
	token := func(id string, at int64) *storev1.Token {
		return &storev1.Token{Id: id, User: "ada", Roles: []string{"operator"}, CreateTime: &timestamppb.Timestamp{Seconds: at}}
	}
	put := func(hash byte, tk *storev1.Token) error { return s.PutToken(t.Context(), credential.Hash{hash}, tk, 3) }
	if err := errors.Join(put(1, token("late", 2)), put(2, token("early", 1))); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{"the same id": put(3, token("late", 3)), "the same secret": put(1, token("other", 3))} {
		if !errors.Is(err, job.ErrAlreadyExists) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = storetest.OpenConfig(t, store.Config{Path: path})
	got, err := s.Token(credential.Hash{1})
	if diff := cmp.Diff(token("late", 2), got, protocmp.Transform()); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	all, err := s.Tokens("")
	if err != nil || len(all) != 2 || all[0].GetId() != "early" {
		t.Errorf("%v %v", all, err)
	}
	if err := s.DeleteToken(t.Context(), "late", "bob"); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("somebody else deletes it: %v", err)
	}
	if err := s.DeleteToken(t.Context(), "late", "ada"); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteToken(t.Context(), "late", ""); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("delete it again: %v", err)
	}
	if _, err := s.Token(credential.Hash{1}); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("a deleted token: %v", err)
	}
}

func TestTokensAreOfAUser(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	s := storetest.OpenConfig(t, store.Config{Path: path})
	put := func(hash byte, id, user string) error {
		return s.PutToken(t.Context(), credential.Hash{hash}, &storev1.Token{Id: id, User: user, CreateTime: &timestamppb.Timestamp{Seconds: int64(hash)}}, 2)
	}
	want := func(user string, ids ...string) {
		t.Helper()
		all, err := s.Tokens(user)
		var got []string
		for _, one := range all {
			got = append(got, one.GetId())
		}
		if diff := cmp.Diff(ids, got); err != nil || diff != "" {
			t.Errorf("%s has %v, %v", user, got, err)
		}
	}
	if err := errors.Join(put(1, "a1", "ada"), put(2, "a2", "ada"), put(3, "b1", "bob")); err != nil {
		t.Fatal(err)
	}
	if err := put(4, "a3", "ada"); !errors.Is(err, job.ErrExhausted) {
		t.Errorf("one too many: %v", err)
	}
	want("ada", "a1", "a2")
	want("bob", "b1")
	want("eve")
	want("", "a1", "a2", "b1")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = storetest.OpenConfig(t, store.Config{Path: path}) // the index is made anew
	want("ada", "a1", "a2")
	if err := errors.Join(s.DeleteToken(t.Context(), "a1", "ada"), put(4, "a3", "ada")); err != nil {
		t.Fatal(err)
	}
	want("ada", "a2", "a3")
	if err := put(5, "a4", "ada"); !errors.Is(err, job.ErrExhausted) {
		t.Errorf("one too many after a start: %v", err)
	}
}

func TestTheLastUseOfTokensIsNoted(t *testing.T) {
	s := storetest.Open(t)
	for n, id := range []string{"a", "b"} {
		if err := s.PutToken(t.Context(), credential.Hash{byte(n)}, &storev1.Token{Id: id, User: "ada"}, 0); err != nil {
			t.Fatal(err)
		}
	}
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	commits := s.Stats().Commits
	for _, at := range []time.Time{noon, noon, noon.Add(-time.Minute)} {
		if err := s.TouchTokens(t.Context(), map[credential.Hash]time.Time{{0}: at, {9}: at}); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.Stats().Commits - commits; n != 1 {
		t.Errorf("%d commits", n)
	}
	all, err := s.Tokens("ada")
	if err != nil || len(all) != 2 || !all[0].GetLastUseTime().AsTime().Equal(noon) || all[1].GetLastUseTime() != nil {
		t.Errorf("tokens %v, %v", all, err)
	}
}

func TestIssues(t *testing.T) {
	s := storetest.Open(t)
	submit(t, s, "ada", newJob("A", "a"), newJob("A", "b"))
	for n, id := range []job.ID{2, 1, 2, 1, 1} {
		got, err := s.AddIssue(t.Context(), id, &storev1.Issue{Reporter: "ada", Description: strconv.Itoa(n)})
		if err != nil || got.String() != fmt.Sprintf("%s-%d", id, n+1) {
			t.Fatalf("%v %v", got, err)
		}
	}
	var seen []string
	var before uint64
	for more := true; more; {
		var page []store.Issue
		var err error
		if page, more, err = s.Issues(before, 2, weight.Bound{Bytes: 1 << 20}); err != nil {
			t.Fatal(err)
		}
		for _, i := range page {
			seen = append(seen, i.ID.String()+" "+i.Report.GetDescription())
			before = i.ID.Seq
			if i.Report.GetCreateTime() == nil {
				t.Error("no time")
			}
		}
	}
	if diff := cmp.Diff([]string{"1-5 4", "1-4 3", "2-3 2", "1-2 1", "2-1 0"}, seen); diff != "" {
		t.Error(diff)
	}
}

func TestSettings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	s := storetest.OpenConfig(t, store.Config{Path: path})
	if got := s.Settings(); got == nil || got.GetSubmissionsClosed() {
		t.Errorf("of a new store: %v", got)
	}
	want := &storev1.Settings{SubmissionsClosed: true, Message: "maintenance"}
	if err := s.SetSettings(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if diff := cmp.Diff(want, s.Settings(), protocmp.Transform()); diff != "" {
			t.Error(diff)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = storetest.OpenConfig(t, store.Config{Path: path})
	}
}

func TestABackupIsTheStoreAsItWas(t *testing.T) {
	dir := t.TempDir()
	s := storetest.OpenConfig(t, store.Config{Path: filepath.Join(dir, "jobs.db")})
	submit(t, s, "ada", newJob("A", "a"), newJob("A", "b"))
	path := filepath.Join(dir, "backup.db")
	n, err := s.Backup(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() != n {
		t.Errorf("%d bytes, %v, %v", n, info, err)
	}
	submit(t, s, "ada", newJob("A", "after"))
	become(t, s, 1, running)
	old := storetest.OpenConfig(t, store.Config{Path: path})
	if j, err := old.Get(store.Everyone, 1); err != nil || j.GetState() != queued || old.Stats().Jobs != 2 {
		t.Errorf("%v %v, %d jobs", j, err, old.Stats().Jobs)
	}
	if _, err := s.Backup(filepath.Join(dir, "no", "such", "folder")); err == nil {
		t.Error("a backup into no folder")
	}
}

func TestBackupAndCompactOfAStoppedServer(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "jobs.db")
	s := storetest.OpenConfig(t, store.Config{Path: path})
	var jobs []*jobsv1.Job
	for i := range 500 {
		jobs = append(jobs, newJob("A", strconv.Itoa(i)))
	}
	submit(t, s, "ada", jobs...)
	if _, err := s.AddIssue(t.Context(), 1, &storev1.Issue{Description: "x"}); err != nil {
		t.Fatal(err)
	}
	for id := job.ID(1); id < 500; id++ {
		jobs[id].Id = "" // given up; only the ids count
	}
	var ids []job.ID
	for id := job.ID(1); id < 500; id++ {
		ids = append(ids, id)
	}
	if _, err := s.UpdateMany(t.Context(), store.Everyone, ids, into(cancelled)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Delete(t.Context(), ids...); err != nil {
		t.Fatal(err)
	}
	revision := s.Revision()
	var b bytes.Buffer
	if _, err := file.Backup(path, &b); !errors.Is(err, job.ErrUnavailable) {
		t.Errorf("backup of a running server's file: %v", err)
	}
	if _, _, err := file.Compact(path); !errors.Is(err, job.ErrUnavailable) {
		t.Errorf("compact a running server's file: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := file.Backup(path, &b); err != nil || n != int64(b.Len()) {
		t.Errorf("backup of %d bytes: %v", n, err)
	}
	before, after, err := file.Compact(path)
	if err != nil || after >= before {
		t.Errorf("%d became %d: %v", before, after, err)
	}
	s = storetest.OpenConfig(t, store.Config{Path: path})
	if s.Revision() != revision || s.Stats().Jobs != 1 {
		t.Errorf("revision %d, %d jobs", s.Revision(), s.Stats().Jobs)
	}
	if id, err := s.AddIssue(t.Context(), 500, &storev1.Issue{}); err != nil || id.Seq != 2 {
		t.Errorf("the next issue is %v: %v", id, err)
	}
}

func TestReportsAboutAJobEnd(t *testing.T) {
	s := storetest.Open(t)
	submit(t, s, "ada", newJob("A", "a"), newJob("A", "b"))
	for range (job.Limits{}).Of(job.QuotaReportsOfJob) {
		if _, err := s.AddIssue(t.Context(), 1, &storev1.Issue{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.AddIssue(t.Context(), 1, &storev1.Issue{}); !errors.Is(err, job.ErrExhausted) || !strings.Contains(err.Error(), "reported already") {
		t.Errorf("one more: %v", err)
	}
	if _, err := s.AddIssue(t.Context(), 2, &storev1.Issue{}); err != nil {
		t.Errorf("about another job: %v", err)
	}
}
