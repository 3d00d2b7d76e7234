package store

import (
	"cmp"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/file"
	"github.com/stint-jobs/stint/internal/store/index"
	"github.com/stint-jobs/stint/internal/store/kv"
)

const (
	historySteps  = 200
	historiesFew  = 300
	historiesMany = 10_000 // with STINT_TEST_LONG
)

// A store that gets nothing but the bytes of each commit is the same, in its file and in memory, also where the commit
// was made while no server ran, and where it begins with a backup. Each history is a sequence of steps that its number
// alone decides; after each step that wrote both stores are asked the same questions.
func TestAFollowerIsEqual(t *testing.T) {
	n := historiesFew
	switch {
	case os.Getenv("STINT_TEST_LONG") != "":
		n = historiesMany
	case testing.Short():
		n = 40
	}
	var mu sync.Mutex
	counts := make(map[string]int)
	workers := runtime.GOMAXPROCS(0)
	t.Run("histories", func(t *testing.T) {
		for w := range workers {
			t.Run(strconv.Itoa(w), func(t *testing.T) {
				t.Parallel()
				for number := w; number < n && !t.Failed(); number += workers {
					if number/workers%500 == 499 {
						t.Logf("%d histories were equal", number/workers)
					}
					h := runHistory(t, uint64(number))
					mu.Lock()
					for name, count := range h.counts {
						counts[name] += count
					}
					mu.Unlock()
				}
			})
		}
	})
	t.Logf("%d histories of %d steps", n, historySteps)
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		t.Logf("%7d %s", counts[name], name)
	}
	for _, name := range slices.Concat(slices.Collect(maps.Keys(steps)), slices.Collect(maps.Keys(offlineSteps)), kindsOfWrites()) {
		if counts[name] == 0 {
			t.Errorf("%s has never written anything", name)
		}
	}
}

// kindsOfWrites returns what must be in some entry: each kind of write, and a put into each bucket.
func kindsOfWrites() (names []string) {
	for kind := kv.KindPut; kind <= kv.KindSequence; kind++ {
		names = append(names, kindName(kind))
	}
	for _, b := range file.Buckets {
		names = append(names, "put into "+b.Name)
	}
	return names
}

func kindName(k kv.Kind) string { return fmt.Sprint("kind of write ", k) }

// Every exported method of the store that hands an operation to the writer has a step in the histories.
func TestEveryKindOfWriteIsInTheHistories(t *testing.T) {
	writing := writingMethods(t)
	for name := range steps {
		if !writing[name] {
			t.Errorf("the step %s is of no method that writes", name)
		}
	}
	for name := range writing {
		// Check holds the writer and writes nothing, and Close stores the repeats of reads as FlushReads does.
		if steps[name] == nil && name != "Check" && name != "Close" {
			t.Errorf("no step calls %s", name)
		}
	}
	for name, called := range callsOf(t, filepath.Join("file", "*.go"), "") {
		if ast.IsExported(name) && (offlineSteps[name] == nil) == slices.Contains(called, "edit") {
			t.Errorf("%s changes a file offline: %v; it is a step: %v", name, slices.Contains(called, "edit"), offlineSteps[name] != nil)
		}
	}
	if err := kv.Replay([]byte{byte(kv.KindSequence) + 1, 1, 'b', 1, 'k'}, func(kv.Write) error { return nil }); !errors.Is(err, kv.ErrEntry) {
		t.Errorf("there is a kind of write behind KindSequence: %v", err)
	}
}

// writingMethods returns the exported methods of Store that call do, themselves or by another method.
func writingMethods(t *testing.T) map[string]bool {
	t.Helper()
	calls := callsOf(t, "*.go", "Store")
	writes := map[string]bool{"do": true, "doBytes": true, "write": true}
	for grown := true; grown; {
		grown = false
		for name, called := range calls {
			if !writes[name] && slices.ContainsFunc(called, func(c string) bool { return writes[c] }) {
				writes[name], grown = true, true
			}
		}
	}
	maps.DeleteFunc(writes, func(name string, _ bool) bool { return !ast.IsExported(name) })
	return writes
}

// callsOf returns what the functions of a type call, of its own methods and of functions without a receiver. An empty
// type are the functions without one.
func callsOf(t *testing.T, pattern, receiver string) map[string][]string {
	t.Helper()
	calls := make(map[string][]string)
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			of, self := receiverOf(fn)
			if of != receiver {
				continue
			}
			ast.Inspect(fn, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.SelectorExpr:
					if x, ok := n.X.(*ast.Ident); ok && self != "" && x.Name == self {
						calls[fn.Name.Name] = append(calls[fn.Name.Name], n.Sel.Name)
					}
				case *ast.CallExpr:
					if f, ok := n.Fun.(*ast.Ident); ok {
						calls[fn.Name.Name] = append(calls[fn.Name.Name], f.Name)
					}
				}
				return true
			})
		}
	}
	return calls
}

// receiverOf returns the type that a method is of, by pointer, and the name of its receiver.
func receiverOf(fn *ast.FuncDecl) (of, self string) {
	if fn.Recv == nil {
		return "", ""
	}
	of = "another"
	if star, ok := fn.Recv.List[0].Type.(*ast.StarExpr); ok {
		if x, ok := star.X.(*ast.Ident); ok {
			of = x.Name
		}
	}
	if len(fn.Recv.List[0].Names) > 0 {
		self = fn.Recv.List[0].Names[0].Name
	}
	return of, self
}

// history is a store, one that follows it, and what decides the steps.
type history struct {
	*testing.T

	number           uint64
	dir              string
	rng              *rand.Rand
	leader, follower *Store
	now              time.Time
	shared           []sharedWith
	counts           map[string]int
}

func runHistory(t *testing.T, number uint64) *history {
	t.Helper()
	h := &history{T: t, number: number, rng: rand.New(rand.NewPCG(number, 1)), now: time.Unix(1_700_000_000, 0), counts: make(map[string]int)}
	h.dir = t.TempDir()
	h.open()
	defer func() {
		if err := errors.Join(h.close(), os.RemoveAll(h.dir)); err != nil {
			t.Error(err)
		}
	}()
	reopenAt := h.rng.IntN(4 * historySteps)
	compared := uint64(0) // commits of the leader when both were asked last
	for n := range historySteps {
		if n == reopenAt {
			h.openAgain()
			compared = 0
		}
		names := h.step()
		if commits := h.leader.Stats().Commits; commits != compared {
			h.compareReads()
			compared = commits
		}
		if t.Failed() {
			t.Fatalf("history %d, step %d: %v", number, n, names)
		}
	}
	if h.compareAll(); t.Failed() {
		t.Fatalf("history %d", number)
	}
	return h
}

// open opens both stores. The follower's clock shows that it does not look at it.
func (h *history) open() {
	h.Helper()
	open := func(name string, now func() time.Time) *Store {
		s, err := Open(Config{
			Path: filepath.Join(h.dir, name), Now: now, kv: kv.Config{NoSync: true, FS: unsynced{}}, index: index.Config{RingSize: 32, SmallScan: -1},
			Retention: Retention{jobsv1.State_STATE_COMPLETED: {AtMost: 2}, jobsv1.State_STATE_FAILED: {For: time.Minute}},
		})
		if err != nil {
			h.Fatal(err)
		}
		return s
	}
	h.leader = open("leader.db", func() time.Time { return h.now })
	h.follower = open("follower.db", func() time.Time { return time.Unix(1, 0) })
	h.leader.committed = h.follow
}

// follow gives the follower a commit.
func (h *history) follow(entry []byte) {
	if err := h.follower.db.ApplyEntry(entry); err != nil {
		h.Errorf("history %d: the follower: %v", h.number, err)
	}
	if err := kv.Replay(entry, func(w kv.Write) error {
		h.counts[kindName(w.Kind)]++
		if w.Kind == kv.KindPut {
			h.counts["put into "+w.Bucket]++
		}
		return nil
	}); err != nil {
		h.Error(err)
	}
}

// openAgain closes both stores and opens them again. Meanwhile the leader's file may be changed, and the follower may
// be made anew from a backup, as one that joins late.
func (h *history) openAgain() {
	h.Helper()
	if err := h.leader.Close(); err != nil {
		h.Fatal(err)
	}
	path := h.leader.cfg.Path
	for _, name := range slices.Sorted(maps.Keys(offlineSteps)) {
		if h.one(3) {
			continue
		}
		if err := offlineSteps[name](h, path); err != nil {
			h.Fatalf("%s: %v", name, err)
		}
		h.counts[name]++
		if problems, err := h.follower.Check(h.Context()); err != nil || len(problems) > 0 {
			h.Fatalf("the follower after %s: %v, %v", name, problems, err)
		}
	}
	if err := h.follower.Close(); err != nil {
		h.Fatal(err)
	}
	if h.one(2) {
		h.joinLate(path)
	}
	h.open()
	h.compareAll()
	h.skipIDs()
	h.counts["both were opened again"]++
}

// joinLate puts a backup of the leader in the place of the follower's file.
func (h *history) joinLate(path string) {
	h.Helper()
	f, err := os.Create(h.follower.cfg.Path)
	if err != nil {
		h.Fatal(err)
	}
	_, err = file.Backup(path, f)
	if err := errors.Join(err, f.Close()); err != nil {
		h.Fatal(err)
	}
	h.counts["a follower joined late"]++
}

func (h *history) close() error { return errors.Join(h.leader.Close(), h.follower.Close()) }

// step does one thing, or several in one batch.
func (h *history) step() (names []string) {
	h.now = h.now.Add(time.Duration(h.rng.IntN(40)-8) * time.Second)
	if h.one(60) {
		h.now = h.now.Add(RequestLife / 2 * time.Duration(1+h.rng.IntN(2)))
	}
	n := 1
	if h.one(8) {
		n = 2 + h.rng.IntN(3)
	}
	if h.one(40) {
		h.leader.finishing.Store(new(func() error { return errRefused }))
		defer h.leader.finishing.Store(nil)
	}
	ops := make([]func() error, n)
	for i := range ops {
		name := stepNames[h.rng.IntN(len(stepNames))]
		names, ops[i] = append(names, name), steps[name](h)
	}
	before := h.leader.Stats().Commits
	errs := h.together(ops)
	if n == 1 && h.leader.Stats().Commits > before {
		h.counts[names[0]]++
	}
	if n > 1 {
		h.counts["several in one batch"]++
	}
	for i, err := range errs {
		switch {
		case err == nil:
		case errors.Is(err, job.ErrUnknown), errors.Is(err, job.ErrStorage), errors.Is(err, job.ErrUnavailable):
			h.Errorf("%s: %v", names[i], err)
		default:
			h.counts["refused"]++
		}
	}
	return names
}

var errRefused = errors.New("refused")

// together runs operations, and has several of them staged in one batch, in their order.
func (h *history) together(ops []func() error) []error {
	errs := make([]error, len(ops))
	if len(ops) == 1 {
		errs[0] = ops[0]()
		return errs
	}
	var running sync.WaitGroup
	begun, release := make(chan struct{}), make(chan struct{})
	running.Go(func() {
		_ = h.leader.do(h.Context(), 1, func(*batch) error {
			close(begun)
			<-release
			return nil
		})
	})
	<-begun
	for i, op := range ops {
		done, waiting := make(chan struct{}), h.leader.Stats().Waiting
		running.Go(func() {
			defer close(done)
			errs[i] = op()
		})
		for !isClosed(done) && h.leader.Stats().Waiting == waiting {
			runtime.Gosched()
		}
	}
	close(release)
	running.Wait()
	return errs
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// compareReads asks both stores the same questions: the first three always, the others every other time.
func (h *history) compareReads() {
	scope := h.scope()
	after := uint64(h.rng.Int64N(int64(h.leader.Revision() + 1)))
	limit := 1 + h.rng.IntN(8)
	watch := Watch{Scope: scope}
	if h.one(4) {
		watch.IDs = h.ids(5)
	}
	query := Query{Scope: scope, Limit: limit, View: jobsv1.JobView(h.rng.IntN(3))}
	if h.one(2) {
		query.States = []jobsv1.State{job.States[h.rng.IntN(len(job.States))]}
	}
	if h.one(2) {
		query.MatchKey, query.Match = "labelled", func(e *Entry) bool { _, ok := e.Label("n"); return ok }
	}
	if h.one(2) {
		query.Order = []Order{{Field: ByState}, {Field: BySubmitTime, Desc: true}}
	}
	state, user := jobsv1.State(h.rng.IntN(3)), h.user()
	ids, request := h.ids(8), SubmitOptions{Owner: user, RequestID: h.digit(), RequestHash: []byte{byte(h.rng.IntN(4))}}
	for i, q := range []struct {
		name string
		ask  func(*Store) (any, error)
	}{
		{"Summarize", func(s *Store) (any, error) { return s.Summarize(scope), nil }},
		{"Page", func(s *Store) (any, error) { return s.Page(h.Context(), query) }},
		{"Changes", func(s *Store) (any, error) { return h.changes(s, watch, after, limit) }},
		{"Revision", func(s *Store) (any, error) { return s.Revision(), nil }},
		{"ChangedSince", func(s *Store) (any, error) { return h.changedSince(s, after, limit), nil }},
		{"Queue", func(s *Store) (any, error) { return s.Queue(QueueQuery{Scope: scope, State: state, Limit: limit}) }},
		{"Position", func(s *Store) (any, error) { return s.Position(), nil }},
		{"Tokens", func(s *Store) (any, error) { return s.Tokens(user) }},
		{"Doomed", func(s *Store) (any, error) { return s.Doomed(ids[0], limit) }},
		{"Unclaimed", func(s *Store) (any, error) { return s.Unclaimed(ids) }},
		{"Submitted", func(s *Store) (any, error) { return submitted(s, request) }},
	} {
		if i > 2 && h.one(2) {
			continue // all are asked often enough
		}
		want, err := q.ask(h.leader)
		got, other := q.ask(h.follower)
		if (err == nil) != (other == nil) || err != nil && err.Error() != other.Error() {
			h.Errorf("%s of the follower is %v, and of the leader %v", q.name, other, err)
		}
		if !equal(got, want) {
			h.Errorf("%s (-leader +follower):\n%s", q.name, gocmp.Diff(want, got, protocmp.Transform(), gocmp.Exporter(func(reflect.Type) bool { return true })))
		}
	}
}

// equal compares what two stores answered. The usual answers are compared without reflection.
func equal(a, b any) bool {
	switch a := a.(type) {
	case proto.Message:
		other, ok := b.(proto.Message)
		return ok && proto.Equal(a, other)
	case *Page:
		other, ok := b.(*Page)
		return ok && (a == nil) == (other == nil) && (a == nil || slices.EqualFunc(a.Jobs, other.Jobs, equalMessages) &&
			a.Total == other.Total && a.Exact == other.Exact && a.Revision == other.Revision && reflect.DeepEqual(a.Next, other.Next))
	case *QueuePage:
		other, ok := b.(*QueuePage)
		return ok && (a == nil) == (other == nil) && (a == nil || slices.EqualFunc(a.Rows, other.Rows, equalMessages) &&
			a.Next == other.Next && a.Queued == other.Queued && a.Running == other.Running)
	case []*jobsv1.Job:
		other, ok := b.([]*jobsv1.Job)
		return ok && slices.EqualFunc(a, other, equalMessages)
	case []*storev1.Token:
		other, ok := b.([]*storev1.Token)
		return ok && slices.EqualFunc(a, other, equalMessages)
	default:
		return reflect.DeepEqual(a, b)
	}
}

func equalMessages[M proto.Message](a, b M) bool { return proto.Equal(a, b) }

// submitted is Submitted, but for whether a request without jobs is still known, which is for the clock of each store to say.
func submitted(s *Store, o SubmitOptions) ([]*jobsv1.Job, error) {
	jobs, _, err := s.Submitted(o)
	if errors.Is(err, job.ErrRequestIDReused) {
		err = nil
	}
	return jobs, err
}

// change is a Change that can be compared.
type change struct {
	Revision uint64
	ID       job.ID
	Status   string
}

type changesAnswer struct {
	List        []change
	UpTo        uint64
	More, Reset bool
}

func (h *history) changes(s *Store, w Watch, after uint64, limit int) (changesAnswer, error) {
	found, err := s.Changes(w, after, limit)
	out := changesAnswer{UpTo: found.UpTo, More: found.More, Reset: found.Reset}
	for _, c := range found.List {
		raw, encoding := proto.MarshalOptions{Deterministic: true}.Marshal(c.Job)
		err = cmp.Or(err, encoding)
		out.List = append(out.List, change{c.Revision, c.ID, string(raw)})
	}
	return out, err
}

type changedAnswer struct {
	IDs  []job.ID
	UpTo uint64
	OK   bool
}

func (h *history) changedSince(s *Store, after uint64, limit int) changedAnswer {
	ids, upTo, ok := s.ChangedSince(after, limit)
	return changedAnswer{ids, upTo, ok}
}

// compareAll compares everything that two stores have, in their files and in memory.
func (h *history) compareAll() {
	leader, follower := h.leader, h.follower
	follower.mem.compare(leader.mem, func(where, what string) { h.Errorf("its %s: %s", where, what) })
	if got, want := contents(h, follower), contents(h, leader); !maps.Equal(got, want) {
		h.Errorf("its buckets: %s", gocmp.Diff(want, got))
	}
	for after := h.rng.Uint64N(3); after <= leader.Revision(); after += 1 + h.rng.Uint64N(3) {
		w := Watch{Scope: Everyone}
		want, err := h.changes(leader, w, after, 3)
		got, other := h.changes(follower, w, after, 3)
		if err != nil || other != nil || !reflect.DeepEqual(want, got) {
			h.Errorf("changes after %d: %v %v %s", after, err, other, gocmp.Diff(want, got))
		}
	}
	if problems, err := follower.Check(h.Context()); err != nil || len(problems) > 0 {
		h.Errorf("its check: %v %v", problems, err)
	}
}

// contents returns everything in a store's buckets.
func contents(tb testing.TB, s *Store) map[string]string {
	tb.Helper()
	all := make(map[string]string)
	err := s.view(func(tx *kv.ReadTx) error {
		for _, b := range file.Buckets {
			all[b.Name] = strconv.FormatUint(tx.Sequence(b.Name), 10)
			for k, v := range tx.Ascend(b.Name, nil) {
				all[b.Name+"\x00"+string(k)] = string(v)
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return all
}

// unsynced changes names of files and makes none durable.
type unsynced struct{}

func (unsynced) OpenFile(name string, flag int, mode os.FileMode) (*os.File, error) {
	return os.OpenFile(name, flag, mode)
}
func (unsynced) Rename(from, to string) error { return os.Rename(from, to) }
func (unsynced) Remove(name string) error     { return os.Remove(name) }
func (unsynced) SyncFolder(string) error      { return nil }
