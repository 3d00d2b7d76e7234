package jobs

import (
	"context"
	"slices"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/api/page"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
)

// snapshotPage is how many jobs of a snapshot are in memory at once.
const snapshotPage = 200

// restart sends a snapshot, behind word of it when the client knew something before.
// A frame within the snapshot carries no cursor: who loses the connection there begins anew.
//
// The snapshot holds at the revision of its last frame. Jobs that changed while
// it was read are newer than that, and those of their changes that it shows already are not sent again.
func (w *watcher) restart(ctx context.Context, knewSomething bool) error {
	if !w.changes {
		w.after, w.last = w.cfg.Store.Revision(), nil
		return nil
	}
	if knewSomething {
		if err := w.send("", &jobsv1.WatchStatusResponse{Event: &jobsv1.WatchStatusResponse_Restarted{Restarted: &jobsv1.Restarted{}}}); err != nil {
			return err
		}
	}
	at := w.cfg.Store.Revision()
	if err := w.send("", &jobsv1.WatchStatusResponse{Event: &jobsv1.WatchStatusResponse_SnapshotBegin{SnapshotBegin: &jobsv1.SnapshotBegin{}}}); err != nil {
		return err
	}
	w.ahead = nil
	part := func(jobs []*jobsv1.Job) error { return w.sendPart(at, jobs) }
	send := w.snapshotOfOwner
	if w.what.IDs != nil {
		send = w.snapshotOfIDs
	}
	if err := send(ctx, part); err != nil {
		return err
	}
	w.after = at
	return w.send(w.cursor(), &jobsv1.WatchStatusResponse{Event: &jobsv1.WatchStatusResponse_SnapshotEnd{SnapshotEnd: &jobsv1.SnapshotEnd{}}})
}

// sendPart sends jobs of a snapshot that was begun at a revision.
func (w *watcher) sendPart(at uint64, jobs []*jobsv1.Job) error {
	w.cfg.explain(jobs...)
	for _, j := range jobs {
		if id, err := job.ParseID(j.GetId()); err != nil || !w.maySend(id) || !w.sel.filter.fits(j) {
			continue
		}
		if j.GetRevision() > at {
			if w.ahead == nil {
				w.ahead = make(map[string]uint64)
			}
			w.ahead[j.GetId()] = j.GetRevision()
		}
		f := &jobsv1.WatchStatusResponse{Event: &jobsv1.WatchStatusResponse_Job{Job: j}}
		if err := w.send("", f); err != nil {
			return err
		}
	}
	return nil
}

// snapshotOfIDs hands over the watched ids, part by part.
func (w *watcher) snapshotOfIDs(_ context.Context, part func([]*jobsv1.Job) error) error {
	for ids := w.what.IDs; len(ids) > 0; {
		jobs, taken, err := w.cfg.Store.GetPart(w.what.Scope, ids[:min(len(ids), snapshotPage)], jobsv1.JobView_JOB_VIEW_BASIC, page.Bound)
		if err != nil {
			return err
		}
		if err := part(jobs); err != nil {
			return err
		}
		ids = ids[taken:]
	}
	return nil
}

// snapshotOfOwner hands over the newest jobs that are final and all that are not, oldest first, part by part. A client that
// reads slowly holds up one part, which is no larger than a page.
func (w *watcher) snapshotOfOwner(ctx context.Context, part func([]*jobsv1.Job) error) error {
	final, err := w.page(ctx, finalStates, nil, func(q *store.Query) { q.Limit = recentFinal })
	if err != nil {
		return err
	}
	slices.Reverse(final.Jobs)
	seen := make(map[string]bool, len(final.Jobs))
	for _, j := range final.Jobs {
		seen[j.GetId()] = true
	}
	if err := part(final.Jobs); err != nil {
		return err
	}
	var after *store.Cursor
	for {
		found, err := w.page(ctx, activeStates, after, func(q *store.Query) { q.Order, q.Limit = []store.Order{{Field: store.ByID}}, snapshotPage })
		if err != nil {
			return err
		}
		active := slices.DeleteFunc(found.Jobs, func(j *jobsv1.Job) bool { return seen[j.GetId()] })
		if err := part(active); err != nil {
			return err
		}
		if after = found.Next; after == nil {
			return nil
		}
	}
}

// finalStates are the states that are final.
var finalStates = slices.DeleteFunc(slices.Clone(job.States), func(s jobsv1.State) bool { return !job.Terminal(s) })

// page reads a page of the watched jobs in some states.
func (w *watcher) page(ctx context.Context, states []jobsv1.State, after *store.Cursor, set func(*store.Query)) (found *store.Page, err error) {
	q := w.sel.filter.query(w.sel.scope)
	if q.States != nil {
		states = intersect(states, q.States)
	}
	if len(states) == 0 || w.sel.filter != nil && w.sel.filter.never {
		return &store.Page{}, nil
	}
	q.States, q.After, q.Bound, q.View, q.MatchKey = states, after, page.Bound, jobsv1.JobView_JOB_VIEW_BASIC, ""
	set(&q)
	err = w.evaluate(ctx, w.sel.filter, func() error {
		found, err = w.cfg.Store.Page(ctx, q)
		return err
	})
	return found, err
}
