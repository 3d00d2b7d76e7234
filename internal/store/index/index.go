// Package index is what the store knows of its jobs and shares in memory, equal to what the records say.
//
// It is pure: it reads no file, and what it holds follows from the headers of the jobs, the shares and the counters of
// the store alone. A store fills an empty one with Add, AddShare and Start. From then on Apply is the one method that
// changes it, by what a commit wrote; Compare says where it is not equal to one that was filled anew.
//
// One goroutine calls Apply. All other methods may be called at the same time as it and as each other.
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
	// RingSize is how many changes can be gone back without a scan; a power of two. Zero means 65,536.
	RingSize int
	// ScanBudget is how many jobs a page looks at for a Match before its total is a lower bound. Zero means five million.
	ScanBudget int
	// SmallScan is up to which cost a Match is evaluated for each page anew. Above it, the results are kept for
	// the next page. Zero means 8,192; a negative value keeps all.
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
		c.SmallScan = 1 << 13
	}
}

// Index holds jobs and shares in memory. New makes one.
type Index struct {
	cfg    Config
	builds chan struct{} // holds one for each view under construction

	evaluators chan struct{} // holds one for each goroutine that calls a Match

	mu        sync.RWMutex // guards all that follows
	table     table
	owners    owners
	services  names
	executors names
	counts    counters // of all owners
	requests  requests
	ring      ring
	active    activeList
	shares    shares
	views     []*view
	revision  uint64
	purged    uint64 // revision of the latest deletion
}

// New returns an empty index.
func New(cfg Config) *Index {
	cfg.setDefaults()
	ix := &Index{cfg: cfg, builds: make(chan struct{}, maxBuilds), requests: newRequests()}
	ix.evaluators = make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))
	ix.ring.start(cfg.RingSize, 0)
	return ix
}

// Add adds a job of the store to an index that is being filled. Ids must ascend. It keeps nothing of the header.
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
	ix.shares.put(id, user, sh)
}

// Start ends the filling: revision is that of the latest change, and purged that of the latest deletion.
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
	return Stats{Jobs: ix.table.jobs, Revision: ix.revision, Views: len(ix.views)}
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
	if last := ix.table.lastID(); id <= last {
		return 0, fmt.Errorf("job %s comes behind job %s: ids must ascend", id, last)
	}
	ownerNo, o := ix.owners.get(h.GetOwner())
	service := ix.services.number(h.GetService())
	c := ix.table.tail(id)
	request := hashRequest(h)
	i := c.append(id, h, slotNumbers{ownerNo, service, ix.executors.number(h.GetExecutor()), request})
	ix.table.jobs++
	o.jobs = append(o.jobs, id)
	if isActive(c.state[i]) {
		ix.active.enter(id)
	}
	ix.count(ownerNo, service, c.state[i], 1)
	if request != 0 {
		ix.requests.add(request, id)
	}
	ix.noteChange(len(ix.table.chunks)-1, i)
	return ownerNo, nil
}

// count counts n more jobs of an owner and a service in a state.
func (ix *Index) count(owner, service uint32, state uint8, n int64) {
	ix.owners.list[owner].add(service, int(state), n)
	ix.counts.add(service, int(state), n)
}
