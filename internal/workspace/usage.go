package workspace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/stint-jobs/stint/internal/job"
)

// recountAfter is how old a count must be before an upload that does not fit
// causes another one: somebody may have removed files behind our back.
const recountAfter = time.Minute

// account is how much of the disk one owner's files take. The first use counts
// them; from then on every change is added or subtracted.
type account struct {
	quota int64
	known durables

	// tree is held while files come into place or go, so that a count sees a
	// tree that stands still. It is taken before mu.
	tree sync.Mutex

	mu      sync.Mutex
	used    int64     // bytes of the files in place
	pending int64     // bytes of what is on its way
	counted time.Time // when used was counted; zero when it must be
}

// Usage is what an owner's files take and may take.
type Usage struct {
	// UsedBytes are the sizes of all files added up, without uploads that are under way.
	UsedBytes int64
	// QuotaBytes is how much that may become. 0 means no limit.
	QuotaBytes int64
}

// Usage answers how much of the disk the owner's files take.
func (w *Workspace) Usage(ctx context.Context, owner string) (Usage, error) {
	t, err := w.open(owner)
	if errors.Is(err, fs.ErrNotExist) {
		return Usage{QuotaBytes: w.quota}, nil
	}
	if err != nil {
		return Usage{}, err
	}
	defer t.Close()
	if err := t.count(ctx, false); err != nil {
		return Usage{}, err
	}
	t.account.mu.Lock()
	defer t.account.mu.Unlock()
	return Usage{UsedBytes: t.account.used, QuotaBytes: w.quota}, nil
}

// count makes sure that the files are counted; again forces a new count. The
// caller does not hold account.tree.
func (t tree) count(ctx context.Context, again bool) error {
	t.account.tree.Lock()
	defer t.account.tree.Unlock()
	t.account.mu.Lock()
	done := !t.account.counted.IsZero() && !again
	t.account.mu.Unlock()
	if done {
		return nil
	}
	sum, err := measure(ctx, t.Root, ".")
	if err != nil {
		return fmt.Errorf("count workspace: %w", err)
	}
	t.account.mu.Lock()
	defer t.account.mu.Unlock()
	t.account.used, t.account.counted = sum.bytes, time.Now()
	return nil
}

// reservation is the room that an upload or an import takes up before its files are in place.
type reservation struct {
	tree   tree
	bytes  int64
	credit int64 // size of the file that will be replaced
}

// reserve begins a reservation.
func (t tree) reserve(ctx context.Context, credit int64) (*reservation, error) {
	if err := t.count(ctx, false); err != nil {
		return nil, err
	}
	return &reservation{tree: t, credit: credit}, nil
}

// grow takes n more bytes or answers job.ErrExhausted.
func (r *reservation) grow(ctx context.Context, n int64) error {
	err := r.tryGrow(n)
	if err == nil || !r.tree.account.stale() {
		return err
	}
	if err := r.tree.count(ctx, true); err != nil {
		return err
	}
	return r.tryGrow(n)
}

func (r *reservation) tryGrow(n int64) error {
	a := r.tree.account
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.fits(n - r.credit); err != nil {
		return err
	}
	a.pending += n
	r.bytes += n
	return nil
}

// commit turns the room into used bytes; freed is the size of what was
// replaced. The caller holds account.tree and puts the files into place only if the answer is nil.
func (r *reservation) commit(freed int64) error {
	a := r.tree.account
	a.mu.Lock()
	defer a.mu.Unlock()
	if freed < r.credit { // what was to be replaced shrank or went away meanwhile
		if err := a.fits(-freed); err != nil {
			return err
		}
	}
	a.pending -= r.bytes
	a.used += r.bytes - freed
	r.bytes = 0
	a.distrust()
	return nil
}

// release gives back room that was not committed.
func (r *reservation) release() {
	a := r.tree.account
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pending -= r.bytes
	r.bytes = 0
}

// fits reports whether n more bytes are within the quota. The caller holds mu.
func (a *account) fits(n int64) error {
	if a.quota == 0 || a.used+a.pending+n <= a.quota {
		return nil
	}
	return job.Userf(job.ErrExhausted,
		"the workspace has room for %s, of which %s are used%s; this needs %s more than that. Delete what is no longer needed, or ask the operators for more room",
		size(a.quota), size(a.used), a.underWay(), size(a.used+a.pending+n-a.quota))
}

func (a *account) underWay() string {
	if a.pending == 0 {
		return ""
	}
	return " and " + size(a.pending) + " are being uploaded"
}

// freed takes n bytes off. The caller holds account.tree.
func (a *account) freed(n int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.used -= n
	a.distrust()
}

// distrust forces a new count when the numbers cannot be right. The caller holds mu.
func (a *account) distrust() {
	if a.used < 0 {
		a.used, a.counted = 0, time.Time{}
	}
}

func (a *account) stale() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return time.Since(a.counted) > recountAfter
}
