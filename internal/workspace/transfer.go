package workspace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/stint-jobs/stint/internal/job"
)

const (
	// syncEach is how many files of a tree are made durable one by one; beyond
	// that one sync of the whole disk is cheaper.
	syncEach = 256
	// skippedKept bounds the names of skipped files that are kept.
	skippedKept = 20
)

// Skipped says what a transfer left out: links that lead nowhere, out of the
// tree or to a folder, pipes and devices, and what lies deeper than a path can be.
type Skipped struct {
	// Count of what was left out.
	Count int
	// Names of the first of them, quoted.
	Names []string
	// Renamed counts what has a name that no path can have, such as bytes that are no UTF-8, and got a made-up one.
	Renamed int
	// NewNames are the first of the made-up ones, quoted.
	NewNames []string
}

func (s *Skipped) add(name string) {
	s.Count++
	if len(s.Names) < skippedKept {
		s.Names = append(s.Names, fmt.Sprintf("%+q", name))
	}
}

func (s *Skipped) renamed(name string) {
	s.Renamed++
	if len(s.NewNames) < skippedKept {
		s.NewNames = append(s.NewNames, fmt.Sprintf("%q", name))
	}
}

// transfer puts the content of one folder into another.
type transfer struct {
	src, dst *os.Root
	// room is asked before each file, and with 0 before each folder; nil for no limit.
	room func(ctx context.Context, n int64) error
	// longest path below the source folder, in bytes.
	longest int
	// deepest path below the source folder, in names; 0 for no limit.
	deepest int
	// durable makes everything durable and read-only, as befits a workspace.
	durable bool
	// rename gives what has a name that no path can have another one.
	rename bool
	// files copies or links each file.
	files *copier

	count   int
	bytes   int64
	skipped Skipped
}

// whole transfers the folder from to the name to, which appears with everything in it or not at all.
func (t *transfer) whole(ctx context.Context, from, to string) error {
	part := partOf(to)
	if err := t.dst.RemoveAll(part); err != nil { // of a call that did not get to its end
		return err
	}
	err := t.run(ctx, from, part)
	if err == nil {
		err = t.dst.Rename(part, to)
	}
	if err != nil {
		return errors.Join(err, t.dst.RemoveAll(part))
	}
	return nil
}

// run transfers the content of the folder from to the new folder to.
func (t *transfer) run(ctx context.Context, from, to string) error {
	if err := t.dst.Mkdir(to, dirMode); err != nil {
		return err
	}
	return t.fill(ctx, from, to)
}

// fill transfers it to a folder that is there, which becomes durable with what is in it already.
func (t *transfer) fill(ctx context.Context, from, to string) error {
	if err := t.folder(ctx, from, to, ""); err != nil {
		return err
	}
	if !t.durable || t.count <= syncEach {
		return nil
	}
	f, err := openFolder(t.dst, to)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(f.Fd())), f.Close())
}

func (t *transfer) folder(ctx context.Context, from, to, below string) error {
	err := eachEntry(ctx, t.src, from, func(e fs.DirEntry) error {
		source := path.Join(from, e.Name())
		target, ok := t.nameFor(from, to, e.Name())
		name := path.Join(below, target)
		switch {
		case e.Name() == markName:
			return nil // says where its folder came from, and does not belong to the copy
		case !ok || len(name) > t.longest || t.deepest > 0 && strings.Count(name, "/") >= t.deepest:
			t.skipped.add(path.Join(below, e.Name()))
			return nil
		}
		var err error
		before := t.skipped.Count
		if e.IsDir() {
			err = t.below(ctx, source, path.Join(to, target), name)
		} else {
			err = t.file(ctx, source, path.Join(to, target), name)
		}
		if err == nil && target != e.Name() && t.skipped.Count == before {
			t.skipped.renamed(name)
		}
		return err
	})
	if err == nil && t.durable {
		err = syncFolder(t.dst, to)
	}
	return err
}

// below transfers a folder in a folder.
func (t *transfer) below(ctx context.Context, from, to, name string) error {
	if t.room != nil {
		if err := t.room(ctx, 0); err != nil {
			return err
		}
	}
	if err := t.dst.Mkdir(to, dirMode); err != nil {
		return err
	}
	return t.folder(ctx, from, to, name)
}

// nameFor is what an entry of the folder from is called in the folder to, and whether it can be there.
func (t *transfer) nameFor(from, to, name string) (string, bool) {
	if shown(name) || !t.rename {
		return name, shown(name)
	}
	made := job.EscapeControls(name)
	if strings.HasPrefix(made, reserved) {
		made = "_" + made[1:]
	}
	for ; shown(made); made += "~" { // until nothing else has it, or it is too long
		_, err := t.src.Lstat(path.Join(from, made))
		_, placed := t.dst.Lstat(path.Join(to, made))
		if err != nil && placed != nil {
			return made, true
		}
	}
	return name, false
}

func (t *transfer) file(ctx context.Context, from, to, name string) error {
	src, info, err := openRegular(t.src, from)
	if errors.Is(err, fs.ErrInvalid) || missing(err) {
		t.skipped.add(name)
		return nil
	}
	if errors.Is(err, fs.ErrPermission) {
		return job.Userf(job.ErrDenied, "the file %q may not be read", name)
	}
	if err != nil {
		return err
	}
	defer src.Close()
	if t.room != nil {
		if err := t.room(ctx, info.Size()); err != nil {
			return err
		}
	}
	t.count++
	t.bytes += info.Size()
	if t.durable {
		t.files.durable = t.count <= syncEach
	}
	if err := t.files.copy(ctx, src, t.dst, to); err != nil {
		return err
	}
	if t.durable {
		return t.protect(to, readOnly(src))
	}
	return nil
}

// protect makes a file of a workspace read-only. A file that is not ours cannot be, and need not.
func (t *transfer) protect(name string, mode fs.FileMode) error {
	if err := t.dst.Chmod(name, mode); err != nil && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return nil
}
