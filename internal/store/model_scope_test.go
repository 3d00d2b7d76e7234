package store_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/store/storetest"
	"github.com/stint-jobs/stint/internal/weight"
)

// scopes is who may see what, as a model: whose each job is and who was given what of it.
type scopes struct {
	t      *testing.T
	s      *store.Store
	path   string
	owner  map[job.ID]string
	state  map[job.ID]jobsv1.State
	shared map[job.ID]map[string][]jobsv1.ShareRight
	last   job.ID
}

func TestNoReadAnswersAJobOutsideOfItsScope(t *testing.T) {
	dir, run := t.TempDir(), 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		m := &scopes{
			t: t, path: filepath.Join(dir, strconv.Itoa(run)), owner: make(map[job.ID]string),
			state: make(map[job.ID]jobsv1.State), shared: make(map[job.ID]map[string][]jobsv1.ShareRight),
		}
		m.open()
		defer func() { storetest.Close(t, m.s, m.path) }()
		rt.Repeat(map[string]func(*rapid.T){
			"submit":  m.submit,
			"share":   m.share,
			"unshare": m.unshare,
			"move":    m.move,
			"delete":  m.delete,
			"reopen":  func(*rapid.T) { storetest.Close(t, m.s, m.path); m.open() },
			"":        m.readAll,
		})
	})
}

func (m *scopes) open() {
	s, err := store.Open(store.Config{Path: m.path}.WithRing(ringOfModel).WithoutSync())
	if err != nil {
		m.t.Fatal(err)
	}
	m.s = s
}

func (m *scopes) submit(t *rapid.T) {
	owner := rapid.SampledFrom(owners).Draw(t, "owner")
	got, _, err := m.s.Submit(context.Background(), []*jobsv1.Job{newJob("A", "a")}, store.SubmitOptions{Owner: owner})
	if err != nil {
		t.Fatal(err)
	}
	m.last = idOf(t, got[0])
	m.owner[m.last], m.state[m.last] = owner, queued
}

// anyID is the id of a job that is there, was, or is not yet.
func (m *scopes) anyID(t *rapid.T) job.ID {
	return job.ID(rapid.Uint64Range(1, uint64(m.last)+1).Draw(t, "id"))
}

func (m *scopes) share(t *rapid.T) {
	id, by, user := m.anyID(t), rapid.SampledFrom(owners).Draw(t, "by"), rapid.SampledFrom(owners).Draw(t, "user")
	rights := rapid.SliceOfN(rapid.SampledFrom([]jobsv1.ShareRight{history, logs, results, rerun}), 1, 3).Draw(t, "rights")
	_, err := m.s.Share(context.Background(), store.OwnedBy(by), id, &jobsv1.Share{User: user, Rights: rights})
	if may := m.owner[id] == by && user != by; may != (err == nil) {
		t.Fatalf("%s shares job %s with %s: %v", by, id, user, err)
	}
	if err != nil {
		return
	}
	if m.shared[id] == nil {
		m.shared[id] = make(map[string][]jobsv1.ShareRight)
	}
	m.shared[id][user] = append(rights, history)
}

func (m *scopes) unshare(t *rapid.T) {
	id, by, user := m.anyID(t), rapid.SampledFrom(owners).Draw(t, "by"), rapid.SampledFrom(owners).Draw(t, "user")
	err := m.s.Unshare(context.Background(), store.OwnedBy(by), id, user)
	if (m.owner[id] == by) != (err == nil) {
		t.Fatalf("%s takes job %s back from %s: %v", by, id, user, err)
	}
	if err == nil {
		delete(m.shared[id], user)
	}
}

func (m *scopes) move(t *rapid.T) {
	id, to := m.anyID(t), rapid.SampledFrom([]jobsv1.State{queued, running, completed}).Draw(t, "state")
	by := rapid.SampledFrom(owners).Draw(t, "by")
	right := rapid.SampledFrom([]jobsv1.ShareRight{0, history, rerun}).Draw(t, "right")
	j, err := m.s.Update(context.Background(), store.OwnedBy(by).With(right), id, func(r *storev1.Record) error {
		if !job.Legal(r.GetJob().GetState(), to) {
			return store.ErrUnchanged
		}
		r.Job.State = to
		return nil
	})
	if (m.owner[id] == by) != (err == nil) || err != nil && !errors.Is(err, job.ErrNotFound) {
		t.Fatalf("%s changes job %s of %s: %v", by, id, m.owner[id], err)
	}
	if err == nil {
		m.state[id] = j.GetState()
	}
}

func (m *scopes) delete(t *rapid.T) {
	id := m.anyID(t)
	if m.state[id] != completed {
		t.Skip("not final")
	}
	if _, err := m.s.Delete(context.Background(), id); err != nil {
		t.Fatal(err)
	}
	delete(m.owner, id)
	delete(m.state, id)
	delete(m.shared, id)
}

// sees is what must hold.
func (m *scopes) sees(scope store.Scope, id job.ID) bool {
	owner, there := m.owner[id]
	return there && (scope.All || owner == scope.Owner || slices.Contains(m.shared[id][scope.Owner], scope.Right))
}

// readAll asks every read for every job in every scope.
func (m *scopes) readAll(t *rapid.T) {
	all := []store.Scope{store.Everyone, {}, {Right: history}}
	for _, user := range append(slices.Clone(owners), "nobody") {
		for right := range jobsv1.ShareRight_name {
			all = append(all, store.OwnedBy(user).With(jobsv1.ShareRight(right)))
		}
	}
	for _, scope := range all {
		m.readByID(t, scope)
		m.readLists(t, scope)
		m.readQueue(t, scope)
	}
	for _, user := range owners {
		m.readShares(t, user)
	}
}

func (m *scopes) readByID(t *rapid.T, scope store.Scope) {
	var ids, want, missing []job.ID
	for id := job.ID(1); id <= m.last+1; id++ {
		ids = append(ids, id)
		if m.sees(scope, id) {
			want = append(want, id)
		} else {
			missing = append(missing, id)
		}
		_, errGet := m.s.Get(scope, id)
		_, errRecord := m.s.Record(scope, id)
		for what, err := range map[string]error{"Get": errGet, "Record": errRecord} {
			if m.sees(scope, id) != (err == nil) || err != nil && !errors.Is(err, job.ErrNotFound) {
				t.Fatalf("%s of job %s in %v: %v", what, id, scope, err)
			}
		}
		if m.s.Sees(scope, id) != m.sees(scope, id) {
			t.Fatalf("Sees of job %s in %v", id, scope)
		}
		_, _, err := m.s.Shares(scope, id, "", 10)
		if owner := m.owner[id]; (owner != "" && (scope.All || owner == scope.Owner)) != (err == nil) {
			t.Fatalf("Shares of job %s in %v: %v", id, scope, err)
		}
	}
	got, gone, err := m.s.GetMany(scope, ids, 0, weight.Bound{})
	if err != nil || !slices.Equal(idsOf(t, got), want) || !slices.Equal(gone, missing) {
		t.Fatalf("GetMany in %v: %v, %v", scope, idsOf(t, got), err)
	}
	changes, err := m.s.Changes(store.Watch{Scope: scope, IDs: ids}, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range changes.List {
		if c.Job != nil && !m.sees(scope, c.ID) {
			t.Fatalf("a change of job %s in %v", c.ID, scope)
		}
	}
}

func (m *scopes) readLists(t *rapid.T, scope store.Scope) {
	var want []job.ID
	for id := m.last; id > 0; id-- {
		if owner := m.owner[id]; owner != "" && (scope.All || owner == scope.Owner) { // what is shared is not in lists
			want = append(want, id)
		}
	}
	page, err := m.s.Page(context.Background(), store.Query{Scope: scope, Limit: 1000})
	if err != nil || !slices.Equal(idsOf(t, page.Jobs), want) || page.Total != int64(len(want)) {
		t.Fatalf("Page in %v: %v of %d, %v", scope, idsOf(t, page.Jobs), page.Total, err)
	}
	counts := m.s.Summarize(scope).GetTotal()
	if n := counts.GetQueued() + counts.GetRunning() + counts.GetCompleted(); n != int64(len(want)) {
		t.Fatalf("Summarize in %v counts %d", scope, n)
	}
	changes, err := m.s.Changes(store.Watch{Scope: scope}, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range changes.List {
		if c.Job != nil && !slices.Contains(want, c.ID) {
			t.Fatalf("a change of job %s among all in %v", c.ID, scope)
		}
	}
}

func (m *scopes) readQueue(t *rapid.T, scope store.Scope) {
	page, err := m.s.Queue(store.QueueQuery{Scope: scope, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	row := 0
	for id := job.ID(1); id <= m.last; id++ {
		if m.state[id] != queued && m.state[id] != running {
			continue
		}
		if row == len(page.Rows) {
			t.Fatalf("the queue ends before job %s", id)
		}
		r := page.Rows[row]
		if row++; r.GetMasked() == m.sees(scope, id) || r.GetMasked() != (r.GetId() == "") || !r.GetMasked() && r.GetId() != id.String() {
			t.Fatalf("row of job %s in %v: %v", id, scope, r)
		}
		if r.GetMasked() && r.GetOwner()+r.GetService()+r.GetOutputName()+r.GetExecutor() != "" {
			t.Fatalf("masked row %v", r)
		}
	}
	if row != len(page.Rows) || page.Queued+page.Running != int64(row) {
		t.Fatalf("%d rows of %d + %d, want %d", len(page.Rows), page.Queued, page.Running, row)
	}
}

func (m *scopes) readShares(t *rapid.T, user string) {
	list, _, err := m.s.SharedWith(user, store.SharePosition{}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, users := range m.shared {
		if users[user] != nil {
			n++
		}
	}
	for _, sh := range list {
		id := idOf(t, sh.GetJob())
		if !same(sh.GetRights(), m.shared[id][user]) || sh.GetJob().GetOwner() != m.owner[id] {
			t.Fatalf("%s was given %v, want %v", user, sh, m.shared[id][user])
		}
	}
	if len(list) != n {
		t.Fatalf("%s was given %d jobs, want %d", user, len(list), n)
	}
}

func idsOf(t *rapid.T, jobs []*jobsv1.Job) []job.ID {
	var ids []job.ID
	for _, j := range jobs {
		ids = append(ids, idOf(t, j))
	}
	return ids
}
