package jobs

import (
	"slices"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
)

// lentIn are the jobs that a scope sees only because they were shared. The
// right to them can end while the scope stays as it is.
func lentIn(scope store.Scope, jobs []*jobsv1.Job) map[job.ID]bool {
	lent := make(map[job.ID]bool)
	for _, j := range jobs {
		if scope.All || j.GetOwner() == scope.Owner {
			continue
		}
		if id, err := job.ParseID(j.GetId()); err == nil {
			lent[id] = true
		}
	}
	return lent
}

// maySend reports whether the caller may hear of a job at this moment.
func (w *watcher) maySend(id job.ID) bool {
	return !w.lent[id] || w.cfg.Store.Sees(w.what.Scope, id)
}

// takeBack ends the watch of shared jobs that the caller may not see any more, be it that they were
// taken back or deleted. Once nothing is left to watch it ends as a new watch would.
func (w *watcher) takeBack() error {
	var last job.ID
	for id := range w.lent {
		if w.maySend(id) {
			continue
		}
		delete(w.lent, id)
		w.what.IDs = slices.DeleteFunc(slices.Clone(w.what.IDs), func(other job.ID) bool { return other == id })
		last = id
		err := w.send(w.cursor(), &jobsv1.WatchStatusResponse{Event: &jobsv1.WatchStatusResponse_Removed{Removed: &jobsv1.Removed{Id: id.String()}}})
		if err != nil {
			return err
		}
	}
	if last != 0 && len(w.what.IDs) == 0 {
		return noJob(last.String())
	}
	return nil
}
