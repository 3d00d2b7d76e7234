package store

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// indexModel drives an index of many chunks and knows what must be in it.
type indexModel struct {
	rng      *rand.Rand
	ix       *index
	jobs     map[job.ID]*header
	revision uint64
	next     job.ID
}

func newIndexModel(seed uint64) *indexModel {
	m := &indexModel{
		rng: rand.New(rand.NewPCG(seed, 1)), jobs: make(map[job.ID]*header), next: 1,
		ix: &index{requests: newRequests()},
	}
	m.ix.ring.start(1<<10, 0)
	return m
}

func (m *indexModel) add() {
	m.revision++
	h := &header{
		id: m.next,
		origin: origin{
			owner: fmt.Sprint("owner", m.rng.IntN(3)*m.rng.IntN(20)), service: fmt.Sprint("service", m.rng.IntN(70)*m.rng.IntN(3)),
			executor: "local", name: fmt.Sprint("name", m.rng.IntN(50)), folder: strings.Repeat("f", m.rng.IntN(300)),
			priority: int32(m.rng.IntN(5)), submit: int64(m.next),
		},
		seen: seen{state: jobsv1.State_STATE_QUEUED, exit: noExit, revision: m.revision},
	}
	if m.rng.IntN(2) == 0 {
		h.labels = []label{{"a", "1"}, {"b", strconv.Itoa(m.rng.IntN(4))}}
		h.request = fmt.Sprint("r", m.next)
	}
	m.next += 1 + job.ID(m.rng.IntN(2)*m.rng.IntN(3)) // some ids are never given
	m.jobs[h.id] = h
	m.ix.apply(&change{id: h.id, created: true, origin: h.origin, seen: h.seen})
}

func (m *indexModel) move(id job.ID) {
	m.revision++
	h := m.jobs[id]
	h.seen = seen{
		state: jobsv1.State(1 + m.rng.IntN(5)), reason: jobsv1.Reason(m.rng.IntN(20)), exit: int32(m.rng.IntN(3)),
		start: int64(m.rng.IntN(100)), complete: int64(m.rng.IntN(100)), revision: m.revision,
	}
	m.ix.apply(&change{id: id, seen: h.seen})
}

func (m *indexModel) remove(id job.ID) {
	m.revision++
	m.ix.apply(&change{id: id, removed: true, origin: origin{request: m.jobs[id].request}, seen: seen{revision: m.revision}})
	delete(m.jobs, id)
}

func (m *indexModel) ids() []job.ID {
	ids := make([]job.ID, 0, len(m.jobs))
	for id := range m.jobs {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// fresh is an index made at once of what must be there.
func (m *indexModel) fresh() *index {
	ix := &index{requests: newRequests()}
	for _, id := range m.ids() {
		ix.add(m.jobs[id])
	}
	return ix
}

// check compares the index with one made at once.
func (m *indexModel) check(t *testing.T) {
	t.Helper()
	c := &checker{}
	fresh := m.fresh()
	c.entries(m.ix, fresh)
	c.counts("all", &m.ix.counts, &fresh.counts, m.ix, fresh)
	c.owners(m.ix, fresh)
	for _, v := range m.ix.views {
		if m.ix.usable(v) {
			c.view(m.ix, v)
		}
	}
	for _, p := range c.problems {
		t.Error(p)
	}
	for id, h := range m.jobs {
		if h.request != "" && !slices.Contains(m.ix.requests.find(h.owner, h.request), id) {
			t.Errorf("the request of job %s is not found", id)
		}
	}
}

func TestTheIndexOfManyChunksIsAsOneMadeAnew(t *testing.T) {
	m := newIndexModel(1)
	odd := func(e *Entry) bool { return e.Priority()%2 == 1 || strings.HasSuffix(e.OutputName(), "7") }
	for step := range 5 {
		for range 1500 {
			m.add()
		}
		p := plan{owner: anyOwner, service: anyService, states: 1<<1 | 1<<3, match: odd}
		m.ix.build(t.Context(), m.ix.addView(viewKey{match: fmt.Sprint("odd", step)}, p, testTime))
		ids := m.ids()
		for range 1500 {
			m.move(ids[m.rng.IntN(len(ids))])
		}
		if step == 0 {
			m.check(t)
		}
		m.rng.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
		for _, id := range ids[:len(ids)*step/7] {
			m.remove(id)
		}
		m.check(t)
	}
	used := 0
	for _, c := range m.ix.slab.chunks {
		used += c.used
	}
	if used > 4*m.ix.slab.jobs+2*chunkSize {
		t.Errorf("%d slots for %d jobs", used, m.ix.slab.jobs)
	}
}

func TestAWalkSeesWhatThePlanAdmitsInOrder(t *testing.T) {
	m := newIndexModel(2)
	for range 5000 {
		m.add()
	}
	ids := m.ids()
	for range 4000 {
		m.move(ids[m.rng.IntN(len(ids))])
	}
	for range 2000 {
		if id := ids[m.rng.IntN(len(ids))]; m.jobs[id] != nil {
			m.remove(id)
		}
	}
	for range 150 {
		q := Query{Scope: Everyone}
		if m.rng.IntN(2) == 0 {
			q.Scope = OwnedBy(fmt.Sprint("owner", m.rng.IntN(3)*m.rng.IntN(20)))
		}
		if m.rng.IntN(2) == 0 {
			q.Service = fmt.Sprint("service", m.rng.IntN(70))
		}
		for range m.rng.IntN(3) {
			q.States = append(q.States, jobsv1.State(1+m.rng.IntN(5)))
		}
		if m.rng.IntN(3) == 0 {
			q.Match = func(e *Entry) bool { return e.CompleteTime() > 50 }
		}
		p, ok := m.ix.plan(&q)
		var from job.ID
		if m.rng.IntN(2) == 0 {
			from = job.ID(m.rng.IntN(int(m.next) + 10))
		}
		desc := m.rng.IntN(2) == 0
		want := m.selected(&q, from, desc)
		if !ok {
			if len(want) > 0 {
				t.Fatalf("no plan for %+v", q)
			}
			continue
		}
		var got []job.ID
		w := walk{ix: m.ix, plan: &p, from: from, desc: desc, look: 1 + m.rng.IntN(3000)}
		for !w.done {
			w.run(func(e *Entry) bool { got = append(got, e.ID()); return true })
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%+v from %d desc %v: %d jobs, want %d", q, from, desc, len(got), len(want))
		}
		if n := m.ix.total(&p); from == 0 && n != int64(len(want)) {
			t.Fatalf("total %d, want %d", n, len(want))
		}
	}
}

// selected answers a walk from the model.
func (m *indexModel) selected(q *Query, from job.ID, desc bool) []job.ID {
	var found []job.ID
	for _, id := range m.ids() {
		h := m.jobs[id]
		behind := from == 0 || (desc && id < from) || (!desc && id > from)
		if behind && q.Scope.sees(h.owner) && (q.Service == "" || q.Service == h.service) &&
			(len(q.States) == 0 || slices.Contains(q.States, h.state)) && (q.Match == nil || q.Match(&Entry{h: h})) {
			found = append(found, id)
		}
	}
	if desc {
		slices.Reverse(found)
	}
	return found
}

func TestTwoRequestsOfOneHash(t *testing.T) {
	r := newRequests()
	r.byHash[r.hash("ada", "second")] = 1 // as if job 1 of another request had the same hash
	r.add("ada", "second", 2)
	if got := r.find("ada", "second"); !slices.Equal(got, []job.ID{1, 2}) {
		t.Errorf("found %v", got)
	}
	r.remove("ada", "second", 2)
	if got := r.find("ada", "second"); !slices.Equal(got, []job.ID{1}) || r.size() != 1 {
		t.Errorf("found %v of %d", got, r.size())
	}
}
