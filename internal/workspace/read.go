package workspace

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// Stat answers what is at p. Nothing, or what List would not show, is job.ErrNotFound.
func (w *Workspace) Stat(_ context.Context, owner, p string) (*workspacev1.WorkspaceEntry, error) {
	p, err := Clean(p)
	if err != nil {
		return nil, err
	}
	t, err := w.open(owner)
	if errors.Is(err, fs.ErrNotExist) && p == "/" {
		return &workspacev1.WorkspaceEntry{Path: "/", Folder: true}, nil
	}
	if err != nil {
		return nil, reading("look for", p, err)
	}
	defer t.Close()
	info, err := t.Stat(rel(p))
	if err == nil && !info.IsDir() && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, reading("look for", p, err)
	}
	return entry(p, info), nil
}

// File is a file of a workspace, opened for reading.
type File struct {
	// Entry describes the file as it was when it was opened; the file that is
	// read stays the same one when another takes its name.
	Entry *workspacev1.WorkspaceEntry

	f *os.File
}

var (
	_ io.ReadSeekCloser = (*File)(nil)
	_ io.ReaderAt       = (*File)(nil)
)

// Read reads the next bytes.
func (f *File) Read(p []byte) (int, error) { return f.f.Read(p) }

// ReadAt reads the bytes at an offset.
func (f *File) ReadAt(p []byte, off int64) (int, error) { return f.f.ReadAt(p, off) }

// Seek moves to an offset.
func (f *File) Seek(offset int64, whence int) (int64, error) { return f.f.Seek(offset, whence) }

// Close lets go of the file.
func (f *File) Close() error { return f.f.Close() }

// Open opens the file at p for reading. A folder is job.ErrConflict.
func (w *Workspace) Open(_ context.Context, owner, p string) (*File, error) {
	p, err := Clean(p)
	if err != nil {
		return nil, err
	}
	t, err := w.open(owner)
	if err != nil {
		return nil, reading("open", p, err)
	}
	defer t.Close()
	f, info, err := openRegular(t.Root, rel(p))
	if err != nil {
		return nil, t.openFailed(p, err)
	}
	return &File{Entry: entry(p, info), f: f}, nil
}

func (t tree) openFailed(p string, err error) error {
	if !errors.Is(err, fs.ErrInvalid) {
		return reading("open", p, err)
	}
	if info, err := t.Stat(rel(p)); err == nil && info.IsDir() {
		return job.Userf(job.ErrConflict, "%s is a folder, not a file", p)
	}
	return reading("open", p, fs.ErrNotExist)
}
