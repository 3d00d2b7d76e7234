package kv

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stint-jobs/stint/internal/store/kv/faultfs"
)

// The fault harness. Each state brings a database into a situation and then writes, copies or opens it. A first run of
// each, without faults, lists its sites: the calls of the file system that it makes.
// From these the points are made: a site, which of its calls, an error, and whether it comes
// before or after the effect. After each point the power is lost, and what is left must have everything that was
// acknowledged, nothing that was refused, and of what is unknown all or nothing.

// state is a situation. prepare runs without faults.
type state struct {
	name    string
	prepare func(*run)
	act     func(*run)
	first   []faultfs.Fault // faults that are always there, and bring the database into the state
	sites   []faultfs.Site  // that it must come past
}

const dbName = "jobs.db"

var (
	writeDB  = faultfs.Site{Kind: faultfs.Write, Name: dbName}
	syncDB   = faultfs.Site{Kind: faultfs.Sync, Name: dbName}
	growDB   = faultfs.Site{Kind: faultfs.Truncate, Name: dbName}
	openDB   = faultfs.Site{Kind: faultfs.Open, Name: dbName}
	syncName = faultfs.Site{Kind: faultfs.SyncFolder}
)

func on(name string, kinds ...faultfs.Kind) (sites []faultfs.Site) {
	for _, k := range kinds {
		sites = append(sites, faultfs.Site{Kind: k, Name: name})
	}
	return sites
}

var states = []state{
	{
		name: "empty",
		act: func(r *run) {
			if r.open() {
				r.put(1)
				r.put(2)
			}
		},
		sites: append(on(dbName+partialSuffix, faultfs.Open, faultfs.Write, faultfs.Sync, faultfs.Rename), writeDB, syncDB, syncName),
	},
	{
		name: "reserve", prepare: func(r *run) { r.reserve = 100_000 },
		act:   func(r *run) { _ = r.open() && r.put(1) },
		sites: on(dbName+reserveSuffix, faultfs.Open, faultfs.Write, faultfs.Sync, faultfs.Truncate),
	},
	{
		name:    "mid batch",
		prepare: func(r *run) { r.start(5) },
		act: func(r *run) {
			r.batch(4)
			r.grow()
			r.batch(3)
			r.put(1)
		},
		sites: []faultfs.Site{writeDB, syncDB, growDB},
	},
	{
		name:    "many commits",
		prepare: func(r *run) { r.start(20) },
		act: func(r *run) {
			for i := range 8 {
				r.put(1 + i%3)
				if i == 3 {
					r.grow()
				}
			}
		},
		sites: []faultfs.Site{writeDB, syncDB, growDB},
	},
	{
		name:    "snapshot",
		prepare: func(r *run) { r.start(8) },
		act: func(r *run) {
			r.snapshot()
			r.put(1)
			r.snapshot()
			r.put(1)
		},
		sites: append(on(dbName+".copy.partial", faultfs.Open, faultfs.Write, faultfs.Sync, faultfs.Rename), syncName, writeDB, syncDB),
	},
	{
		name: "compact",
		prepare: func(r *run) {
			r.start(12)
			r.close()
		},
		act: func(r *run) {
			r.compact()
			_ = r.open() && r.put(2)
		},
		sites: append(on(dbName+".partial", faultfs.Open, faultfs.Write, faultfs.Sync, faultfs.Rename), syncName, openDB),
	},
	{
		name: "reopen",
		prepare: func(r *run) {
			r.start(12)
			r.close()
			if err := os.WriteFile(r.folder.Path(dbName+".copy.partial"), []byte("x"), 0o600); err != nil {
				r.t.Fatal(err)
			}
		},
		act:   func(r *run) { _ = r.open() && r.put(2) && r.put(1) },
		sites: append(on(dbName+".copy.partial", faultfs.Remove), openDB, writeDB, syncDB, syncName),
	},
	{
		name: "full",
		prepare: func(r *run) {
			r.reserve = 100_000
			r.start(4)
		},
		first: []faultfs.Fault{{Site: writeDB, Nth: 1, Count: 2, Errno: syscall.ENOSPC, Mode: faultfs.Before}},
		act: func(r *run) {
			r.batch(4)
			r.put(1)
			r.internal()
			r.internal()
			r.put(1)
		},
		sites: append(append(on(dbName+reserveSuffix, faultfs.Remove, faultfs.Open, faultfs.Write, faultfs.Sync),
			on(dbName+probeSuffix, faultfs.Open, faultfs.Write, faultfs.Sync, faultfs.Remove)...), writeDB, syncDB),
	},
	{
		name: "close",
		prepare: func(r *run) {
			r.freeList = never
			r.start(6)
		},
		act:   func(r *run) { r.close() },
		sites: []faultfs.Site{writeDB, syncDB},
	},
}

// outcome counts what became of the operations of a run.
type outcomes struct{ acknowledged, refused, unknown int }

// run is one way through a state.
type run struct {
	t        *testing.T
	ctx      context.Context //nolint:containedctx // of all operations of the run
	folder   *faultfs.Folder
	random   *rand.Rand
	reserve  int64
	freeList int
	minSize  int // of values

	db     *DB
	next   int
	mu     sync.Mutex
	done   map[string]error // the outcome of each operation that wrote
	sizes  map[string]int   // how many records it wrote
	copied map[string]bool  // what the latest snapshot has that was acknowledged, nil if there is none
	counts outcomes
}

func (r *run) config(path string) Config {
	cfg := testConfig(path)
	cfg.probeEvery, cfg.ReadAhead, cfg.LockTimeout, cfg.Reserve, cfg.freeList = time.Millisecond, -1, time.Second, r.reserve, r.freeList
	cfg.mapSize = 1 << 15
	cfg.Finish = func(tx *Tx) error { _, err := tx.NextSequence(meta); return err }
	return cfg
}

// open reports whether the database could be opened.
func (r *run) open() bool {
	db, err := Open(r.config(r.folder.Path(dbName)))
	if err == nil {
		r.db = db
	}
	return err == nil
}

// start opens the database and writes n operations.
func (r *run) start(n int) {
	if !r.open() {
		r.t.Fatal("the database cannot be opened without a fault")
	}
	for i := range n {
		if !r.put(1 + i%3) {
			r.t.Fatal("no operation is acknowledged without a fault")
		}
	}
}

func (r *run) close() {
	if r.db != nil {
		_ = r.db.Close() // of bbolt's, with a fault
	}
	r.db = nil
}

// op returns an operation that writes n records of one value, in two buckets.
func (r *run) op(n int) (name string, op Op) {
	r.next++
	name = fmt.Sprintf("op%03d", r.next)
	r.sizes[name] = n
	size := 1 + r.random.IntN(3000) + r.minSize
	return name, Op{Stage: func(tx *Tx) error {
		for i := range n {
			key := []byte(fmt.Sprintf("%s-%d", name, i))
			if err := errors.Join(tx.Put(jobs, key, bytes.Repeat([]byte(name), size/len(name)+1)), tx.Put(meta, key, []byte(name))); err != nil {
				return err
			}
		}
		return nil
	}}
}

func (r *run) record(name string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done[name] = err
	switch {
	case err == nil:
		r.counts.acknowledged++
	case errors.Is(err, ErrUnknown):
		r.counts.unknown++
	case errors.Is(err, ErrNoSpace), errors.Is(err, ErrFailed), errors.Is(err, ErrClosed), errors.Is(err, context.DeadlineExceeded):
		r.counts.refused++
	default:
		r.t.Errorf("%s: a fourth outcome: %v", name, err)
	}
}

// put reports whether an operation of n records was acknowledged.
func (r *run) put(n int) bool {
	name, op := r.op(n)
	err := r.db.Do(r.ctx, op)
	r.record(name, err)
	return err == nil
}

// grow makes the file larger.
func (r *run) grow() {
	r.minSize = 100_000
	r.put(1)
	r.minSize = 0
}

// internal writes an operation of the server, which waits for space.
func (r *run) internal() {
	name, op := r.op(1)
	op.Internal = true
	r.record(name, r.db.Do(r.ctx, op))
}

// batch writes n operations in one batch, every second of which is the server's.
func (r *run) batch(n int) {
	names, ops := make([]string, n), make([]Op, n)
	for i := range n {
		names[i], ops[i] = r.op(1 + i%2)
		ops[i].Internal = i%2 == 1
	}
	for i, err := range r.db.together(r.ctx, ops...) {
		r.record(names[i], err)
	}
}

func (r *run) acknowledged() map[string]bool {
	names := make(map[string]bool)
	for name, err := range r.done {
		if err == nil {
			names[name] = true
		}
	}
	return names
}

func (r *run) snapshot() {
	want := r.acknowledged()
	if _, err := r.db.Snapshot(r.folder.Path(dbName + ".copy")); err == nil {
		r.copied = want
	}
}

func (r *run) compact() {
	_, _, _ = Compact(r.config(r.folder.Path(dbName))) // where it fails, the file must be as it was
}

// recovers checks that the same process goes on after a want of space, now that there is no fault any more.
func (r *run) recovers() {
	r.folder.Arm(r.t)
	if r.db == nil || r.db.failureOf() != nil {
		return
	}
	name, op := r.op(1)
	op.Internal = true
	err := r.db.Do(r.ctx, op)
	r.record(name, err)
	if err != nil {
		r.t.Errorf("without the fault the same process does not write: %v", err)
	}
}

// verify checks what a crash has left.
func (r *run) verify(image string) {
	r.verifyCopy(filepath.Join(image, dbName+".copy"))
	path := filepath.Join(image, dbName)
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) && len(r.acknowledged()) == 0 {
		return
	}
	checkClean(r.t, path)
	r.folder, r.reserve = nil, 0
	db, err := Open(r.config(path))
	if err != nil {
		r.t.Errorf("open after the crash: %v", err)
		return
	}
	r.verifyContents(db)
	if err := db.Do(r.t.Context(), Op{Stage: put("after", "x")}); err != nil {
		r.t.Errorf("write after the crash: %v", err)
	}
	if err := db.Close(); err != nil {
		r.t.Errorf("close after the crash: %v", err)
	}
	left, err := filepath.Glob(path + "*" + partialSuffix)
	if err != nil || len(left) > 0 {
		r.t.Errorf("left after the opening: %v, %v", left, err)
	}
	checkClean(r.t, path)
}

func (r *run) verifyContents(db *DB) {
	found := make(map[string][2]int)
	for at, bucket := range []string{jobs, meta} {
		for key, value := range db.contents(r.t, bucket) {
			name, _, _ := strings.Cut(key, "-")
			if strings.ReplaceAll(value, name, "") != "" {
				r.t.Errorf("%s has a value that was not written", key)
			}
			n := found[name]
			n[at]++
			found[name] = n
		}
	}
	for name, err := range r.done {
		n, all := found[name], [2]int{r.sizes[name], r.sizes[name]}
		delete(found, name)
		switch {
		case err == nil && n != all:
			r.t.Errorf("%s was acknowledged, and %v of its %v records are there", name, n, all)
		case errors.Is(err, ErrUnknown) && n != all && n != [2]int{}:
			r.t.Errorf("%s is there in part: %v of %v records", name, n, all)
		case err != nil && !errors.Is(err, ErrUnknown) && n != [2]int{}:
			r.t.Errorf("%s was refused with %v, and is there", name, err)
		}
	}
	for name := range found {
		r.t.Errorf("%s is there, and nobody wrote it", name)
	}
}

// verifyCopy checks the snapshot that a crash has left, which is whole where it is.
func (r *run) verifyCopy(path string) {
	if _, err := os.Stat(path); err != nil {
		if r.copied != nil {
			r.t.Errorf("the snapshot is not there: %v", err)
		}
		return
	}
	checkClean(r.t, path)
	db, err := Open(r.config(path))
	if err != nil {
		r.t.Errorf("open the snapshot: %v", err)
		return
	}
	defer db.Close()
	got := db.contents(r.t, jobs)
	for name := range r.copied {
		if _, ok := got[name+"-0"]; !ok {
			r.t.Errorf("the snapshot lacks %s, which was acknowledged before", name)
		}
	}
}

// point is one fault in one state.
type point struct {
	state *state
	fault faultfs.Fault
	seed  uint64
}

func (p point) String() string {
	f := p.fault
	return fmt.Sprintf("%s/%s %s call %d x%d %s %v seed %d", p.state.name, f.Site.Kind, f.Site.Name, f.Nth, f.Count, f.Mode, f.Errno, p.seed)
}

// pass goes through a state with the faults and returns the calls that were made.
func pass(t *testing.T, disk *faultfs.Disk, s *state, p *point) (faultfs.Calls, outcomes) {
	t.Helper()
	seed := uint64(0)
	if p != nil {
		seed = p.seed
	}
	r := &run{
		t: t, ctx: t.Context(), folder: disk.Folder(t, fmt.Sprintf("%d-%d", seed, folders.next()), seed),
		random: rand.New(rand.NewPCG(seed, 1)), done: make(map[string]error), sizes: make(map[string]int),
	}
	folder := r.folder
	if s.prepare != nil {
		s.prepare(r)
	}
	faults := slices.Clone(s.first)
	if p != nil {
		faults = append([]faultfs.Fault{p.fault}, faults...)
	}
	folder.Arm(t, faults...)
	patience := 20 * time.Second
	if p != nil && p.fault.Mode == faultfs.Halt {
		patience = 100 * time.Millisecond // what waits for space waits in vain
	}
	var cancel func()
	r.ctx, cancel = context.WithTimeout(t.Context(), patience)
	defer cancel()
	s.act(r)
	calls := folder.Calls(t)
	late := r.random.IntN(2) == 0 && (p == nil || p.fault.Mode != faultfs.Halt)
	if late {
		r.recovers()
	}
	image := t.TempDir()
	if late && r.random.IntN(2) == 0 {
		r.close()
		folder.Crash(t, image)
	} else {
		folder.Crash(t, image)
		r.close()
	}
	r.verify(image)
	folder.Drop(t)
	return calls, r.counts
}

// counter gives out numbers.
type counter struct {
	mu sync.Mutex
	n  int
}

var folders counter

func (c *counter) next() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return c.n
}

// pointsOf makes points from the calls of a state: each site with each error and mode, at one of its calls.
func pointsOf(s *state, calls faultfs.Calls, random *rand.Rand) (points []point) {
	for i, site := range calls.Sites {
		if site.Name == "" && site.Kind != faultfs.SyncFolder {
			continue // of a file that has no name any more
		}
		modes := []faultfs.Mode{faultfs.Before, faultfs.After}
		if site.Kind == faultfs.Write {
			modes = append(modes, faultfs.Short)
		}
		add := func(mode faultfs.Mode, errno syscall.Errno) {
			points = append(points, point{s, faultfs.Fault{
				Site: site, Nth: 1 + random.IntN(calls.Count[i]), Count: []int{1, 1, 2, 5}[random.IntN(4)], Errno: errno, Mode: mode,
			}, random.Uint64()})
		}
		for _, mode := range modes {
			for _, errno := range []syscall.Errno{syscall.EIO, syscall.ENOSPC, syscall.EDQUOT} {
				add(mode, errno)
			}
		}
		add(faultfs.Halt, syscall.EIO)
	}
	return points
}

func TestEveryFaultHasOneOfThreeOutcomes(t *testing.T) {
	disk := faultfs.Start(t)
	total := 1000
	if os.Getenv("STINT_TEST_LONG") != "" {
		total = 10_000
	}
	random := rand.New(rand.NewPCG(1, 2)) // the same points each time
	var points []point
	all := make([]faultfs.Calls, len(states))
	for i := range states {
		s := &states[i]
		calls, counts := pass(t, disk, s, nil)
		if counts.unknown > 0 || len(s.first) == 0 && counts.refused > 0 {
			t.Fatalf("state %s: without a fault of its own: %+v", s.name, counts)
		}
		for _, site := range s.sites {
			if !slices.Contains(calls.Sites, site) {
				t.Errorf("state %s has no call of the site %v", s.name, site)
			}
		}
		all[i] = calls
		points = append(points, pointsOf(s, calls, random)...)
	}
	once := len(points)
	for len(points) < total {
		i := random.IntN(len(states))
		more := pointsOf(&states[i], all[i], random)
		points = append(points, more[random.IntN(len(more))])
	}
	var mu sync.Mutex
	var sum outcomes
	fired := make(map[string]int) // by state and site
	t.Run("points", func(t *testing.T) {
		for w := range 2 {
			t.Run(strconv.Itoa(w), func(t *testing.T) {
				t.Parallel()
				for i := w; i < len(points); i += 2 {
					p := &points[i]
					t.Run(p.String(), func(t *testing.T) {
						calls, counts := pass(t, disk, p.state, p)
						mu.Lock()
						defer mu.Unlock()
						if calls.Fired[0] > 0 {
							fired[fmt.Sprint(p.state.name, p.fault.Site)]++
						}
						sum.acknowledged += counts.acknowledged
						sum.refused += counts.refused
						sum.unknown += counts.unknown
					})
				}
			})
		}
	})
	for _, p := range points[:once] {
		if fired[fmt.Sprint(p.state.name, p.fault.Site)] == 0 {
			t.Errorf("no fault was hit in the state %s at the site %v", p.state.name, p.fault.Site)
		}
	}
	t.Logf("%d points, %d of them one of each site, error and mode, at %d sites; operations: %d acknowledged, %d refused, %d unknown",
		len(points), once, len(fired), sum.acknowledged, sum.refused, sum.unknown)
	if least := min(sum.acknowledged, sum.refused, sum.unknown); least == 0 {
		t.Errorf("an outcome did not come up: %+v", sum)
	}
	t.Logf("hit, by state and site: %v", slices.SortedFunc(maps.Keys(fired), cmp.Compare))
}
