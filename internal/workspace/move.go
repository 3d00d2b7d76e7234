package workspace

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"

	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// Transfer is a file or folder of a workspace that gets another path, or a copy there.
type Transfer struct {
	// Path that it has.
	Path string
	// To is the path that it or its copy gets. Missing folders above it are made.
	To string
	// Overwrite replaces a file at To. A folder is never replaced.
	Overwrite bool
}

// Move gives a file or folder another path, at once. The error is job.ErrNotFound where nothing is
// at the path, job.ErrAlreadyExists and job.ErrConflict for what is at the new one,
// job.ErrExhausted where the folders above that do not fit into the quota, and a *job.InvalidError
// for the field `path` or `to`.
func (w *Workspace) Move(ctx context.Context, owner string, m Transfer) (*workspacev1.WorkspaceEntry, error) {
	m, err := w.cleanTransfer(m)
	if err != nil {
		return nil, err
	}
	t, err := w.open(owner)
	if err != nil {
		return nil, reading("move", m.Path, err)
	}
	defer t.Close()
	if err := t.count(ctx, false); err != nil {
		return nil, err
	}
	e, err := t.move(ctx, m)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(t.syncAbove(m.To), t.syncAbove(m.Path)); err != nil {
		return nil, storing("move "+m.Path+" to "+m.To, err)
	}
	return e, nil
}

// cleanTransfer checks the paths themselves.
func (w *Workspace) cleanTransfer(m Transfer) (Transfer, error) {
	from, err := cleanEntry(m.Path)
	if err != nil {
		return m, err
	}
	to, err := w.newEntry(m.To)
	if err != nil {
		return m, atTarget(err)
	}
	switch {
	case to == from:
		return m, job.Invalid("to", "is the path that it has already")
	case strings.HasPrefix(to, from+"/"):
		return m, errInside(from)
	}
	m.Path, m.To = from, to
	return m, nil
}

func errInside(from string) error {
	return job.Invalid("to", "is in %s itself. Choose a path outside of it", from)
}

// atTarget is an error about a path as one about the target.
func atTarget(err error) error {
	invalid, ok := errors.AsType[*job.InvalidError](err)
	if !ok {
		return err
	}
	var v job.Violations
	for _, one := range invalid.Violations {
		if one.Field == "path" {
			one.Field = "to"
		}
		v = append(v, one)
	}
	return v.Err()
}

// move checks and renames while the tree stands still.
func (t tree) move(ctx context.Context, m Transfer) (*workspacev1.WorkspaceEntry, error) {
	t.account.tree.Lock()
	defer t.account.tree.Unlock()
	info, err := t.movable(ctx, m)
	if err != nil {
		return nil, err
	}
	if err := t.rename(m, info); err != nil {
		return nil, atTarget(storing("move "+m.Path+" to "+m.To, err))
	}
	return entry(m.To, info), nil
}

// rename gives what may be moved its new path. The caller holds account.tree.
func (t tree) rename(m Transfer, info fs.FileInfo) error {
	old, err := t.placeFor(m, info)
	if err != nil {
		return err
	}
	if n := t.missingAbove(m.To); n > 0 {
		room := &reservation{tree: t}
		if err := room.tryTake(t.account.entries(n, 0)); err != nil {
			return err
		}
		defer room.release()
		if err := t.makeFolder(path.Dir(m.To)); err != nil {
			return err
		}
		if err := room.commit(amount{}); err != nil { // the folders stay, whatever becomes of the move
			return err
		}
	}
	if err := t.Rename(rel(m.Path), rel(m.To)); err != nil {
		if errors.Is(err, syscall.EINVAL) { // through a link
			return errInside(m.Path)
		}
		return err
	}
	t.account.known.forget()
	t.account.freed(old)
	return nil
}

// movable is what is at the path, if it may be at the new one.
func (t tree) movable(ctx context.Context, m Transfer) (fs.FileInfo, error) {
	info, err := t.Stat(rel(m.Path)) // a link that leads nowhere or out of the tree is not shown, and not moved
	if err != nil {
		return nil, reading("move", m.Path, err)
	}
	if link, err := t.Lstat(rel(m.Path)); err == nil && link.Mode()&fs.ModeSymlink != 0 {
		return nil, job.Invalid("path", "is a link, which may lead elsewhere from another folder. Move or copy what it leads to")
	}
	switch {
	case info.IsDir():
		return info, t.fitsBelow(ctx, m)
	case !info.Mode().IsRegular():
		return nil, reading("move", m.Path, fs.ErrNotExist)
	}
	return info, nil
}

// placeFor checks what is at the new path, and returns what it takes if it is replaced.
func (t tree) placeFor(m Transfer, info fs.FileInfo) (amount, error) {
	there, err := t.Lstat(rel(m.To))
	if errors.Is(err, fs.ErrNotExist) {
		return amount{}, nil
	}
	if err != nil {
		return amount{}, err
	}
	if os.SameFile(there, info) {
		return amount{}, job.Invalid("to", "is the same file or folder already")
	}
	if info.IsDir() && m.Overwrite && !there.IsDir() {
		return amount{}, job.Userf(job.ErrConflict, "%s is a file, which a folder does not replace. Delete it first, or choose another name", m.To)
	}
	return t.replaceable(m.To, PutOptions{Overwrite: m.Overwrite})
}

// fitsBelow checks that the paths of what is in a folder are neither too deep nor too long at the
// new path.
func (t tree) fitsBelow(ctx context.Context, m Transfer) error {
	var s extent
	if err := t.reach(ctx, rel(m.Path), 0, 0, &s); err != nil {
		return reading("read", m.Path, err)
	}
	names := strings.Count(m.To, "/") + s.names
	if most := t.account.limit.MaxDepth; most > 0 && names > most {
		return job.Invalid("to", "would give something in the folder a path of %d names; a path has at most %d", names, most)
	}
	if n := len(m.To) + s.bytes; n > job.MaxPath {
		return job.Invalid("to", "would give something in the folder a path of %d bytes; a path has at most %d", n, job.MaxPath)
	}
	return nil
}

// extent is how far paths go below a folder.
type extent struct{ names, bytes int }

// reach finds the deepest and the longest path below a folder.
func (t tree) reach(ctx context.Context, dir string, names, bytes int, s *extent) error {
	return eachEntry(ctx, t.Root, dir, func(e fs.DirEntry) error {
		n, b := names+1, bytes+1+len(e.Name())
		s.names, s.bytes = max(s.names, n), max(s.bytes, b)
		if !e.IsDir() {
			return nil
		}
		return t.reach(ctx, path.Join(dir, e.Name()), n, b, s)
	})
}
