package index

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

var everyone = Scope{All: true}

// model drives an index and knows what must be in it.
type model struct {
	ix       *Index
	jobs     map[job.ID]*storev1.Header
	shared   map[job.ID]map[string]Share
	revision uint64
	purged   uint64
	next     job.ID
	commit   Commit // what is not applied yet
}

func newModel(cfg Config) *model {
	return &model{ix: New(cfg), jobs: make(map[job.ID]*storev1.Header), shared: make(map[job.ID]map[string]Share), next: 1}
}

// apply applies what was collected.
func (m *model) apply() error {
	m.commit.setCounters(m.revision, m.purged)
	_, err := m.ix.Apply(&m.commit)
	m.commit = Commit{}
	return err
}

// add collects a new job, with its id, revision and time of submission.
func (m *model) add(h *storev1.Header) job.ID {
	id := m.next
	m.next++
	m.revision++
	h.Revision, h.SubmitTimeNs = m.revision, int64(id)
	m.jobs[id] = h
	m.commit.putJob(id, proto.CloneOf(h))
	return id
}

// move collects a change of a job.
func (m *model) move(id job.ID, fn func(*storev1.Header)) {
	m.revision++
	h := proto.CloneOf(m.jobs[id])
	fn(h)
	h.Revision = m.revision
	m.jobs[id] = h
	m.commit.putJob(id, h)
}

// remove collects a deletion, as the store does it: the job first, then its shares.
func (m *model) remove(id job.ID) {
	m.revision++
	m.purged = m.revision
	m.commit.deleteJob(id)
	for user := range m.shared[id] {
		m.commit.deleteShare(id, user)
	}
	delete(m.jobs, id)
	delete(m.shared, id)
}

func (m *model) ids() []job.ID {
	ids := make([]job.ID, 0, len(m.jobs))
	for id := range m.jobs {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// fresh returns an index that is filled with what must be there.
func (m *model) fresh() *Index {
	ix := New(m.ix.cfg)
	for _, id := range m.ids() {
		if err := ix.Add(id, m.jobs[id]); err != nil {
			panic(err)
		}
	}
	for id, users := range m.shared {
		for user, sh := range users {
			ix.AddShare(id, user, &sh)
		}
	}
	ix.Start(m.revision, m.purged)
	return ix
}

// differences returns where the index is not as one that is filled anew.
func (m *model) differences() string { return gocmp.Diff(m.fresh().Facts(), m.ix.Facts()) }

func (c *Commit) putJob(id job.ID, h *storev1.Header) {
	c.Writes = append(c.Writes, Write{Job: id, Header: h})
}

func (c *Commit) deleteJob(id job.ID) { c.Writes = append(c.Writes, Write{Job: id}) }

func (c *Commit) putShare(id job.ID, user string, sh *Share) {
	c.Writes = append(c.Writes, Write{Job: id, User: user, Share: sh})
}

func (c *Commit) deleteShare(id job.ID, user string) { c.putShare(id, user, nil) }

func (c *Commit) setCounters(revision, purged uint64) {
	c.Revision, c.Purged, c.Counted = revision, purged, true
}

// check applies what was collected and compares the index with one that is filled anew.
func (m *model) check(t interface {
	Helper()
	Fatalf(format string, args ...any)
},
) {
	t.Helper()
	if err := m.apply(); err != nil {
		t.Fatalf("%v", err)
	}
	if d := m.differences(); d != "" {
		t.Fatalf("%v", d)
	}
	for id, h := range m.jobs {
		if h.GetRequestId() != "" && !slices.Contains(m.ix.FindRequest(h.GetOwner(), h.GetRequestId()), id) {
			t.Fatalf("the request of job %s is not found", id)
		}
	}
}

// question is a query and its Match as asked of a header.
type question struct {
	Query
	match func(*storev1.Header) bool
}

func (q *question) admits(h *storev1.Header) bool {
	return q.Scope.Includes(h.GetOwner()) && (q.Service == "" || q.Service == h.GetService()) &&
		(len(q.States) == 0 || slices.Contains(q.States, h.GetState())) && (q.match == nil || q.match(h))
}

// selected returns what a query must give, from the model.
func (m *model) selected(q *question, from job.ID, desc bool) []job.ID {
	var found []job.ID
	for _, id := range m.ids() {
		behind := from == 0 || (desc && id < from) || (!desc && id > from)
		if behind && q.admits(m.jobs[id]) {
			found = append(found, id)
		}
	}
	if desc {
		slices.Reverse(found)
	}
	return found
}

// randomModel is a model of many chunks.
type randomModel struct {
	*model
	rng *rand.Rand
}

func newRandomModel(seed uint64) *randomModel {
	return &randomModel{model: newModel(Config{RingSize: 1 << 10}), rng: rand.New(rand.NewPCG(seed, 1))}
}

func (m *randomModel) addRandom() {
	m.next += job.ID(m.rng.IntN(2) * m.rng.IntN(3)) // some ids are never given
	h := &storev1.Header{
		Owner: fmt.Sprint("owner", m.rng.IntN(3)*m.rng.IntN(20)), Service: fmt.Sprint("service", m.rng.IntN(70)*m.rng.IntN(3)),
		Executor: "local", OutputName: fmt.Sprint("name", m.rng.IntN(50)), OutputFolder: strings.Repeat("f", m.rng.IntN(300)),
		Priority: int32(m.rng.IntN(5)), State: jobsv1.State_STATE_QUEUED,
	}
	if m.rng.IntN(2) == 0 {
		h.Labels = []*storev1.Label{{Key: "a", Value: "1"}, {Key: "b", Value: strconv.Itoa(m.rng.IntN(4))}}
		h.RequestId = fmt.Sprint("r", m.next)
	}
	m.add(h)
}

func (m *randomModel) moveRandom(id job.ID) {
	m.move(id, func(h *storev1.Header) {
		h.State, h.Reason = jobsv1.State(1+m.rng.IntN(5)), jobsv1.Reason(m.rng.IntN(20))
		h.ExitCode = proto.Int32(int32(m.rng.IntN(3)))
		h.StartTimeNs, h.CompleteTimeNs = int64(m.rng.IntN(100)), int64(m.rng.IntN(100))
	})
}

func TestTheIndexOfManyChunksIsAsOneFilledAnew(t *testing.T) {
	m := newRandomModel(1)
	m.ix.cfg.SmallScan = -1
	states := []jobsv1.State{jobsv1.State_STATE_QUEUED, jobsv1.State_STATE_COMPLETED}
	odd := func(e *Entry) bool { return e.Priority()%2 == 1 || strings.HasSuffix(e.OutputName(), "7") }
	for step := range 5 {
		for range 1500 {
			m.addRandom()
		}
		m.check(t)
		q := Query{Scope: everyone, States: states, Match: odd, MatchKey: fmt.Sprint("odd", step), Limit: 5}
		if _, err := m.ix.Page(t.Context(), &q); err != nil || m.ix.Stats().Views != step+1 {
			t.Fatalf("%v, %d views", err, m.ix.Stats().Views)
		}
		ids := m.ids()
		for range 1500 {
			m.moveRandom(ids[m.rng.IntN(len(ids))])
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
}

// What retention leaves of many chunks takes the memory of what is left.
func TestMemoryOfDeletedJobsIsGivenBack(t *testing.T) {
	m := newRandomModel(4)
	for range 5000 {
		m.addRandom()
	}
	m.check(t)
	text := 0
	for _, id := range m.ids() {
		if id%50 != 0 {
			m.remove(id)
			continue
		}
		text += len(appendTexts(nil, m.jobs[id]))
	}
	m.check(t)
	slots, held := 0, 0
	for _, c := range m.ix.table.chunks {
		slots, held = slots+cap(c.slots), held+c.text.Len()
	}
	if slots > 3*len(m.jobs) || held > 2*text {
		t.Errorf("room for %d jobs with %d bytes of text, for %d with %d", slots, held, len(m.jobs), text)
	}
	for _, id := range m.ids() {
		m.remove(id)
	}
	if m.check(t); len(m.ix.table.chunks) > 0 {
		t.Errorf("%d chunks without a job", len(m.ix.table.chunks))
	}
}

func TestScansAndPagesHaveWhatIsAskedForInOrder(t *testing.T) {
	m := newRandomModel(2)
	for range 5000 {
		m.addRandom()
	}
	ids := m.ids()
	for range 4000 {
		m.moveRandom(ids[m.rng.IntN(len(ids))])
	}
	for range 2000 {
		if id := ids[m.rng.IntN(len(ids))]; m.jobs[id] != nil {
			m.remove(id)
		}
	}
	m.check(t)
	for range 150 {
		q := m.randomQuery()
		var got []job.ID
		m.ix.Scan(q.Query, func(e *Entry) bool {
			got = append(got, e.ID())
			return true
		})
		if want := m.selected(&q, 0, false); !slices.Equal(got, want) {
			t.Fatalf("%+v: a scan has %d jobs, want %d", q.Query, len(got), len(want))
		}
		desc := m.rng.IntN(2) == 0
		q.Order, q.Limit = []Order{{ByID, desc}}, 1+m.rng.IntN(3000)
		if m.rng.IntN(2) == 0 {
			q.After = normalOrder(q.Order).cursorBehind(job.ID(1 + m.rng.IntN(int(m.next)+10)))
		}
		page, err := m.ix.Page(t.Context(), &q.Query)
		if err != nil {
			t.Fatal(err)
		}
		want := m.selected(&q, 0, desc)
		all := len(want)
		if q.After != nil {
			want = m.selected(&q, normalOrder(q.Order).idOf(q.After), desc)
		}
		got = nil
		for _, r := range page.Rows {
			got = append(got, r.ID)
		}
		if !slices.Equal(got, want[:min(q.Limit, len(want))]) || page.Total != int64(all) || (page.Next == nil) != (len(want) <= q.Limit) {
			t.Fatalf("%+v: a page has %d jobs of %d, want %d of %d, more: %v", q.Query, len(got), page.Total, len(want), all, page.Next != nil)
		}
		// By time most jobs are looked at without a copy.
		q.Order, q.After, q.Limit = []Order{{ByCompleteTime, desc}}, nil, 100+m.rng.IntN(900)
		if page, err := m.ix.Page(t.Context(), &q.Query); err != nil || page.Total != int64(all) {
			t.Fatalf("%+v: a page by end has %d jobs in all, want %d; %v", q.Query, page.Total, all, err)
		}
		if want = m.byCompleteTime(m.selected(&q, 0, false)); desc {
			slices.Reverse(want)
		}
		if got, err := m.page(t.Context(), q.Query); err != nil || !slices.Equal(got, want) {
			t.Fatalf("%+v: pages by end have %d jobs, want %d; %v", q.Query, len(got), len(want), err)
		}
	}
}

func (m *randomModel) randomQuery() question {
	q := question{Query: Query{Scope: everyone}}
	if m.rng.IntN(2) == 0 {
		q.Scope = Scope{Owner: fmt.Sprint("owner", m.rng.IntN(3)*m.rng.IntN(20))}
	}
	if m.rng.IntN(2) == 0 {
		q.Service = fmt.Sprint("service", m.rng.IntN(70))
	}
	for range m.rng.IntN(3) {
		q.States = append(q.States, jobsv1.State(1+m.rng.IntN(5)))
	}
	if m.rng.IntN(3) == 0 {
		q.Match = func(e *Entry) bool { return e.CompleteTime() > 50 }
		q.match = func(h *storev1.Header) bool { return h.GetCompleteTimeNs() > 50 }
	}
	return q
}

func TestARecordIsJudgedAsTheIndexWould(t *testing.T) {
	m := newRandomModel(3)
	for range 40 {
		m.addRandom()
	}
	for _, id := range m.ids() {
		m.moveRandom(id)
	}
	m.check(t)
	for range 30 {
		q := m.randomQuery()
		q.Scope = everyone
		for id, h := range m.jobs {
			if q.Admits(id, h) != q.admits(h) {
				t.Fatalf("%+v: job %s is judged otherwise by its record", q.Query, id)
			}
		}
	}
}

// The jobs of a request are found in the order of ids, whichever of them goes first.
func TestJobsOfARequestAreFound(t *testing.T) {
	const hash, other = 7, 8
	for _, c := range []struct {
		remove, want []job.ID
	}{
		{nil, []job.ID{1, 2, 3, 4}},
		{[]job.ID{1}, []job.ID{2, 3, 4}},
		{[]job.ID{3}, []job.ID{1, 2, 4}},
		{[]job.ID{4}, []job.ID{1, 2, 3}},
		{[]job.ID{1, 2}, []job.ID{3, 4}},
		{[]job.ID{2, 1, 4}, []job.ID{3}},
		{[]job.ID{4, 3, 2, 1}, nil},
		{[]job.ID{9}, []job.ID{1, 2, 3, 4}},
	} {
		r := New(Config{}).requests
		for id := range job.ID(4) {
			r.add(hash, id+1)
		}
		r.add(other, 5)
		for _, id := range c.remove {
			r.remove(hash, id)
		}
		if got := r.find(hash); !slices.Equal(got, c.want) {
			t.Errorf("without %v: found %v, want %v", c.remove, got, c.want)
		}
		if n := r.jobs(); n != len(c.want)+1 {
			t.Errorf("without %v: it knows %d jobs", c.remove, n)
		}
		if got := r.find(other); !slices.Equal(got, []job.ID{5}) {
			t.Errorf("without %v: the other request has %v", c.remove, got)
		}
	}
}

func TestACommitThatDoesNotFollowIsRefused(t *testing.T) {
	header := func(revision uint64) *storev1.Header {
		return &storev1.Header{Owner: "ada", Service: "A", State: jobsv1.State_STATE_QUEUED, Revision: revision}
	}
	other := header(3)
	other.Owner = "bob"
	for what, fill := range map[string]func(*Commit){
		"a job that is not there is deleted": func(c *Commit) { c.deleteJob(7) },
		"a revision comes again":             func(c *Commit) { c.putJob(5, header(2)) },
		"an id comes late":                   func(c *Commit) { c.putJob(4, header(3)) },
		"another owner":                      func(c *Commit) { c.putJob(5, other) },
		"the counters go back":               func(c *Commit) { c.setCounters(1, 0) },
		"a deletion that was not":            func(c *Commit) { c.setCounters(3, 4) },
	} {
		ix := New(Config{})
		var c Commit
		c.putJob(3, header(1))
		c.putJob(5, header(2))
		c.setCounters(2, 0)
		if _, err := ix.Apply(&c); err != nil {
			t.Fatal(err)
		}
		c = Commit{}
		fill(&c)
		if _, err := ix.Apply(&c); err == nil {
			t.Errorf("%s: it was applied", what)
		}
	}
}

func TestApplySaysWhoIsToBeTold(t *testing.T) {
	m := newModel(Config{})
	first := m.add(&storev1.Header{Owner: "ada", State: jobsv1.State_STATE_COMPLETED})
	second := m.add(&storev1.Header{Owner: "bob", State: jobsv1.State_STATE_QUEUED})
	m.remove(first)
	m.commit.putShare(second, "eve", &Share{Rights: 2, Time: 7})
	got, err := m.ix.Apply(&m.commit)
	want := Applied{Jobs: []ChangedJob{{first, "ada"}, {second, "bob"}, {first, "ada"}}, Shares: []job.ID{second}}
	if diff := gocmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}

// A store that was restored from a copy begins far above what was given out before.
func TestAfterSkippedRevisionsNothingBeforeIsCertain(t *testing.T) {
	m := newModel(Config{RingSize: 8})
	id := m.add(&storev1.Header{Owner: "ada", State: jobsv1.State_STATE_QUEUED})
	m.check(t)
	m.revision += 1000
	m.move(id, func(h *storev1.Header) { h.State = jobsv1.State_STATE_RUNNING })
	m.check(t)
	if _, ok := m.ix.RecentChanges(everyone, 1, 10); ok {
		t.Error("the changes across the gap are told from the ring")
	}
	if c := m.ix.Changes(everyone, 1, 10); !slices.Equal(c.IDs, []job.ID{id}) || c.UpTo != 1002 || c.Reset {
		t.Errorf("%+v", c)
	}
	if c, ok := m.ix.RecentChanges(everyone, 1001, 10); !ok || !slices.Equal(c.IDs, []job.ID{id}) {
		t.Errorf("%+v %v", c, ok)
	}
	m.revision += 1000
	m.check(t)
	if now, unchanged := m.ix.Unchanged(everyone, 2002); now != 2002 || !unchanged {
		t.Errorf("at %d, unchanged %v", now, unchanged)
	}
}

func TestTheFactsTellAnyDifference(t *testing.T) {
	for what, change := range map[string]func(*model){
		"state":    func(m *model) { m.jobs[1].State = jobsv1.State_STATE_RUNNING },
		"name":     func(m *model) { m.jobs[1].OutputName = "other" },
		"label":    func(m *model) { m.jobs[1].Labels[0].Value = "other" },
		"request":  func(m *model) { m.jobs[1].RequestId = "other" },
		"exit":     func(m *model) { m.jobs[1].ExitCode = proto.Int32(0) },
		"revision": func(m *model) { m.revision++ },
		"purged":   func(m *model) { m.purged++ },
		"gone":     func(m *model) { delete(m.jobs, 1) },
		"share":    func(m *model) { m.shared[1] = map[string]Share{"eve": {Rights: 2, Time: 1}} },
	} {
		m := newModel(Config{})
		m.add(&storev1.Header{
			Owner: "ada", Service: "A", State: jobsv1.State_STATE_QUEUED, RequestId: "r", OutputName: "n",
			Labels: []*storev1.Label{{Key: "k", Value: "v"}},
		})
		m.add(&storev1.Header{Owner: "bob", Service: "A", State: jobsv1.State_STATE_QUEUED})
		m.check(t)
		change(m)
		if m.differences() == "" {
			t.Errorf("%s: no difference", what)
		}
	}
}

// The place of a job in an order compares as the fields of the order do, whatever is in them.
func FuzzOrder(f *testing.F) {
	f.Add("", "a", int64(0), int64(-1), uint64(1), uint64(2), byte(1))
	f.Add("a\x00", "a\x00\x00", int64(5), int64(5), uint64(7), uint64(7), byte(255))
	f.Add("a\x00b", "a", int64(1<<62), int64(-1<<63), uint64(1<<63), uint64(2), byte(6))
	f.Fuzz(func(t *testing.T, aText, bText string, aTime, bTime int64, aID, bID uint64, desc byte) {
		entry := func(text string, at int64, id uint64) Entry {
			return Entry{
				slot: slot{id: job.ID(id), start: at, complete: -at, state: uint8(id % stateCount)}, service: text,
				texts: texts(appendTexts(nil, &storev1.Header{OutputName: text})),
			}
		}
		a, b := entry(aText, aTime, aID), entry(bText, bTime, bID)
		for bit, field := range map[byte]struct {
			Field
			compared int
		}{
			1:  {ByStartTime, cmp.Compare(a.start, b.start)},
			2:  {ByCompleteTime, cmp.Compare(a.complete, b.complete)},
			4:  {ByService, cmp.Compare(aText, bText)},
			8:  {ByState, cmp.Compare(a.state, b.state)},
			16: {ByOutputName, cmp.Compare(aText, bText)},
			32: {BySubmitTime, 0},
		} {
			o := normalOrder([]Order{{field.Field, desc&bit != 0}})
			want := cmp.Or(field.compared, cmp.Compare(aID, bID))
			if desc&bit != 0 {
				want = -want
			}
			if got := bytes.Compare(o.appendKey(nil, &a), o.appendKey(nil, &b)); got != want {
				t.Errorf("%v: %v and %v compare as %d, want %d", o, a, b, got, want)
			}
			c := Cursor{o.appendKey(nil, &a)}
			if got := o.idOf(&c); got != a.id || !o.fits(&c) {
				t.Errorf("%v: the cursor is behind job %d, want %d", o, got, a.id)
			}
		}
	})
}

func TestACursorOfAnotherOrderIsRefused(t *testing.T) {
	orders := [][]Order{
		nil, {{ByID, false}}, {{ByState, false}}, {{ByState, true}}, {{ByService, true}}, {{ByState, false}, {ByService, true}}, {{ByStartTime, true}},
	}
	for i, of := range orders {
		for k, asked := range orders {
			c := normalOrder(of).cursorBehind(7)
			q := Query{Scope: everyone, Order: asked, After: c, Limit: 1}
			if _, err := New(Config{}).Page(t.Context(), &q); (err == nil) != (i == k) {
				t.Errorf("a cursor of %v in the order %v: %v", of, asked, err)
			}
			for n := range c.key {
				if cut := (&Cursor{c.key[:n]}); normalOrder(asked).fits(cut) && n < len(asked)+1+idSize {
					t.Errorf("%d bytes of a cursor fit %v", n, asked)
				}
			}
		}
	}
}

// BenchmarkApply is the index's part of one change of one job.
func BenchmarkApply(b *testing.B) {
	m := newModel(Config{})
	const jobs = 100_000
	for n := range jobs {
		m.add(&storev1.Header{Owner: "ada", Service: "A", OutputName: fmt.Sprint("name", n), State: jobsv1.State_STATE_QUEUED})
	}
	if err := m.apply(); err != nil {
		b.Fatal(err)
	}
	h := proto.CloneOf(m.jobs[1])
	var c Commit
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		m.revision++
		h.Revision = m.revision
		c = Commit{}
		c.putJob(job.ID(n%jobs+1), h)
		if _, err := m.ix.Apply(&c); err != nil {
			b.Fatal(err)
		}
	}
}

// page returns the ids of all pages of a query.
func (m *model) page(ctx context.Context, q Query) ([]job.ID, error) {
	var ids []job.ID
	for {
		p, err := m.ix.Page(ctx, &q)
		if err != nil {
			return nil, err
		}
		for _, r := range p.Rows {
			ids = append(ids, r.ID)
		}
		if q.After = p.Next; p.Next == nil {
			return ids, nil
		}
	}
}

// byCompleteTime sorts as the order ByCompleteTime does.
func (m *model) byCompleteTime(ids []job.ID) []job.ID {
	slices.SortFunc(ids, func(a, b job.ID) int {
		return cmp.Or(cmp.Compare(m.jobs[a].GetCompleteTimeNs(), m.jobs[b].GetCompleteTimeNs()), cmp.Compare(a, b))
	})
	return ids
}
