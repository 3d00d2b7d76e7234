// Package index is what the store knows of its jobs and shares in memory, equal to what the records
// say.
//
// It is pure: it reads no file, and what it holds follows from the headers of the jobs, the shares
// and the counters of the store alone. A store fills an empty one with Add, AddShare and Start.
// From then on Apply is the one method that changes it, by what a commit wrote. Facts tells it from
// one that was filled anew.
//
// Every question begins with sets of ids: a job is in the set of its owner, of its service and of
// its state. What the sets do not say is looked up job by job in the table.
//
// One goroutine calls Apply. All other methods may be called at the same time as it and as each
// other.
package index

import (
	"fmt"
	"runtime"
	"sync"
	"time"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// Config bounds what an index remembers and looks at. The zero value of every field is good.
type Config struct {
	// Now is the clock. Nil means time.Now.
	Now func() time.Time
	// RingSize is how many changes can be gone back without a scan; a power of two. Zero means
	// 65,536.
	RingSize int
	// ScanBudget is how many jobs a page looks at for a Match before its total is a lower bound.
	// Zero means five million.
	ScanBudget int
	// SmallScan is for how many jobs a Match is evaluated on each page anew. Above it, the results
	// are kept for the next page. Zero means 1,024; a negative value keeps all.
	SmallScan int64
}

func (c *Config) setDefaults() {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.RingSize == 0 {
		c.RingSize = 1 << 16
	}
	if c.ScanBudget == 0 {
		c.ScanBudget = 5_000_000
	}
	if c.SmallScan == 0 {
		c.SmallScan = 1 << 10
	}
}

// Index holds jobs and shares in memory. New makes one.
type Index struct {
	cfg        Config
	evaluators chan struct{} // holds one for each goroutine that calls a Match
	credit     credit        // of all of them

	mu        sync.RWMutex // guards all that follows
	table     table
	all       idSet
	states    [stateCount]idSet
	owners    registry[owner]
	services  registry[idSet]
	executors registry[struct{}]
	counts    counters // of all owners
	requests  requests
	ring      ring
	shares    shares
	kept      kept
	views     []*view
	lastID    job.ID // the highest that was ever inserted
	revision  uint64
	purged    uint64 // revision of the latest deletion
}

type owner struct {
	jobs    idSet
	counts  counters
	changed uint64 // revision of the latest change of any of the jobs since Start
}

// New returns an empty index.
func New(cfg Config) *Index {
	cfg.setDefaults()
	ix := &Index{cfg: cfg, evaluators: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))}
	ix.table.chunks = make(map[job.ID]*chunk)
	ix.requests = requests{one: make(map[uint64]job.ID), many: make(map[uint64][]job.ID)}
	ix.ring.start(cfg.RingSize, 0)
	return ix
}

// Add adds a job of the store to an index that is being filled. Ids must ascend. It keeps nothing
// of the header.
func (ix *Index) Add(id job.ID, h *storev1.Header) error {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	_, err := ix.insert(id, h)
	return err
}

// AddShare adds a share of the store to an index that is being filled.
func (ix *Index) AddShare(id job.ID, user string, sh *Share) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	ix.shares.put(id, ix.ownerOf(id), user, sh)
}

// Start ends the filling: revision is that of the latest change, and purged that of the latest
// deletion.
func (ix *Index) Start(revision, purged uint64) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	ix.revision, ix.purged = revision, purged
	ix.ring.start(ix.cfg.RingSize, revision)
}

// Stats says how large an index is.
type Stats struct {
	// Jobs in it.
	Jobs int
	// Revision of the last change.
	Revision uint64
	// Views is the number of conditions whose results are kept.
	Views int
}

// Stats returns the size of the index and its revision.
func (ix *Index) Stats() Stats {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	return Stats{Jobs: ix.all.len(), Revision: ix.revision, Views: len(ix.views)}
}

// Revision returns the revision of the last change.
func (ix *Index) Revision() uint64 {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	return ix.revision
}

// FindRequest returns the jobs that may be of a request, in the order of ids.
// The index knows requests by a hash, so the caller compares with the records.
func (ix *Index) FindRequest(owner, request string) []job.ID {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	return ix.requests.find(requestHash(owner, request))
}

// insert adds a job whose id is above all others and returns the number of its owner.
func (ix *Index) insert(id job.ID, h *storev1.Header) (uint32, error) {
	if id <= ix.lastID {
		return 0, fmt.Errorf("job %s comes behind job %s: ids must ascend", id, ix.lastID)
	}
	ix.lastID = id
	s := slotOf(id, h)
	s.ownerNo, s.serviceNo = ix.owners.number(h.GetOwner()), ix.services.number(h.GetService())
	s.executorNo = ix.executors.number(h.GetExecutor())
	ix.table.add(s, h)
	for _, set := range [...]*idSet{&ix.all, &ix.owners.values[s.ownerNo].jobs, ix.services.values[s.serviceNo]} {
		set.add(id)
	}
	ix.enterState(&s)
	if s.request != 0 {
		ix.requests.add(s.request, id)
	}
	ix.kept.put(id, s.ownerNo, h)
	ix.noteChange(&s)
	return s.ownerNo, nil
}

// change puts what changes of a job while it lives in the place of what the index has.
func (ix *Index) change(s *slot, h *storev1.Header) error {
	if ix.owners.names[s.ownerNo] != h.GetOwner() || ix.services.names[s.serviceNo] != h.GetService() {
		return fmt.Errorf("job %s changes its owner or service", s.id)
	}
	ix.leaveState(s)
	s.setStatus(h)
	ix.kept.put(s.id, s.ownerNo, h)
	ix.enterState(s)
	ix.noteChange(s)
	return nil
}

func (ix *Index) remove(s slot) {
	ix.leaveState(&s)
	ix.kept.put(s.id, s.ownerNo, nil)
	for _, set := range [...]*idSet{&ix.all, &ix.owners.values[s.ownerNo].jobs, ix.services.values[s.serviceNo]} {
		set.remove(s.id)
	}
	if s.request != 0 {
		ix.requests.remove(s.request, s.id)
	}
	ix.noteChange(&s)
	ix.table.remove(s.id)
}

func (ix *Index) enterState(s *slot) {
	ix.states[s.state].add(s.id)
	ix.count(s, 1)
}

func (ix *Index) leaveState(s *slot) {
	ix.states[s.state].remove(s.id)
	ix.count(s, -1)
}

func (ix *Index) count(s *slot, n int64) {
	ix.owners.values[s.ownerNo].counts.add(s.serviceNo, s.state, n)
	ix.counts.add(s.serviceNo, s.state, n)
}
