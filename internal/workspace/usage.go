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
	owner  string
	limit  Usage // what may be used; 0 means no limit
	block  int64 // bytes that each entry counts beside its size
	known  durables
	beside func() int64 // bytes that the owner has elsewhere

	// tree is held while files come into place or go, so that a count sees a
	// tree that stands still. It is taken before mu.
	tree sync.Mutex

	mu      sync.Mutex
	used    amount    // what is in place
	pending amount    // what is on its way
	counted time.Time // when used was counted; zero when it must be
}

// amount is how much of the disk something takes.
type amount struct {
	bytes   int64 // sizes, and a block for each entry
	entries int64 // files, folders and links: what takes an inode
}

func (a amount) plus(b amount) amount  { return amount{a.bytes + b.bytes, a.entries + b.entries} }
func (a amount) minus(b amount) amount { return amount{a.bytes - b.bytes, a.entries - b.entries} }

// entries is how much so many entries take whose sizes add up to bytes.
func (a *account) entries(n, bytes int64) amount { return amount{bytes + n*a.block, n} }

// Usage is what an owner's files take and may take.
type Usage struct {
	// UsedBytes are the sizes of all files added up, Options.EntryBytes for each entry, and Options.BesideBytes, without
	// uploads that are under way.
	UsedBytes int64
	// QuotaBytes is how much that may become. 0 means no limit.
	QuotaBytes int64
	// UsedEntries is the number of files, folders and links.
	UsedEntries int64
	// QuotaEntries is how many there may be. 0 means no limit.
	QuotaEntries int64
	// MaxDepth is how many names a path may have. 0 means no limit.
	MaxDepth int
}

// Usage answers how much of the disk the owner's files take.
func (w *Workspace) Usage(ctx context.Context, owner string) (Usage, error) {
	t, err := w.open(owner)
	if errors.Is(err, fs.ErrNotExist) {
		u := w.limits()
		u.UsedBytes = w.besideOf(owner)()
		return u, nil
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
	u := w.limits()
	u.UsedBytes, u.UsedEntries = t.account.used.bytes+t.account.beside(), t.account.used.entries
	return u, nil
}

// Fits returns job.ErrExhausted if an owner's quota has no room for so many bytes more elsewhere.
func (w *Workspace) Fits(ctx context.Context, owner string, bytes int64) error {
	t, err := w.open(owner)
	switch {
	case err == nil:
		defer t.Close()
		if err := t.count(ctx, false); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	a := w.account(owner)
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.fits(amount{bytes: bytes})
}

// limits are what an owner may use.
func (w *Workspace) limits() Usage {
	return Usage{QuotaBytes: w.options.QuotaBytes, QuotaEntries: w.options.QuotaEntries, MaxDepth: w.options.MaxDepth}
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
	t.account.used, t.account.counted = t.account.entries(sum.entries, sum.bytes), time.Now()
	return nil
}

// reservation is the room that an upload or an import takes up before its files are in place.
type reservation struct {
	tree   tree
	taken  amount
	credit amount // what will be replaced
}

// reserve begins a reservation.
func (t tree) reserve(ctx context.Context, credit amount) (*reservation, error) {
	if err := t.count(ctx, false); err != nil {
		return nil, err
	}
	return &reservation{tree: t, credit: credit}, nil
}

// grow takes n more bytes or returns job.ErrExhausted.
func (r *reservation) grow(ctx context.Context, n int64) error { return r.take(ctx, amount{bytes: n}) }

// entry takes the room of one more entry of so many bytes.
func (r *reservation) entry(ctx context.Context, bytes int64) error {
	return r.take(ctx, r.tree.account.entries(1, bytes))
}

func (r *reservation) take(ctx context.Context, more amount) error {
	err := r.tryTake(more)
	if err == nil || !r.tree.account.stale() {
		return err
	}
	if err := r.tree.count(ctx, true); err != nil {
		return err
	}
	return r.tryTake(more)
}

// tryTake is take without a new count. The caller may hold account.tree.
func (r *reservation) tryTake(more amount) error {
	a := r.tree.account
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.fits(more.minus(r.credit)); err != nil {
		return err
	}
	a.pending, r.taken = a.pending.plus(more), r.taken.plus(more)
	return nil
}

// commit turns the room into what is used; freed is what was
// replaced. The caller holds account.tree and puts the files into place only if it returns nil.
func (r *reservation) commit(freed amount) error {
	a := r.tree.account
	a.mu.Lock()
	defer a.mu.Unlock()
	if freed.bytes < r.credit.bytes || freed.entries < r.credit.entries { // what was to be replaced shrank or went away meanwhile
		if err := a.fits(amount{}.minus(freed)); err != nil {
			return err
		}
	}
	a.pending = a.pending.minus(r.taken)
	a.used = a.used.plus(r.taken).minus(freed)
	r.taken = amount{}
	a.distrust()
	return nil
}

// release gives back room that was not committed.
func (r *reservation) release() {
	a := r.tree.account
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pending, r.taken = a.pending.minus(r.taken), amount{}
}

// release gives back room that was pending.
func (a *account) release(room amount) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pending = a.pending.minus(room)
}

// fits reports whether so much more is within the quota. The caller holds mu.
func (a *account) fits(more amount) error {
	beside := amount{bytes: a.beside()}
	all := a.used.plus(a.pending).plus(beside).plus(more)
	switch {
	case a.limit.QuotaEntries > 0 && all.entries > a.limit.QuotaEntries:
		return job.Full(a.reached(job.QuotaWorkspaceEntries, a.limit.QuotaEntries), "the workspace may have %d files and folders and has %d; this needs %d more than that.",
			a.limit.QuotaEntries, a.used.entries, all.entries-a.limit.QuotaEntries)
	case a.limit.QuotaBytes > 0 && all.bytes > a.limit.QuotaBytes:
		return job.Full(a.reached(job.QuotaWorkspaceBytes, a.limit.QuotaBytes), "the workspace has room for %s, of which %s are used%s; this needs %s more than that.",
			FormatSize(a.limit.QuotaBytes), FormatSize(a.used.bytes+beside.bytes), a.underWay(), FormatSize(all.bytes-a.limit.QuotaBytes))
	default:
		return nil
	}
}

func (a *account) reached(q job.Quota, limit int64) job.Reached {
	return job.Reached{Quota: q, Subject: "user:" + a.owner, Field: "path", Limit: limit}
}

func (a *account) underWay() string {
	if a.pending.bytes == 0 {
		return ""
	}
	return " and " + FormatSize(a.pending.bytes) + " are being uploaded"
}

// freed takes what went off. The caller holds account.tree.
func (a *account) freed(gone amount) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.used = a.used.minus(gone)
	a.distrust()
}

// distrust forces a new count when the numbers cannot be right. The caller holds mu.
func (a *account) distrust() {
	if a.used.bytes < 0 || a.used.entries < 0 {
		a.used, a.counted = amount{}, time.Time{}
	}
}

func (a *account) stale() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return time.Since(a.counted) > recountAfter
}
