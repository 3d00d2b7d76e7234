package workspace

import (
	"context"
	"errors"
	"io/fs"

	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// MakeFolder makes the folder at p and those above it, and reports whether it was not there before.
// A file at p is job.ErrConflict.
func (w *Workspace) MakeFolder(ctx context.Context, owner, p string) (e *workspacev1.WorkspaceEntry, made bool, err error) {
	p, err = w.newEntry(p)
	if err != nil {
		return nil, false, err
	}
	t, err := w.make(owner)
	if err != nil {
		return nil, false, err
	}
	defer t.Close()
	room, err := t.reserve(ctx, amount{})
	if err != nil {
		return nil, false, err
	}
	defer room.release()
	if made, err = t.addFolder(ctx, p, room); err != nil {
		return nil, false, storing("make "+p, err)
	}
	if made {
		if err := t.syncAbove(p); err != nil {
			return nil, false, storing("make "+p, err)
		}
	}
	info, err := t.Stat(rel(p))
	if err != nil {
		return nil, false, reading("make", p, err)
	}
	return entry(p, info), made, nil
}

// addFolder makes a folder, unless it is there.
func (t tree) addFolder(ctx context.Context, p string, room *reservation) (made bool, err error) {
	info, err := t.Stat(rel(p))
	switch {
	case err == nil && info.IsDir():
		return false, nil
	case err == nil:
		return false, job.Userf(job.ErrConflict, "%s is a file, not a folder", p)
	case !errors.Is(err, fs.ErrNotExist):
		return false, err
	}
	if err := room.take(ctx, t.account.entries(1+t.missingAbove(p), 0)); err != nil { // counts anew where that may help
		return false, err
	}
	t.account.tree.Lock()
	defer t.account.tree.Unlock()
	if _, err := t.Stat(rel(p)); err == nil {
		return false, nil // by a call beside this one
	}
	if err := room.tryTake(t.account.entries(1+t.missingAbove(p), 0).minus(room.taken)); err != nil {
		return false, err
	}
	if err := t.makeFolder(p); err != nil {
		return false, err
	}
	return true, room.commit(amount{})
}
