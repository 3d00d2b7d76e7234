package workspace

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"path"

	"github.com/stint-jobs/stint/internal/job"
)

// Kind is what a path is expected to lead to.
type Kind int

// What can be exported.
const (
	// KindFile is a regular file.
	KindFile Kind = iota + 1
	// KindFolder is a folder with everything in it.
	KindFolder
)

// Export is a file or folder of a workspace that is to be put into another
// folder of this machine.
type Export struct {
	// Path in the workspace.
	Path string
	// Kind that must be there; the other one is job.ErrConflict.
	Kind Kind
	// Target is the folder to put it into, and nothing outside of it is written.
	Target *os.Root
	// Name below the target, with slashes. Missing folders are made.
	Name string
	// Watch is called for copies that take room.
	Watch Watch
}

// Export puts a file or folder of the owner's workspace into another folder, by
// hard links where possible and by copies otherwise. Nobody may write to it there: see MakeCopy for
// what a command gets. It appears there whole or
// not at all; what is there under that name already stays and is taken as the result of an
// earlier call. A path that leads to nothing is job.ErrNotFound.
func (w *Workspace) Export(ctx context.Context, owner string, ex Export) (Skipped, error) {
	p, err := Clean(ex.Path)
	if err != nil {
		return Skipped{}, err
	}
	if _, err := ex.Target.Lstat(ex.Name); err == nil {
		return Skipped{}, nil
	}
	t, err := w.open(owner)
	if err != nil {
		return Skipped{}, reading("read", p, err)
	}
	defer t.Close()
	if err := ex.Target.MkdirAll(path.Dir(ex.Name), dirMode); err != nil {
		return Skipped{}, placing("make folder", err)
	}
	if ex.Kind == KindFolder {
		return t.exportFolder(ctx, p, ex)
	}
	return Skipped{}, t.exportFile(ctx, p, ex)
}

func (t tree) exportFile(ctx context.Context, p string, ex Export) error {
	src, _, err := openRegular(t.Root, rel(p))
	if err != nil {
		return t.openFailed(p, err)
	}
	defer src.Close()
	files := t.exporter(p, ex)
	defer files.close()
	if err := files.copy(ctx, src, ex.Target, ex.Name); err != nil && !errors.Is(err, fs.ErrExist) {
		return placing("stage "+p, err)
	}
	return nil
}

func (t tree) exportFolder(ctx context.Context, p string, ex Export) (Skipped, error) {
	info, err := t.Stat(rel(p))
	if err != nil {
		return Skipped{}, reading("read", p, err)
	}
	if !info.IsDir() {
		return Skipped{}, job.Userf(job.ErrConflict, "%s is a file, not a folder", p)
	}
	files := t.exporter(p, ex)
	defer files.close()
	x := transfer{src: t.Root, dst: ex.Target, longest: math.MaxInt, files: files}
	if err := x.whole(ctx, rel(p), ex.Name); err != nil {
		return Skipped{}, placing("stage "+p, err)
	}
	return x.skipped, nil
}

// exporter makes links, and durable copies where the workspace is on another disk.
func (t tree) exporter(p string, ex Export) *copier {
	return &copier{watch: ex.Watch, links: true, durable: true, size: func(ctx context.Context) (int64, error) {
		return allocated(ctx, t.Root, rel(p))
	}}
}
