package workspace

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/stint-jobs/stint/internal/job"
)

// markName is the file in an imported folder that says which import it came from.
const markName = reserved + "import"

const maxMark = 1024

// Import is a folder of files that is to become a folder of a workspace.
type Import struct {
	// Source is the folder. Nothing outside of it is read.
	Source *os.Root
	// Mark names the import, as text of one line: the same mark is imported once only.
	Mark string
	// Targets are the paths that the folder may get, the best first. The first that is free is taken.
	Targets []string
	// Links allows hard links to the files of the source. Nothing may be able to write to these any more.
	Links bool
	// Watch is called for copies that take room.
	Watch Watch
}

// Imported is an import that is in place.
type Imported struct {
	// Path of the folder.
	Path string
	// Already says that an earlier call had put it there.
	Already bool
	// Skipped is what was left out, and what has another name than at its source.
	Skipped Skipped
}

// Import puts a folder into the owner's workspace, whole or not at all, and
// answers once it is durable. It may be repeated after a crash at any moment: an import that is in place, as its
// mark shows, is not done again. Files are hard links to the source's where that is allowed and the
// disk can, else clones of them where the file system has clones, else copies. They are read-only. When all targets are taken the error is
// job.ErrAlreadyExists, and job.ErrExhausted when it does not fit into the quota.
func (w *Workspace) Import(ctx context.Context, owner string, im Import) (Imported, error) {
	targets, err := w.cleanTargets(im)
	if err != nil {
		return Imported{}, err
	}
	t, err := w.make(owner)
	if err != nil {
		return Imported{}, err
	}
	defer t.Close()
	if done, _, err := t.imported(targets, im.Mark); err != nil {
		return Imported{}, err
	} else if done != "" { // perhaps by a call that did not get to making it durable
		return Imported{Path: done, Already: true}, t.syncAbove(done)
	}
	room, err := t.reserve(ctx, amount{})
	if err != nil {
		return Imported{}, err
	}
	defer room.release()
	if err := room.entry(ctx, 0); err != nil { // the folder itself
		return Imported{}, err
	}
	built, skipped, err := t.build(ctx, im, room)
	if err != nil {
		return Imported{}, storing("store results", err)
	}
	in, err := t.settle(built, targets, im.Mark, room)
	if err != nil || in.Already { // otherwise it was moved into place
		_ = t.RemoveAll(built)
	}
	if err == nil {
		in.Skipped = skipped
		err = t.syncAbove(in.Path)
	}
	if err != nil {
		return Imported{}, storing("store results", err)
	}
	return in, nil
}

func (w *Workspace) cleanTargets(im Import) ([]string, error) {
	if im.Mark == "" || len(im.Mark) > maxMark || len(im.Targets) == 0 {
		return nil, errors.New("an import needs a mark and a target")
	}
	var targets []string
	for _, p := range im.Targets {
		p, err := w.newEntry(p)
		if err != nil {
			return nil, err
		}
		targets = append(targets, p)
	}
	return targets, nil
}

// imported answers which of the targets holds the import already, empty when none does, and which of them are free.
func (t tree) imported(targets []string, mark string) (done string, free []bool, err error) {
	if free, err = t.free(targets); err != nil {
		return "", nil, fmt.Errorf("look for import: %w", err)
	}
	for i, p := range targets {
		if free[i] {
			continue
		}
		f, _, err := openRegular(t.Root, rel(path.Join(p, markName)))
		if missing(err) || errors.Is(err, fs.ErrInvalid) {
			continue
		}
		if err != nil {
			return "", nil, fmt.Errorf("look for import: %w", err)
		}
		found, err := io.ReadAll(io.LimitReader(f, maxMark+1))
		if err = errors.Join(err, f.Close()); err != nil {
			return "", nil, fmt.Errorf("read import mark: %w", err)
		}
		if string(found) == mark {
			return p, free, nil
		}
	}
	return "", free, nil
}

// free tells of each path whether nothing is there. The folder that several are in is opened once.
func (t tree) free(paths []string) ([]bool, error) {
	free := make([]bool, len(paths))
	var parent *os.File // of the path before; nil where it is not there
	defer func() { _ = parent.Close() }()
	var err error
	for i, p := range paths {
		if i == 0 || path.Dir(p) != path.Dir(paths[i-1]) {
			_ = parent.Close() // nil has nothing to close
			if parent, err = openFolder(t.Root, rel(path.Dir(p))); err != nil && !missing(err) {
				return nil, err
			}
		}
		if free[i] = parent == nil; free[i] {
			continue
		}
		var found unix.Stat_t // the name has no slash, so it leads nowhere else
		err = unix.Fstatat(int(parent.Fd()), path.Base(p), &found, unix.AT_SYMLINK_NOFOLLOW)
		if free[i] = errors.Is(err, fs.ErrNotExist); err != nil && !free[i] {
			return nil, &fs.PathError{Op: "fstatat", Path: p, Err: err}
		}
	}
	return free, nil
}

// build makes the whole folder, with its mark, where no path leads.
func (t tree) build(ctx context.Context, im Import, room *reservation) (string, Skipped, error) {
	built := path.Join(tempDir, rand.Text())
	err := t.Mkdir(built, dirMode)
	if errors.Is(err, fs.ErrNotExist) {
		if err = t.Mkdir(tempDir, 0o700); err == nil || errors.Is(err, fs.ErrExist) { // made by a call beside this one
			err = t.Mkdir(built, dirMode)
		}
	}
	if err != nil {
		return "", Skipped{}, err
	}
	skipped, err := t.fill(ctx, built, im, room)
	if err != nil {
		return "", Skipped{}, errors.Join(err, t.RemoveAll(built))
	}
	return built, skipped, nil
}

// fill puts the mark and the content into the folder, which is reached once for all of it.
func (t tree) fill(ctx context.Context, built string, im Import, room *reservation) (Skipped, error) {
	dst, err := t.OpenRoot(built)
	if err != nil {
		return Skipped{}, err
	}
	defer dst.Close()
	if err := writeMark(dst, im.Mark); err != nil {
		return Skipped{}, err
	}
	files := &copier{links: im.Links, durable: true, watch: im.Watch, size: func(ctx context.Context) (int64, error) {
		return allocated(ctx, im.Source, ".")
	}}
	defer files.close()
	x := transfer{
		src: im.Source, dst: dst, room: room.entry, longest: roomBelow(im.Targets), deepest: t.depthBelow(im.Targets),
		durable: true, rename: true, files: files,
	}
	err = x.fill(ctx, ".", ".") // last, because it makes the folder durable
	return x.skipped, err
}

// roomBelow is how long a path below any of the targets may be.
func roomBelow(targets []string) int {
	longest := 0
	for _, p := range targets {
		longest = max(longest, len(p))
	}
	return job.MaxPath - longest - len("//")
}

// depthBelow is how many names a path below any of the targets may have; 0 is no limit.
func (t tree) depthBelow(targets []string) int {
	if t.account.limit.MaxDepth == 0 {
		return 0
	}
	deepest := 0
	for _, p := range targets {
		deepest = max(deepest, strings.Count(p, "/"))
	}
	return max(1, t.account.limit.MaxDepth-deepest)
}

func writeMark(dst *os.Root, mark string) error {
	f, err := dst.OpenFile(markName, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, strings.NewReader(mark))
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// settle moves the built folder to the first target that is free.
func (t tree) settle(built string, targets []string, mark string, room *reservation) (Imported, error) {
	t.account.tree.Lock()
	defer t.account.tree.Unlock()
	done, free, err := t.imported(targets, mark)
	if err != nil || done != "" { // by a call that ran beside this one
		return Imported{Path: done, Already: true}, err
	}
	for i, p := range targets {
		if !free[i] {
			continue
		}
		if err := room.tryTake(t.account.entries(t.missingAbove(p), 0)); err != nil {
			return Imported{}, err
		}
		if err := t.makeFolder(path.Dir(p)); err != nil {
			return Imported{}, err
		}
		n := room.taken
		if err := room.commit(amount{}); err != nil {
			return Imported{}, err
		}
		if err := t.Rename(built, rel(p)); err != nil {
			t.account.freed(n)
			return Imported{}, err
		}
		return Imported{Path: p}, nil
	}
	return Imported{}, job.Userf(job.ErrAlreadyExists, "%s is there already", targets[0])
}
