package server

import (
	"context"
	"log/slog"
	"time"

	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/workdir"
)

const (
	// janitorEvery is how often the janitor looks at all that is due, if nobody wakes it.
	janitorEvery = time.Minute
	// minRemoveWait and maxRemoveWait bound how long a folder that could not be removed is left alone. The wait doubles.
	minRemoveWait = time.Second
	maxRemoveWait = 10 * time.Minute
	// maxRemoveFailures ends a round: where so many folders fail, so may all. The next round goes on behind them.
	maxRemoveFailures = 100
	// maxNamedFailures is how many folders that fail a round names in the log.
	maxNamedFailures = 10
	// removeBatch is how many folders are removed before the database hears of it.
	removeBatch = 200
	// expireEvery is how often requests are looked for that need not be known any more.
	expireEvery = time.Hour
)

// janitor removes what deleted jobs leave behind: their folders, which the database knows as doomed from the commit of the
// deletion on, and their requests, once they need not be known any more. Folders that nothing knows are swept.
//
// Everything that it does may be repeated: a folder that is gone is no error, and the database forgets a folder only
// after it was removed.
type janitor struct {
	store   *store.Store
	folders *workdir.Root
	remove  func(job.ID) error                     // removes the folder of a job
	note    func(context.Context, ...job.ID) error // has the database forget folders that were removed
	log     *slog.Logger
	deleted chan struct{} // has a value when there is something new to remove

	waits    map[job.ID]removeWait // folders that could not be removed
	after    job.ID                // where the next round begins, so that folders that fail keep none of the others
	maxSwept int
	sweepAt  time.Time
	expireAt time.Time
}

// removeWait is until when a folder is left alone.
type removeWait struct {
	until time.Time
	wait  time.Duration
}

func newJanitor(st *store.Store, folders *workdir.Root, log *slog.Logger) *janitor {
	return &janitor{
		store: st, folders: folders, log: log, deleted: make(chan struct{}, 1), waits: make(map[job.ID]removeWait),
		remove: func(id job.ID) error { return folders.Job(id).Remove() }, note: st.FoldersRemoved, maxSwept: maxSwept,
	}
}

// wake has the janitor look at what was deleted.
func (j *janitor) wake() {
	select {
	case j.deleted <- struct{}{}:
	default:
	}
}

// Run works until ctx ends. What fails is reported and tried again; it never ends the server.
func (j *janitor) Run(ctx context.Context) error {
	for {
		timer := time.NewTimer(j.round(ctx))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		case <-j.deleted:
			timer.Stop()
		}
	}
}

// round does what is due and returns when to look again.
func (j *janitor) round(ctx context.Context) time.Duration {
	next := j.removeDoomed(ctx)
	if now := time.Now(); !now.Before(j.sweepAt) && ctx.Err() == nil {
		j.sweepAt = now.Add(j.sweep(ctx))
	}
	if now := time.Now(); !now.Before(j.expireAt) && ctx.Err() == nil {
		j.expireRequests(ctx, now)
	}
	return next
}

// removals is what became of the folders of a round.
type removals struct {
	removed, failed int
	unnoted         error // why the database has not heard of some that were removed
}

// removeDoomed removes the folders of deleted jobs and returns when to look again.
func (j *janitor) removeDoomed(ctx context.Context) time.Duration {
	var done removals
	next := j.removeAll(ctx, &done)
	if done.removed > 0 {
		j.log.Info("folders of deleted jobs were removed", "folders", done.removed)
	}
	if done.failed > maxNamedFailures {
		j.log.Warn("more folders of deleted jobs cannot be removed now", "folders", done.failed-maxNamedFailures)
	}
	if done.unnoted != nil && ctx.Err() == nil {
		j.log.Error("note that folders of deleted jobs are removed", "error", done.unnoted)
		return janitorEvery
	}
	return next
}

func (j *janitor) removeAll(ctx context.Context, done *removals) time.Duration {
	for done.failed < maxRemoveFailures && ctx.Err() == nil {
		due, err := j.store.Doomed(j.after, removeBatch)
		if err != nil {
			j.log.Error("look for the folders of deleted jobs", "error", err)
			return janitorEvery
		}
		if len(due) == 0 {
			j.after = 0
			return j.nextRemoval(time.Now())
		}
		j.after = due[len(due)-1]
		j.removeSome(ctx, due, done)
	}
	return janitorEvery
}

// removeSome removes the folders of some jobs. On a full disk the database cannot hear of it, and they are removed all the
// same: that makes room.
func (j *janitor) removeSome(ctx context.Context, due []job.ID, done *removals) {
	gone := make([]job.ID, 0, len(due))
	for _, id := range due {
		if ctx.Err() != nil {
			return
		}
		switch ok, err := j.tryRemove(id); {
		case ok:
			gone = append(gone, id)
		case err != nil:
			if done.failed++; done.failed <= maxNamedFailures {
				j.log.Warn("the folder of a deleted job cannot be removed now", "job", id, "error", err, "again_in", j.waits[id].wait)
			}
		}
	}
	if len(gone) == 0 {
		return
	}
	if err := j.note(ctx, gone...); err != nil {
		done.unnoted = err
		return
	}
	done.removed += len(gone)
}

// tryRemove removes the folder of a job, unless it is to be left alone for now.
func (j *janitor) tryRemove(id job.ID) (done bool, err error) {
	w := j.waits[id]
	if time.Now().Before(w.until) {
		return false, nil
	}
	if err := j.remove(id); err != nil {
		w.wait = min(max(2*w.wait, minRemoveWait), maxRemoveWait)
		w.until = time.Now().Add(w.wait)
		j.waits[id] = w
		return false, err
	}
	delete(j.waits, id)
	return true, nil
}

// nextRemoval returns how long it is until a folder is no longer left alone, and no more than janitorEvery.
func (j *janitor) nextRemoval(now time.Time) time.Duration {
	next := janitorEvery
	for _, w := range j.waits {
		next = min(next, w.until.Sub(now))
	}
	return max(0, next)
}

// expireRequests drops requests that need not be known any more. Where there may be more of them, it does so again soon.
func (j *janitor) expireRequests(ctx context.Context, now time.Time) {
	n, err := j.store.ExpireRequests(ctx)
	switch {
	case err != nil && ctx.Err() == nil:
		j.log.Error("drop old requests", "error", err)
	case n > 0:
		j.log.Debug("old requests were dropped", "requests", n)
	default:
		j.expireAt = now.Add(expireEvery)
	}
}
