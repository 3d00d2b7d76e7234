package workspace

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"path"

	"github.com/stint-jobs/stint/internal/job"
)

// DeleteOptions says how much is deleted.
type DeleteOptions struct {
	// Recursive deletes a folder with everything in it; otherwise a folder that
	// is not empty is job.ErrConflict.
	Recursive bool
}

// Delete removes the file or folder at p and answers how many files went. The
// root cannot be deleted. A link is removed, never what it leads to. A folder is gone at
// once; its room on the disk follows before Delete answers.
func (w *Workspace) Delete(ctx context.Context, owner, p string, o DeleteOptions) (int64, error) {
	p, err := cleanEntry(p)
	if err != nil {
		return 0, err
	}
	t, err := w.open(owner)
	if err != nil {
		return 0, reading("delete", p, err)
	}
	defer t.Close()
	if err := t.count(ctx, false); err != nil {
		return 0, err
	}
	gone, trash, err := t.detach(ctx, p, o)
	if err != nil {
		return 0, err
	}
	if err := t.RemoveAll(trash); err != nil {
		return 0, reading("delete", p, err)
	}
	return gone.files, t.syncAbove(p)
}

// detach takes what is at p out of the tree and answers where it is now.
func (t tree) detach(ctx context.Context, p string, o DeleteOptions) (sum, string, error) {
	t.account.tree.Lock()
	defer t.account.tree.Unlock()
	gone, err := t.deletable(ctx, p, o)
	if err != nil {
		return sum{}, "", err
	}
	if err := t.Mkdir(tempDir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return sum{}, "", storing("delete "+p, err)
	}
	trash := path.Join(tempDir, rand.Text())
	if err := t.Rename(rel(p), trash); err != nil {
		return sum{}, "", reading("delete", p, err)
	}
	t.account.known.forget()
	t.account.freed(t.account.entries(gone.entries, gone.bytes))
	return gone, trash, nil
}

// deletable checks that p may be deleted and measures it.
func (t tree) deletable(ctx context.Context, p string, o DeleteOptions) (sum, error) {
	info, err := t.Lstat(rel(p))
	if err != nil {
		return sum{}, reading("delete", p, err)
	}
	switch {
	case info.Mode().IsRegular():
		return sum{files: 1, entries: 1, bytes: info.Size()}, nil
	case !info.IsDir():
		return sum{files: 1, entries: 1}, nil
	}
	gone, err := measure(ctx, t.Root, rel(p))
	if err != nil {
		return sum{}, reading("delete", p, err)
	}
	gone.entries++ // the folder itself
	if o.Recursive {
		return gone, nil
	}
	keys, err := t.keys(ctx, p, maxSorted)
	if err != nil && !errors.Is(err, errLarge) {
		return sum{}, reading("delete", p, err)
	}
	if len(keys) > 0 {
		return sum{}, job.Userf(job.ErrConflict, "the folder %s is not empty; ask for everything in it to be deleted too", p)
	}
	return gone, nil
}

// Erase deletes the whole tree of an owner and returns how many files and folders it had. An owner without
// one has none. Uploads that are under way fail.
func (w *Workspace) Erase(ctx context.Context, owner string) (int64, error) {
	t, err := w.open(owner)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, reading("delete", "/", err)
	}
	defer t.Close()
	if err := w.forgetUploadsOf(t, owner); err != nil {
		return 0, reading("delete", "/", err)
	}
	t.account.tree.Lock()
	defer t.account.tree.Unlock()
	gone, err := measure(ctx, t.Root, ".")
	if err != nil {
		return 0, reading("delete", "/", err)
	}
	if err := w.root.RemoveAll(owner); err != nil {
		return 0, reading("delete", "/", err)
	}
	t.account.known.forget()
	t.account.mu.Lock()
	defer t.account.mu.Unlock()
	t.account.used = amount{}
	return gone.entries, nil
}
