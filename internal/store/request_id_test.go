package store_test

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/store/storetest"
)

// requester sends requests to a store whose clock it has.
type requester struct {
	*testing.T
	path string
	now  time.Time
	s    *store.Store
}

func newRequester(t *testing.T) *requester {
	t.Helper()
	r := &requester{T: t, path: filepath.Join(t.TempDir(), "jobs.db"), now: time.Date(2026, 3, 4, 5, 6, 0, 0, time.UTC)}
	r.open()
	return r
}

func (r *requester) open() {
	r.Helper()
	r.s = storetest.OpenConfig(r, store.Config{Path: r.path, Now: func() time.Time { return r.now }}.WithoutSync())
}

// restart closes the store and opens it again. Both are checked.
func (r *requester) restart() {
	r.Helper()
	storetest.Close(r, r.s, r.path)
	r.open()
}

// send submits n jobs of a user as the request "r".
func (r *requester) send(user string, n int) (ids []job.ID, again bool, err error) {
	r.Helper()
	var jobs []*jobsv1.Job
	for range n {
		jobs = append(jobs, newJob("A", "a"))
	}
	stored, again, err := r.s.Submit(r.Context(), jobs, r.options(user))
	for _, j := range stored {
		ids = append(ids, idOf(r, j))
	}
	return ids, again, err
}

func (r *requester) options(user string) store.SubmitOptions {
	return store.SubmitOptions{Owner: user, RequestID: "r", RequestHash: []byte("hash of " + user)}
}

// is sends the request again and wants the jobs that are left of it, by both ways to ask.
func (r *requester) is(user string, want []job.ID) {
	r.Helper()
	got, again, err := r.send(user, 1)
	if err != nil || !again || !slices.Equal(got, want) {
		r.Errorf("the request of %s: %d jobs, again %t, %v; want %d jobs", user, len(got), again, err, len(want))
	}
	jobs, found, err := r.s.Submitted(r.options(user))
	if err != nil || !found || len(jobs) != len(want) || jobs[0].GetParameters() == nil {
		r.Errorf("the request of %s was submitted: %d jobs, found %t, %v; want %d jobs", user, len(jobs), found, err, len(want))
	}
	o := r.options(user)
	o.RequestHash = []byte("another")
	if _, _, err := r.s.Submitted(o); !errors.Is(err, job.ErrRequestIDReused) {
		r.Errorf("another request with the id: %v", err)
	}
}

// refused wants that the request is refused because its jobs were deleted.
func (r *requester) refused(user string) {
	r.Helper()
	_, _, err := r.send(user, 1)
	_, _, err2 := r.s.Submitted(r.options(user))
	for _, err := range []error{err, err2} {
		words, ok := errors.AsType[*job.UserError](err)
		if !ok || !errors.Is(err, job.ErrRequestIDReused) {
			r.Errorf("the request of %s, whose jobs were deleted: %v", user, err)
			continue
		}
		for _, want := range []string{"4 March 2026 at 05:06 UTC", "deleted", "new request_id"} {
			if !strings.Contains(words.Message, want) {
				r.Errorf("%q does not say %q", words.Message, want)
			}
		}
	}
}

// isNew sends the request and wants that it begins anew.
func (r *requester) isNew(user string) []job.ID {
	r.Helper()
	if jobs, found, err := r.s.Submitted(r.options(user)); err != nil || found {
		r.Errorf("the request of %s was submitted: %v, %t, %v", user, jobs, found, err)
	}
	ids, again, err := r.send(user, 1)
	if err != nil || again || len(ids) != 1 {
		r.Errorf("the request of %s is not new: %v, %t, %v", user, ids, again, err)
	}
	return ids
}

func (r *requester) delete(ids ...job.ID) {
	r.Helper()
	results, err := r.s.UpdateMany(r.Context(), store.Everyone, ids, into(cancelled))
	if err != nil || results[0].Err != nil {
		r.Fatal(results[0].Err, err)
	}
	if deleted, err := r.s.Delete(r.Context(), ids...); err != nil || !slices.Equal(deleted, ids) {
		r.Fatalf("deleted %v, %v", deleted, err)
	}
}

// The jobs of a request are found by it as long as one of them is there, whichever goes first.
func TestARequestLivesAsLongAsAnyOfItsJobs(t *testing.T) {
	for _, n := range []int{2, 1000} {
		r := newRequester(t)
		left, _, err := r.send("ada", n)
		if err != nil {
			t.Fatal(err)
		}
		bobs, _, err := r.send("bob", 1) // the same id of another owner is another request
		if err != nil {
			t.Fatal(err)
		}
		r.now = r.now.Add(10 * store.RequestLife)
		r.is("ada", left)
		for len(left) > 1 {
			gone := []job.ID{left[0]}
			if n > 2 {
				gone = []job.ID{left[0], left[len(left)/2], left[len(left)-1]}
			}
			if len(left) < 990 && n > 2 { // in larger steps
				gone = left[:len(left)-1]
			}
			r.delete(gone...)
			left = slices.DeleteFunc(slices.Clone(left), func(id job.ID) bool { return slices.Contains(gone, id) })
			r.is("ada", left)
			r.restart()
			r.is("ada", left)
			r.is("bob", bobs)
		}
	}
}

// A request whose jobs were all deleted does not start a second time within a week of its submission.
func TestADeletedRequestIsRefusedForAWeek(t *testing.T) {
	for _, n := range []int{1, 3} {
		r := newRequester(t)
		ids, _, err := r.send("ada", n)
		if err != nil {
			t.Fatal(err)
		}
		bobs, _, err := r.send("bob", 1)
		if err != nil {
			t.Fatal(err)
		}
		r.now = r.now.Add(time.Hour)
		for _, id := range ids {
			r.delete(id)
		}
		r.refused("ada")
		r.is("bob", bobs)
		r.now = r.now.Add(store.RequestLife - time.Hour - time.Nanosecond)
		if dropped, err := r.s.ExpireRequests(t.Context()); err != nil || dropped != 0 {
			t.Errorf("%d requests were dropped before their time, %v", dropped, err)
		}
		r.restart()
		r.refused("ada")
		r.now = r.now.Add(time.Nanosecond)
		if n == 1 { // with the janitor, and without
			if dropped, err := r.s.ExpireRequests(t.Context()); err != nil || dropped != 1 {
				t.Errorf("%d requests were dropped, %v", dropped, err)
			}
		}
		again := r.isNew("ada")
		r.restart()
		r.is("ada", again)
		if dropped, err := r.s.ExpireRequests(t.Context()); err != nil || dropped != 0 {
			t.Errorf("%d requests were dropped that are none, %v", dropped, err)
		}
	}
}

// A request whose jobs are deleted later than a week after their submission leaves nothing behind.
func TestAnOldRequestGoesWithItsLastJob(t *testing.T) {
	r := newRequester(t)
	ids, _, err := r.send("ada", 2)
	if err != nil {
		t.Fatal(err)
	}
	r.delete(ids[1])
	r.now = r.now.Add(store.RequestLife)
	r.delete(ids[0])
	if dropped, err := r.s.ExpireRequests(t.Context()); err != nil || dropped != 0 {
		t.Errorf("%d requests were kept, %v", dropped, err)
	}
	r.isNew("ada")
}

// A clock that was ahead when the jobs came does not keep the request for longer than from their deletion on.
func TestADeletedRequestOfAClockThatWasAhead(t *testing.T) {
	r := newRequester(t)
	right := r.now
	r.now = r.now.AddDate(10, 0, 0)
	ids, _, err := r.send("ada", 1)
	if err != nil {
		t.Fatal(err)
	}
	r.now = right
	r.delete(ids...)
	r.refused("ada")
	r.now = r.now.Add(store.RequestLife)
	r.isNew("ada")
}

// Many requests expire in several commits.
func TestManyRequestsExpire(t *testing.T) {
	r := newRequester(t)
	const n = 1200
	var ids []job.ID
	for i := range n {
		stored, _, err := r.s.Submit(t.Context(), []*jobsv1.Job{newJob("A", "a")}, store.SubmitOptions{Owner: "ada", RequestID: "r" + time.Duration(i).String()})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, idOf(t, stored[0]))
	}
	r.delete(ids...)
	r.now = r.now.Add(store.RequestLife)
	commits := r.s.Stats().Commits
	if dropped, err := r.s.ExpireRequests(t.Context()); err != nil || dropped != n || r.s.Stats().Commits != commits+3 {
		t.Errorf("%d were dropped in %d commits, %v", dropped, r.s.Stats().Commits-commits, err)
	}
}
