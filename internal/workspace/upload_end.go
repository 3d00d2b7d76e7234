package workspace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"
)

// EndUpload gives an upload up. What it has received is removed; a file that it was finished to
// stays. An append that is under way fails.
func (w *Workspace) EndUpload(_ context.Context, owner, id string) error {
	u, err := w.uploadOf(owner, id)
	if err != nil {
		return err
	}
	t, err := w.open(owner)
	if err != nil {
		return reading("end the upload", id, err)
	}
	defer t.Close()
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.gone {
		return errNoUpload(id)
	}
	if err := w.forgetUpload(t, u); err != nil {
		return fmt.Errorf("end the upload to %s: %w", u.rec.Path, err)
	}
	return nil
}

// ExpireUploads drops uploads to which nothing was added for too long, and forgets those that were
// finished long ago. It returns how many it dropped.
func (w *Workspace) ExpireUploads(ctx context.Context, now time.Time) (dropped int, err error) {
	for _, owner := range w.uploads.owners() {
		n, failed := w.expireUploadsOf(ctx, owner, now)
		dropped, err = dropped+n, errors.Join(err, failed)
	}
	return dropped, err
}

func (w *Workspace) expireUploadsOf(ctx context.Context, owner string, now time.Time) (dropped int, err error) {
	t, err := w.open(owner)
	if err != nil {
		return 0, fmt.Errorf("expire uploads of %s: %w", owner, err)
	}
	defer t.Close()
	for _, u := range w.uploads.of(owner) {
		if ctx.Err() != nil {
			return dropped, nil
		}
		u.mu.Lock()
		if u.running == nil && !u.gone && now.After(w.expires(u)) {
			if u.rec.Stored == nil {
				dropped++
			}
			err = errors.Join(err, w.forgetUpload(t, u))
		}
		u.mu.Unlock()
	}
	return dropped, err
}

// forgetFinished forgets the oldest of an owner's finished uploads, if there are more than are
// kept. The caller holds the lock of no upload.
func (w *Workspace) forgetFinished(t tree, owner string) error {
	finished := slices.DeleteFunc(w.uploads.of(owner), func(u *resumable) bool { return u.open.Load() })
	var err error
	for _, u := range finished[:max(0, len(finished)-maxFinished)] {
		u.mu.Lock()
		if !u.gone {
			err = errors.Join(err, w.forgetUpload(t, u))
		}
		u.mu.Unlock()
	}
	return err
}

// forgetUpload removes an upload with its files, and gives back its room. The caller holds its
// lock.
func (w *Workspace) forgetUpload(t tree, u *resumable) error {
	u.gone, u.running = true, nil
	u.open.Store(false)
	w.uploads.mu.Lock()
	delete(w.uploads.byOwner[u.owner], u.id)
	if len(w.uploads.byOwner[u.owner]) == 0 {
		delete(w.uploads.byOwner, u.owner)
	}
	w.uploads.mu.Unlock()
	u.giveBack(t.account)
	return removeUpload(t, u.id)
}

// forgetUploadsOf forgets all uploads of an owner whose tree is going to be removed.
func (w *Workspace) forgetUploadsOf(t tree, owner string) error {
	var err error
	for _, u := range w.uploads.of(owner) {
		u.mu.Lock()
		if !u.gone {
			err = errors.Join(err, w.forgetUpload(t, u))
		}
		u.mu.Unlock()
	}
	return err
}

// giveBack gives back the room that was taken. The caller holds the upload's lock.
func (u *resumable) giveBack(a *account) {
	a.release(u.taken)
	u.taken = amount{}
}

// removeUpload removes the files of an upload, the record first: bytes without one are left-overs.
func removeUpload(t tree, id string) error {
	var err error
	for _, name := range []string{recordName(id), partName(id)} {
		if e := t.Remove(name); e != nil && !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return err
}
