package jobs

import (
	"context"
	"slices"
	"strconv"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/api/page"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
)

// restart sends a snapshot, behind a reset when the client knew something before.
// A frame within the snapshot carries revision 0: who loses the connection there begins anew.
//
// The snapshot holds at the revision of its last frame. Jobs that changed while
// it was read are newer than that, and those of their changes that it shows already are not sent again.
func (w *watcher) restart(ctx context.Context, reset bool) error {
	if !w.changes {
		w.after, w.last = w.cfg.Store.Revision(), nil
		return nil
	}
	if reset {
		if err := w.send(0, &jobsv1.WatchStatusResponse{Event: &jobsv1.WatchStatusResponse_Reset_{Reset_: &jobsv1.Reset{}}}); err != nil {
			return err
		}
	}
	at := w.cfg.Store.Revision()
	jobs, err := w.snapshot(ctx)
	if err != nil {
		return err
	}
	if err := w.send(0, &jobsv1.WatchStatusResponse{Event: &jobsv1.WatchStatusResponse_SnapshotBegin{SnapshotBegin: &jobsv1.SnapshotBegin{}}}); err != nil {
		return err
	}
	w.ahead = nil
	w.cfg.explain(jobs...)
	for _, j := range jobs {
		if id, err := job.ParseID(j.GetId()); err != nil || !w.maySend(id) {
			continue
		}
		if j.GetRevision() > at {
			if w.ahead == nil {
				w.ahead = make(map[string]uint64)
			}
			w.ahead[j.GetId()] = j.GetRevision()
		}
		f := &jobsv1.WatchStatusResponse{Event: &jobsv1.WatchStatusResponse_Changed{Changed: store.StatusOf(j)}}
		if err := w.send(0, f); err != nil {
			return err
		}
	}
	w.after = at
	return w.send(at, &jobsv1.WatchStatusResponse{Event: &jobsv1.WatchStatusResponse_SnapshotEnd{SnapshotEnd: &jobsv1.SnapshotEnd{}}})
}

// snapshot is the watched ids, or all jobs that are not final and the newest that are, oldest first.
func (w *watcher) snapshot(ctx context.Context) ([]*jobsv1.Job, error) {
	if w.what.IDs != nil {
		jobs, _, err := w.cfg.Store.GetMany(w.what.Scope, w.what.IDs, jobsv1.JobView_JOB_VIEW_FULL)
		return jobs, err
	}
	final, err := w.cfg.Store.Page(ctx, store.Query{
		Scope: w.what.Scope, States: slices.DeleteFunc(slices.Clone(job.States), func(s jobsv1.State) bool { return !job.Terminal(s) }),
		Limit: recentFinal, View: jobsv1.JobView_JOB_VIEW_FULL,
	})
	if err != nil {
		return nil, err
	}
	jobs := final.Jobs
	slices.Reverse(jobs)
	q := store.Query{
		Scope: w.what.Scope, States: slices.DeleteFunc(slices.Clone(job.States), job.Terminal),
		Order: []store.Order{{Field: store.ByID}}, Limit: page.Max, View: jobsv1.JobView_JOB_VIEW_FULL,
	}
	seen := make(map[string]bool, len(jobs))
	for _, j := range jobs {
		seen[j.GetId()] = true
	}
	for {
		found, err := w.cfg.Store.Page(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, j := range found.Jobs {
			if !seen[j.GetId()] {
				jobs = append(jobs, j)
			}
		}
		if q.After = found.Next; q.After == nil {
			return jobs, nil
		}
	}
}

func parseRevision(s string) (uint64, error) { return strconv.ParseUint(s, 10, 64) }
