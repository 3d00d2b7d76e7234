package store_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/store/storetest"
)

// ringOfModel is small, so that watchers fall behind it.
const ringOfModel = 16

// model is what a store should be: maps, and everything that ever happened.
type model struct {
	t        *testing.T
	path     string
	views    bool
	s        *store.Store
	now      time.Time
	jobs     map[job.ID]*jobsv1.Job // as last answered, in full
	requests map[string][]job.ID    // by owner and request id
	events   []event                // in the order of revisions
	revision uint64
	purged   uint64
	opened   uint64 // revision at the last open
	watchers []*watcher
}

// event is one revision.
type event struct {
	revision  uint64
	id        job.ID
	owner     string
	state     jobsv1.State
	reason    jobsv1.Reason
	inHistory bool
	removed   bool
}

// watcher resumes from where it is.
type watcher struct {
	watch store.Watch
	after uint64
}

func (m *model) open() {
	cfg := store.Config{Path: m.path, Now: func() time.Time { return m.now }}.WithRing(ringOfModel).WithoutSync()
	if m.views {
		cfg = cfg.WithViews()
	}
	s, err := store.Open(cfg)
	if err != nil {
		m.t.Fatal(err)
	}
	m.s, m.opened = s, m.revision
}

func (m *model) close() { storetest.Close(m.t, m.s, m.path) }

// ids are the jobs that are there, ascending.
func (m *model) ids(keep func(*jobsv1.Job) bool) []job.ID {
	var ids []job.ID
	for id, j := range m.jobs {
		if keep == nil || keep(j) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

var (
	owners   = []string{"ada", "bob", "cyd"}
	services = []string{"Assembly", "BLAST", "Date"}
)

func TestTheStoreIsAsItsModel(t *testing.T) {
	dir, run := t.TempDir(), 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		m := &model{
			t: t, path: filepath.Join(dir, strconv.Itoa(run)), now: time.Unix(1_700_000_000, 0),
			views: rapid.Bool().Draw(rt, "views"),
			jobs:  make(map[job.ID]*jobsv1.Job), requests: make(map[string][]job.ID),
		}
		for _, scope := range []store.Scope{store.Everyone, store.OwnedBy("ada"), store.OwnedBy("nobody")} {
			m.watchers = append(m.watchers, &watcher{watch: store.Watch{Scope: scope}})
		}
		m.watchers = append(m.watchers, &watcher{watch: store.Watch{Scope: store.OwnedBy("bob"), IDs: []job.ID{1, 2, 3, 4, 5}}})
		m.open()
		defer m.close()
		rt.Repeat(map[string]func(*rapid.T){
			"submit":    m.submit,
			"again":     m.submitAgain,
			"transit":   m.transit,
			"progress":  m.progress,
			"many":      m.updateMany,
			"delete":    m.delete,
			"page":      m.page,
			"summarize": m.summarize,
			"follow":    m.follow,
			"reopen":    func(*rapid.T) { m.close(); m.open() },
			"":          m.compare,
		})
	})
}

func (m *model) submit(t *rapid.T) {
	m.now = m.now.Add(time.Duration(rapid.IntRange(-2, 5).Draw(t, "seconds")) * time.Second)
	owner := rapid.SampledFrom(owners).Draw(t, "owner")
	var jobs []*jobsv1.Job
	for range rapid.IntRange(1, 4).Draw(t, "jobs") {
		j := newJob(rapid.SampledFrom(services).Draw(t, "service"), rapid.SampledFrom([]string{"", "phage", "n1", "n2"}).Draw(t, "name"))
		j.Priority = int32(rapid.IntRange(-2, 2).Draw(t, "priority"))
		jobs = append(jobs, j)
	}
	request := ""
	if rapid.Bool().Draw(t, "idempotent") {
		request = "r" + strconv.Itoa(int(m.revision))
	}
	stored, again, err := m.s.Submit(context.Background(), jobs, store.SubmitOptions{Owner: owner, RequestID: request, RequestHash: []byte(request)})
	if err != nil || again {
		t.Fatal(again, err)
	}
	for _, j := range stored {
		id := idOf(t, j)
		m.jobs[id] = proto.CloneOf(j)
		m.note(t, j, true)
		if request != "" {
			m.requests[owner+" "+request] = append(m.requests[owner+" "+request], id)
		}
	}
}

// note takes the next revision from a job that was answered.
func (m *model) note(t *rapid.T, j *jobsv1.Job, inHistory bool) {
	m.revision++
	if j.GetRevision() != m.revision {
		t.Fatalf("job %s got revision %d, want %d", j.GetId(), j.GetRevision(), m.revision)
	}
	m.events = append(m.events, event{m.revision, idOf(t, j), j.GetOwner(), j.GetState(), j.GetReason(), inHistory, false})
}

func (m *model) submitAgain(t *rapid.T) {
	if len(m.requests) == 0 {
		t.Skip("no request yet")
	}
	var keys []string
	for k := range m.requests {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	key := rapid.SampledFrom(keys).Draw(t, "request")
	owner, request, _ := strings.Cut(key, " ")
	var want []*jobsv1.Job
	for _, id := range m.requests[key] {
		if j := m.jobs[id]; j != nil {
			want = append(want, j)
		}
	}
	got, again, err := m.s.Submit(context.Background(), []*jobsv1.Job{newJob("Date", "x")},
		store.SubmitOptions{Owner: owner, RequestID: request, RequestHash: []byte(request)})
	if len(want) == 0 && errors.Is(err, job.ErrRequestIDReused) { // all were deleted
		return
	}
	if err != nil || !again {
		t.Fatal(again, err)
	}
	if diff := gocmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Fatal(diff)
	}
}

func (m *model) transit(t *rapid.T) {
	ids := m.ids(func(j *jobsv1.Job) bool { return !job.Terminal(j.GetState()) })
	if len(ids) == 0 {
		t.Skip("nothing to move")
	}
	m.update(t, rapid.SampledFrom(ids).Draw(t, "id"), transition(t))
}

// transition draws a change of state.
func transition(t *rapid.T) func(*storev1.Record) error {
	to := job.Status{
		State:   rapid.SampledFrom(job.States).Draw(t, "state"),
		Reason:  jobsv1.Reason(rapid.IntRange(0, 2).Draw(t, "reason")),
		Message: rapid.SampledFrom([]string{"", "why"}).Draw(t, "message"),
		Time:    time.Unix(1_700_000_000+int64(rapid.IntRange(0, 100).Draw(t, "at")), 0),
	}
	code := rapid.Int32Range(-1, 3).Draw(t, "code")
	return func(r *storev1.Record) error {
		if _, err := job.Transition(r.GetJob(), to); err != nil {
			return err
		}
		if job.Terminal(to.State) && code >= 0 {
			r.Job.ExitCode = &code
		}
		return nil
	}
}

func (m *model) progress(t *rapid.T) {
	ids := m.ids(nil)
	if len(ids) == 0 {
		t.Skip("no job")
	}
	words := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "words")
	m.update(t, rapid.SampledFrom(ids).Draw(t, "id"), func(r *storev1.Record) error {
		r.Job.Progress = &jobsv1.Progress{Message: words}
		return nil
	})
}

func (m *model) update(t *rapid.T, id job.ID, fn func(*storev1.Record) error) {
	got, err := m.s.Update(context.Background(), store.Everyone, id, fn)
	if err != nil {
		t.Fatal(err)
	}
	m.took(t, id, got)
}

// took compares an answered update with the job before and notes it.
func (m *model) took(t *rapid.T, id job.ID, got *jobsv1.Job) {
	was := m.jobs[id]
	if got.GetRevision() == was.GetRevision() {
		if diff := gocmp.Diff(was, got, protocmp.Transform(), protocmp.IgnoreFields(was, "parameters")); diff != "" {
			t.Fatalf("changed without a revision:\n%s", diff)
		}
		return
	}
	moved := was.GetState() != got.GetState() || was.GetReason() != got.GetReason()
	m.note(t, got, moved)
	if grew := len(got.GetHistory()) - len(was.GetHistory()); grew != map[bool]int{true: 1}[moved] {
		t.Fatalf("history grew by %d", grew)
	}
	full := proto.CloneOf(got)
	full.Parameters = was.GetParameters()
	m.jobs[id] = full
}

func (m *model) updateMany(t *rapid.T) {
	ids := rapid.SliceOfN(rapid.Uint64Range(1, 12), 1, 5).Draw(t, "ids")
	scope := store.OwnedBy(rapid.SampledFrom(owners).Draw(t, "owner"))
	fn := transition(t)
	var list []job.ID
	for _, id := range ids {
		list = append(list, job.ID(id))
	}
	results, err := m.s.UpdateMany(context.Background(), scope, list, fn)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		j := m.jobs[list[i]]
		if j == nil || j.GetOwner() != scope.Owner {
			if !errors.Is(r.Err, job.ErrNotFound) {
				t.Fatalf("job %s: %v", list[i], r.Err)
			}
			continue
		}
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		m.took(t, list[i], r.Job)
	}
}

func (m *model) delete(t *rapid.T) {
	ids := m.ids(func(j *jobsv1.Job) bool { return job.Terminal(j.GetState()) })
	if len(ids) == 0 {
		t.Skip("nothing final")
	}
	list := rapid.SliceOfNDistinct(rapid.SampledFrom(ids), 1, 2, rapid.ID).Draw(t, "ids")
	got, err := m.s.Delete(context.Background(), list...)
	if err != nil || !slices.Equal(got, list) {
		t.Fatal(got, err)
	}
	for _, id := range list {
		m.revision++
		m.purged = m.revision
		m.events = append(m.events, event{revision: m.revision, id: id, owner: m.jobs[id].GetOwner(), removed: true})
		delete(m.jobs, id)
	}
}

// compare looks at one thing after each step that is cheap to look at.
func (m *model) compare(t *rapid.T) {
	if got := m.s.Revision(); got != m.revision {
		t.Fatalf("revision %d, want %d", got, m.revision)
	}
	if got := m.s.Stats().Jobs; got != len(m.jobs) {
		t.Fatalf("%d jobs, want %d", got, len(m.jobs))
	}
}

func (m *model) summarize(t *rapid.T) {
	for _, scope := range []store.Scope{store.Everyone, store.OwnedBy("ada"), store.OwnedBy("nobody")} {
		want := &jobsv1.Summary{Total: &jobsv1.StateCounts{}, Services: map[string]*jobsv1.StateCounts{}}
		for _, j := range m.jobs {
			if scope.All || j.GetOwner() == scope.Owner {
				count(want.GetTotal(), j)
				if want.Services[j.GetService()] == nil {
					want.Services[j.GetService()] = &jobsv1.StateCounts{}
				}
				count(want.Services[j.GetService()], j)
			}
		}
		got, revision := m.s.SummarizeAt(scope)
		if diff := gocmp.Diff(want, got, protocmp.Transform(), protocmp.IgnoreDefaultScalars()); diff != "" || revision != m.revision {
			t.Fatalf("%v at %d, want %d:\n%s", scope, revision, m.revision, diff)
		}
	}
}

func count(c *jobsv1.StateCounts, j *jobsv1.Job) {
	*map[jobsv1.State]*int64{queued: &c.Queued, running: &c.Running, completed: &c.Completed, failed: &c.Failed, cancelled: &c.Cancelled}[j.GetState()]++
}
