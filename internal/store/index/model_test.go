package index

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

var (
	ownerNames = []string{"ada", "bob", "eve"}
	history    = jobsv1.ShareRight_SHARE_RIGHT_HISTORY
)

// known is what a watcher learned so far by Changes.
type known struct {
	scope Scope
	after uint64
	jobs  map[job.ID]uint64 // by revision
}

// follow reads changes until there are no more, and compares what the watcher knows then with the model.
func (k *known) follow(t *rapid.T, m *model) {
	for {
		c := m.ix.Changes(k.scope, k.after, 3)
		if c.Reset { // it takes a snapshot
			k.jobs = make(map[job.ID]uint64)
			for id, h := range m.jobs {
				k.jobs[id] = h.GetRevision()
			}
		}
		for _, r := range c.Removed {
			delete(k.jobs, r.ID)
		}
		for _, id := range c.IDs {
			if h := m.jobs[id]; h != nil {
				k.jobs[id] = h.GetRevision()
			}
		}
		if k.after = c.UpTo; !c.More {
			break
		}
	}
	maps.DeleteFunc(k.jobs, func(id job.ID, _ uint64) bool { return m.jobs[id] != nil && !k.scope.Includes(m.jobs[id].GetOwner()) })
	for id, h := range m.jobs {
		if k.scope.Includes(h.GetOwner()) && k.jobs[id] != h.GetRevision() {
			t.Fatalf("%+v: job %s is known at revision %d and is at %d", k.scope, id, k.jobs[id], h.GetRevision())
		}
	}
	for id := range k.jobs {
		if m.jobs[id] == nil {
			t.Fatalf("%+v: job %s is known and gone", k.scope, id)
		}
	}
}

func TestTheIndexIsWhatTheRecordsSayAfterAnyHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := Config{RingSize: 16}
		if rapid.Bool().Draw(t, "keeps views") {
			cfg.SmallScan = -1
		}
		m := newModel(cfg)
		watchers := []*known{{scope: everyone}, {scope: Scope{Owner: "ada"}}}
		for _, k := range watchers {
			k.jobs = make(map[job.ID]uint64)
		}
		anyJob := func(t *rapid.T) job.ID {
			if len(m.jobs) == 0 {
				t.Skip("no job")
			}
			return rapid.SampledFrom(m.ids()).Draw(t, "job")
		}
		t.Repeat(map[string]func(*rapid.T){
			"add":    func(t *rapid.T) { drawJobs(t, m) },
			"move":   func(t *rapid.T) { drawMove(t, m, anyJob(t)) },
			"remove": func(t *rapid.T) { m.remove(anyJob(t)) },
			"share":  func(t *rapid.T) { drawShare(t, m, anyJob(t)) },
			"commit": func(t *rapid.T) { m.check(t) },
			"skip":   func(*rapid.T) { m.revision += 5 },
			"follow": func(t *rapid.T) {
				m.check(t)
				for _, k := range watchers {
					k.follow(t, m)
				}
			},
			"read": func(t *rapid.T) {
				m.check(t)
				m.readAll(t)
			},
		})
		m.check(t)
	})
}

func drawJobs(t *rapid.T, m *model) {
	owner := rapid.SampledFrom(ownerNames).Draw(t, "owner")
	for range rapid.IntRange(1, 3).Draw(t, "jobs") {
		h := &storev1.Header{
			Owner: owner, Service: rapid.SampledFrom([]string{"A", "B"}).Draw(t, "service"), Executor: "local",
			OutputName: rapid.StringN(0, 5, 10).Draw(t, "name"), State: jobsv1.State_STATE_QUEUED,
		}
		if rapid.Bool().Draw(t, "with a request") {
			h.RequestId = fmt.Sprint("r", m.next)
		}
		m.add(h)
	}
}

func drawMove(t *rapid.T, m *model, id job.ID) {
	m.move(id, func(h *storev1.Header) {
		h.State = jobsv1.State(rapid.IntRange(1, 5).Draw(t, "state"))
		h.CompleteTimeNs = int64(rapid.IntRange(0, 3).Draw(t, "time"))
		h.ExitCode = nil
		if rapid.Bool().Draw(t, "with a code") {
			h.ExitCode = proto.Int32(int32(rapid.IntRange(0, 2).Draw(t, "code")))
		}
	})
}

func drawShare(t *rapid.T, m *model, id job.ID) {
	user := rapid.SampledFrom(ownerNames).Draw(t, "user")
	if rapid.Bool().Draw(t, "taken back") {
		m.commit.deleteShare(id, user)
		delete(m.shared[id], user)
		return
	}
	sh := Share{Rights: RightsOf([]jobsv1.ShareRight{history}), Time: int64(rapid.IntRange(1, 9).Draw(t, "at"))}
	if m.shared[id] == nil {
		m.shared[id] = make(map[string]Share)
	}
	m.shared[id][user] = sh
	m.commit.putShare(id, user, &sh)
}

// readAll asks each question once and compares with the model.
func (m *model) readAll(t *rapid.T) {
	scope := everyone
	if owner := rapid.SampledFrom(ownerNames).Draw(t, "of"); rapid.Bool().Draw(t, "of one owner") {
		scope = Scope{Owner: owner}
	}
	q := question{Query: Query{Scope: scope, Limit: rapid.IntRange(1, 4).Draw(t, "limit")}}
	if rapid.Bool().Draw(t, "with a match") {
		q.Match = func(e *Entry) bool {
			c, ok := e.ExitCode()
			return ok && c > 0 || e.State() == jobsv1.State_STATE_QUEUED
		}
		q.match = func(h *storev1.Header) bool {
			return h.GetExitCode() > 0 || h.GetState() == jobsv1.State_STATE_QUEUED
		}
		q.MatchKey = rapid.SampledFrom([]string{"", "key"}).Draw(t, "key")
	}
	if got, err := m.page(context.Background(), q.Query); err != nil || !slices.Equal(got, m.selected(&q, 0, true)) {
		t.Fatalf("%v: pages have %v, want %v", err, got, m.selected(&q, 0, true))
	}
	want := m.byCompleteTime(m.selected(&q, 0, false))
	q.Order = []Order{{Field: ByCompleteTime}}
	if got, err := m.page(context.Background(), q.Query); err != nil || !slices.Equal(got, want) {
		t.Fatalf("%v: pages by end have %v, want %v", err, got, want)
	}
	m.readCounts(t, scope)
	m.readShares(t)
}

func (m *model) readCounts(t *rapid.T, scope Scope) {
	want := counters{services: make(map[uint32]*stateCounts)}
	var active []job.ID
	for _, id := range m.ids() {
		h := m.jobs[id]
		if h.GetState() <= jobsv1.State_STATE_RUNNING {
			active = append(active, id)
		}
		if scope.Includes(h.GetOwner()) {
			want.add(m.ix.services.numbers[h.GetService()], uint8(h.GetState()), 1)
		}
	}
	sum := &jobsv1.Summary{Total: want.total.message(), Services: want.byName(m.ix.services.names)}
	got, revision := m.ix.Summarize(scope)
	if diff := gocmp.Diff(sum, got, protocmp.Transform()); diff != "" || revision != m.revision {
		t.Fatalf("at %d, want %d: %s", revision, m.revision, diff)
	}
	var listed []job.ID
	for p := (ActivePage{}); ; {
		p = m.ix.Active(jobsv1.State_STATE_UNSPECIFIED, p.Next, 2)
		if listed = append(listed, p.IDs...); p.Next == 0 {
			break
		}
	}
	if !slices.Equal(listed, active) {
		t.Fatalf("active are %v, want %v", listed, active)
	}
}

func (m *model) readShares(t *rapid.T) {
	for _, user := range ownerNames {
		n := 0
		for id, h := range m.jobs {
			_, shared := m.shared[id][user]
			if shared {
				n++
			}
			scope := Scope{Owner: user}.With(history)
			if got := m.ix.Sees(scope, id); got != (shared || h.GetOwner() == user) {
				t.Fatalf("%s sees job %s: %v", user, id, got)
			}
		}
		var got []SharePosition
		for after := (&SharePosition{}); after != nil; {
			var list []SharePosition
			list, after = m.ix.SharedWith(user, *after, 2)
			got = append(got, list...)
		}
		if len(got) != n || !slices.IsSortedFunc(got, func(a, b SharePosition) int { return b.compare(a) }) {
			t.Fatalf("%s has shares %v, want %d newest first", user, got, n)
		}
	}
}
