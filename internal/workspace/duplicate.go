package workspace

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"path"

	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// Duplicate makes a file or folder of a workspace a second time, at another path, whole or not at
// all. The copy shares nothing that can be written with the original: it is a clone where the file
// system has them, otherwise the data again. Links to files are copied as these files; what else is
// no file or folder is left out. copied is called as Watch.Copied is; nil is not called. Errors are
// those of Move, and job.ErrNoSpace.
func (w *Workspace) Duplicate(ctx context.Context, owner string, d Transfer, copied func(done, total int64)) (*workspacev1.WorkspaceEntry, Skipped, error) {
	d, err := w.cleanTransfer(d)
	if err != nil {
		return nil, Skipped{}, err
	}
	t, err := w.open(owner)
	if err != nil {
		return nil, Skipped{}, reading("copy", d.Path, err)
	}
	defer t.Close()
	info, err := t.Stat(rel(d.Path))
	if err == nil && !info.IsDir() && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, Skipped{}, reading("copy", d.Path, err)
	}
	old, err := t.placeFor(d, info)
	if err != nil {
		return nil, Skipped{}, atTarget(storing("copy "+d.Path, err))
	}
	room, err := t.reserve(ctx, old)
	if err != nil {
		return nil, Skipped{}, err
	}
	defer room.release()
	c := duplicate{tree: t, Transfer: d, room: room, folders: t.missingAbove(d.To), files: &copier{
		durable: true, watch: Watch{Copied: copied, Room: w.roomForCopies},
		size: func(ctx context.Context) (int64, error) { return allocated(ctx, t.Root, rel(d.Path)) },
	}}
	defer c.files.close()
	var e *workspacev1.WorkspaceEntry
	var skipped Skipped
	if info.IsDir() {
		e, skipped, err = c.folder(ctx)
	} else {
		e, err = c.file(ctx, info)
	}
	if err == nil {
		err = t.syncAbove(d.To)
	}
	if err != nil {
		return nil, Skipped{}, atTarget(storing("copy "+d.Path+" to "+d.To, err))
	}
	return e, skipped, nil
}

// roomForCopies looks whether the disk has room. The copies take it at once, so that nothing is to
// be given back.
func (w *Workspace) roomForCopies(bytes int64) (release func(), err error) {
	if err := w.floor(bytes); err != nil {
		return nil, err
	}
	return func() {}, nil
}

// duplicate is one Duplicate under way.
type duplicate struct {
	tree
	Transfer
	room    *reservation
	folders int64 // above the copy that there is room for
	files   *copier
}

// file copies a file.
func (c *duplicate) file(ctx context.Context, info fs.FileInfo) (*workspacev1.WorkspaceEntry, error) {
	if err := c.room.take(ctx, c.account.entries(1+c.folders, info.Size())); err != nil {
		return nil, err
	}
	src, _, err := openRegular(c.Root, rel(c.Path))
	if err != nil {
		return nil, reading("copy", c.Path, err)
	}
	defer src.Close()
	temp, err := c.newTemp()
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Remove(temp) }() // gone already when it was renamed
	if err := c.files.copy(ctx, src, c.Root, temp); err != nil {
		return nil, err
	}
	put := upload{tree: c.tree, room: c.room, options: PutOptions{Overwrite: c.Overwrite}, folders: c.folders}
	return put.place(temp, c.To)
}

// folder copies a folder with everything in it.
func (c *duplicate) folder(ctx context.Context) (*workspacev1.WorkspaceEntry, Skipped, error) {
	if err := c.fitsBelow(ctx, c.Transfer); err != nil {
		return nil, Skipped{}, err
	}
	if err := c.room.take(ctx, c.account.entries(1+c.folders, 0)); err != nil {
		return nil, Skipped{}, err
	}
	temp, err := c.newTemp()
	if err != nil {
		return nil, Skipped{}, err
	}
	x := transfer{src: c.Root, dst: c.Root, room: c.room.entry, longest: job.MaxPath, durable: true, files: c.files}
	err = x.run(ctx, rel(c.Path), temp)
	var e *workspacev1.WorkspaceEntry
	if err == nil {
		e, err = c.settle(temp)
	}
	if err != nil {
		return nil, Skipped{}, errors.Join(err, c.RemoveAll(temp))
	}
	return e, x.skipped, nil
}

// settle gives a folder that is complete its path.
func (c *duplicate) settle(temp string) (*workspacev1.WorkspaceEntry, error) {
	c.account.tree.Lock()
	defer c.account.tree.Unlock()
	info, err := c.Lstat(temp)
	if err != nil {
		return nil, err
	}
	if _, err := c.placeFor(c.Transfer, info); err != nil { // as it is now
		return nil, err
	}
	if err := c.room.tryTake(c.account.entries(c.missingAbove(c.To)-c.folders, 0)); err != nil {
		return nil, err
	}
	if err := c.makeFolder(path.Dir(c.To)); err != nil {
		return nil, err
	}
	taken := c.room.taken
	if err := c.room.commit(amount{}); err != nil {
		return nil, err
	}
	if err := c.Rename(temp, rel(c.To)); err != nil {
		c.account.freed(taken) // of the folders above it is an unusual excess, which the next count takes back
		return nil, err
	}
	return entry(c.To, info), nil
}

// newTemp names something that is not complete.
func (t tree) newTemp() (string, error) {
	if err := t.Mkdir(tempDir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return path.Join(tempDir, rand.Text()), nil
}
