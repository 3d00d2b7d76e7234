package store_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/store/audit"
	"github.com/stint-jobs/stint/internal/store/file"
	"github.com/stint-jobs/stint/internal/store/storetest"
)

const (
	history = jobsv1.ShareRight_SHARE_RIGHT_HISTORY
	logs    = jobsv1.ShareRight_SHARE_RIGHT_LOGS
	results = jobsv1.ShareRight_SHARE_RIGHT_RESULTS
	rerun   = jobsv1.ShareRight_SHARE_RIGHT_RERUN
)

// share gives a user rights of a job of ada's.
func share(t *testing.T, s *store.Store, id job.ID, user string, rights ...jobsv1.ShareRight) *jobsv1.Share {
	t.Helper()
	sh, err := s.Share(t.Context(), store.OwnedBy("ada"), id, &jobsv1.Share{User: user, Rights: rights})
	if err != nil {
		t.Fatal(err)
	}
	return sh
}

// seenBy are the rights with which a user can read a job.
func seenBy(t *testing.T, s *store.Store, user string, id job.ID) []jobsv1.ShareRight {
	t.Helper()
	var with []jobsv1.ShareRight
	for right := range jobsv1.ShareRight_name {
		scope := store.OwnedBy(user).With(jobsv1.ShareRight(right))
		_, err := s.Get(scope, id)
		if err != nil && !errors.Is(err, job.ErrNotFound) {
			t.Fatal(err)
		}
		if s.Sees(scope, id) != (err == nil) {
			t.Errorf("Get with %v: %v, and Sees says otherwise", jobsv1.ShareRight(right), err)
		}
		if err == nil {
			with = append(with, jobsv1.ShareRight(right))
		}
	}
	return with
}

func same(a, b []jobsv1.ShareRight) bool {
	set := map[jobsv1.ShareRight]int{}
	for _, r := range a {
		set[r] |= 1
	}
	for _, r := range b {
		set[r] |= 2
	}
	for _, n := range set {
		if n != 3 {
			return false
		}
	}
	return true
}

func TestEachRightIsSharedApart(t *testing.T) {
	s := storetest.Open(t)
	submit(t, s, "ada", newJob("A", "a"), newJob("A", "b"))
	for _, rights := range [][]jobsv1.ShareRight{{history}, {logs, logs}, {results}, {rerun}, {rerun, logs}, {results, history}} {
		sh := share(t, s, 1, "bob", rights...)
		if want := append(rights, history); !same(sh.GetRights(), want) || !same(seenBy(t, s, "bob", 1), want) {
			t.Errorf("given %v, stored %v, seen with %v", rights, sh.GetRights(), seenBy(t, s, "bob", 1))
		}
	}
	if got := append(seenBy(t, s, "bob", 2), seenBy(t, s, "cyd", 1)...); len(got) > 0 {
		t.Errorf("others are seen with %v", got)
	}
	if err := s.Unshare(t.Context(), store.OwnedBy("ada"), 1, "bob"); err != nil || len(seenBy(t, s, "bob", 1)) > 0 {
		t.Errorf("taken back: %v, seen with %v", err, seenBy(t, s, "bob", 1))
	}
	if err := s.Unshare(t.Context(), store.OwnedBy("ada"), 1, "bob"); err != nil {
		t.Errorf("again: %v", err)
	}
}

func TestASharedJobDoesNotLeadToOthers(t *testing.T) {
	s := storetest.Open(t)
	parent := submit(t, s, "ada", newJob("A", "parent"))
	j := newJob("A", "a")
	j.OutputFolder, j.ParentId, j.RerunOf = "/secret", parent[0].GetId(), parent[0].GetId()
	submit(t, s, "ada", j)
	share(t, s, 2, "bob", results)
	got, err := s.Get(store.OwnedBy("bob").With(results), 2)
	if err != nil || got.GetOutputFolder()+got.GetResultFolder()+got.GetParentId()+got.GetRerunOf() != "" || got.GetParameters() == nil {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := s.Get(store.OwnedBy("ada"), 2); err != nil || got.GetOutputFolder() != "/secret" || got.GetParentId() == "" {
		t.Errorf("the owner sees %v, %v", got, err)
	}
}

func TestWhoCannotShare(t *testing.T) {
	s := storetest.Open(t)
	submit(t, s, "ada", newJob("A", "a"))
	share(t, s, 1, "bob", history, rerun)
	with := func(user string) *jobsv1.Share {
		return &jobsv1.Share{User: user, Rights: []jobsv1.ShareRight{logs}}
	}
	for name, c := range map[string]struct {
		scope store.Scope
		id    job.ID
		user  string
		want  error
	}{
		"of somebody else":     {store.OwnedBy("cyd"), 1, "bob", job.ErrNotFound},
		"of a share":           {store.OwnedBy("bob").With(rerun), 1, "cyd", job.ErrNotFound},
		"that is not there":    {store.OwnedBy("ada"), 2, "bob", job.ErrNotFound},
		"in the zero scope":    {store.Scope{Right: history}, 1, "bob", job.ErrNotFound},
		"of the owner of less": {store.OwnedBy("cyd"), 1, "ada", job.ErrNotFound},
	} {
		if _, err := s.Share(t.Context(), c.scope, c.id, with(c.user)); !errors.Is(err, c.want) {
			t.Errorf("a job %s: %v", name, err)
		}
		if err := s.Unshare(t.Context(), c.scope, c.id, c.user); !errors.Is(err, c.want) {
			t.Errorf("take back a job %s: %v", name, err)
		}
		if _, _, err := s.Shares(c.scope, c.id, "", 10); !errors.Is(err, c.want) {
			t.Errorf("list the shares of a job %s: %v", name, err)
		}
	}
	if _, err := s.Share(t.Context(), store.OwnedBy("ada"), 1, with("ada")); err == nil {
		t.Error("shared with the owner")
	}
	for i := 1; i < int((job.Limits{}).Of(job.QuotaSharesOfJob)); i++ {
		share(t, s, 1, fmt.Sprintf("user%03d", i), history)
	}
	if _, err := s.Share(t.Context(), store.OwnedBy("ada"), 1, with("one-more")); !errors.Is(err, job.ErrExhausted) {
		t.Errorf("one more than there may be: %v", err)
	}
	share(t, s, 1, "bob", logs) // one of them may get other rights
}

func TestListsOfShares(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	s := storetest.OpenConfig(t, store.Config{Now: func() time.Time { return now }})
	submit(t, s, "ada", newJob("A", "1"), newJob("A", "2"), newJob("A", "3"), newJob("A", "4"))
	for _, id := range []job.ID{2, 4, 1} {
		now = now.Add(time.Second)
		share(t, s, id, "bob", logs)
		share(t, s, id, "cyd", logs)
	}
	share(t, s, 3, "bob", logs) // at the time of the one before
	now = now.Add(time.Second)
	share(t, s, 2, "bob", results) // changed: it is the newest
	page := func(limit int) (ids []string) {
		t.Helper()
		var at store.SharePosition
		for {
			list, next, err := s.SharedWith("bob", at, limit)
			if err != nil || len(list) > limit {
				t.Fatal(len(list), err)
			}
			for _, sh := range list {
				ids = append(ids, sh.GetJobId())
				if sh.GetJob().GetId() != sh.GetJobId() || sh.GetJob().GetParameters() != nil || sh.GetUser() != "bob" {
					t.Errorf("share %v", sh)
				}
			}
			if next == nil {
				return ids
			}
			at = *next
		}
	}
	for _, limit := range []int{1, 2, 3, 4, 9} {
		if diff := gocmp.Diff([]string{"2", "3", "1", "4"}, page(limit)); diff != "" {
			t.Errorf("pages of %d:\n%s", limit, diff)
		}
	}
	first, more, err := s.Shares(store.OwnedBy("ada"), 2, "", 1)
	if err != nil || !more || len(first) != 1 || first[0].GetUser() != "bob" || !same(first[0].GetRights(), []jobsv1.ShareRight{history, results}) {
		t.Errorf("%v %v %v", first, more, err)
	}
	if rest, more, err := s.Shares(store.OwnedBy("ada"), 2, "bob", 1); err != nil || more || len(rest) != 1 || rest[0].GetUser() != "cyd" {
		t.Errorf("%v %v %v", rest, more, err)
	}
}

func TestSharesGoWithTheirJob(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	s := storetest.OpenConfig(t, store.Config{Path: path})
	submit(t, s, "ada", newJob("A", "a"), newJob("A", "b"))
	share(t, s, 1, "bob", logs)
	share(t, s, 2, "bob", logs)
	become(t, s, 1, completed)
	if _, err := s.Delete(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if list, _, err := s.SharedWith("bob", store.SharePosition{}, 10); err != nil || len(list) != 1 || list[0].GetJobId() != "2" {
		t.Errorf("after the deletion: %v, %v", list, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	raw(t, path, func(tx *bolt.Tx) error {
		if n := tx.Bucket([]byte("shares")).Stats().KeyN; n != 1 {
			t.Errorf("%d shares on disk", n)
		}
		return nil
	})
}

func TestWatchersOfAJobAreWokenByItsShares(t *testing.T) {
	s := storetest.Open(t)
	submit(t, s, "ada", newJob("A", "a"))
	sub := s.Hub().Subscribe(store.KeyJob(1))
	defer sub.Close()
	woken := func(what string) {
		t.Helper()
		select {
		case <-sub.C():
		case <-time.After(time.Minute):
			t.Error("nobody was woken by " + what)
		}
	}
	share(t, s, 1, "bob", logs)
	woken("a share")
	if err := s.Unshare(t.Context(), store.OwnedBy("ada"), 1, "bob"); err != nil {
		t.Fatal(err)
	}
	woken("its end")
}

func TestSharesAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	s := storetest.OpenConfig(t, store.Config{Path: path})
	submit(t, s, "ada", newJob("A", "a"))
	share(t, s, 1, "bob", logs)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		again := storetest.OpenConfig(t, store.Config{Path: path})
		if got := seenBy(t, again, "bob", 1); !same(got, []jobsv1.ShareRight{history, logs}) {
			t.Errorf("seen with %v", got)
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
		if _, _, err := file.Compact(path); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSharingIsAuditedWithTheJobAndTheUser(t *testing.T) {
	s := storetest.Open(t)
	submit(t, s, "ada", newJob("A", "a"))
	ctx := store.WithAudit(t.Context(), &storev1.AuditEntry{User: "ada", Method: "share"})
	if _, err := s.Share(ctx, store.OwnedBy("ada"), 1, &jobsv1.Share{User: "bob", Rights: []jobsv1.ShareRight{logs}}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second changes nothing, and is not audited
		if err := s.Unshare(ctx, store.OwnedBy("ada"), 1, "bob"); err != nil {
			t.Fatal(err)
		}
	}
	rows, _, err := s.AuditEntries(t.Context(), audit.Query{Job: 1, Limit: 10})
	if err != nil || len(rows) != 2 {
		t.Fatal(rows, err)
	}
	for _, r := range rows {
		if r.Entry.GetSubject() != "bob" || r.Entry.GetUser() != "ada" {
			t.Errorf("entry %v", r.Entry)
		}
	}
}
