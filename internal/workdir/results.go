package workdir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/stint-jobs/stint/internal/job/terms"
)

const (
	// MaxPath bounds a result's path in bytes.
	MaxPath = 4096
	// depthMost bounds how deep below output/ results are looked for.
	depthMost = 64
	// readAtOnce is how many entries of a folder are taken into memory at a time.
	readAtOnce = 1024
)

// ResultFile is a regular file below output/.
type ResultFile struct {
	// Path below output/, with slashes. Where that is no UTF-8 it is a made-up one, which OpenResult takes.
	Path string
	// MadeUp reports that Path is one.
	MadeUp bool
	// Size in bytes.
	Size int64
	// ModTime is when it was last changed.
	ModTime time.Time
}

// ListResults lists the regular files below output/, sorted by path, also
// while the command runs. A symbolic link counts as the file that it leads to if that is below
// output/ too; links to folders, and what is neither file nor folder, are left out. When there are more than
// limit files, or some lie deeper than can be listed, the second result is true; which of them are listed is up to the file system.
func (a Attempt) ListResults(limit int) ([]ResultFile, bool, error) {
	out, err := a.openOutput()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("list results of attempt %s: %w", a.Name(), err)
	}
	defer out.Close()
	// Folders without files must not make the walk endless.
	w := walk{out: out, limit: limit, visits: 10*limit + readAtOnce}
	if err := w.folder(".", 0); err != nil {
		return nil, false, fmt.Errorf("list results of attempt %s: %w", a.Name(), err)
	}
	slices.SortFunc(w.files, func(a, b ResultFile) int { return strings.Compare(a.Path, b.Path) })
	return w.files, w.truncated, nil
}

// OpenResult opens a result file for reading. A path that could never name
// one is a *job.InvalidError for the field `path`; one that names nothing, something that is no regular
// file, or something outside of output/ is job.ErrNotFound.
func (a Attempt) OpenResult(name string) (*os.File, ResultFile, error) {
	if err := checkResultPath(name); err != nil {
		return nil, ResultFile{}, err
	}
	out, err := a.openOutput()
	if err != nil {
		return nil, ResultFile{}, resultError(name, err)
	}
	defer out.Close()
	f, err := openRegular(out, name)
	madeUp := false
	if err != nil && !cannotNow(err) {
		if raw, ok := terms.UnescapeName(strings.TrimRight(name, madeUpEnd)); ok {
			if other, failed := openRegular(out, raw); failed == nil {
				f, err, madeUp = other, nil, true
			}
		}
	}
	if err != nil {
		return nil, ResultFile{}, resultError(name, err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, ResultFile{}, resultError(name, err)
	}
	return f, ResultFile{Path: name, MadeUp: madeUp, Size: info.Size(), ModTime: info.ModTime()}, nil
}

// openOutput opens output/ as a root of its own, so that links cannot lead to
// the rest of the job's folder either.
func (a Attempt) openOutput() (*os.Root, error) {
	root, name := a.place("output")
	info, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() { // the command put something else there
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return root.OpenRoot(name)
}

// checkResultPath refuses what cannot be a path below output/.
func checkResultPath(name string) error {
	const field = "path"
	switch {
	case name == "" || name == ".":
		return terms.Invalid(field, "must name a file, as ListResults does")
	case len(name) > MaxPath:
		return terms.Invalid(field, "is longer than %d bytes", MaxPath)
	case !utf8.ValidString(name):
		return terms.Invalid(field, "is not valid UTF-8")
	case strings.ContainsRune(name, 0):
		return terms.Invalid(field, "holds a NUL character")
	case strings.HasPrefix(name, "/"):
		return terms.Invalid(field, "must be relative to the output folder, without a slash at its begin")
	case !fs.ValidPath(name):
		return terms.Invalid(field, `must not hold "..", "." or empty segments`)
	}
	return nil
}

// resultError keeps apart what the file system cannot do now from files that are not there for a client.
func resultError(name string, err error) error {
	if cannotNow(err) {
		return fmt.Errorf("open result %q: %w", name, err)
	}
	return fmt.Errorf("open result %q: %w: %w", name, terms.ErrNotFound, err)
}

// cannotNow reports whether the file system fails to do what it otherwise could.
func cannotNow(err error) bool {
	return slices.ContainsFunc(
		[]error{syscall.EIO, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ESTALE, syscall.ETIMEDOUT},
		func(broken error) bool { return errors.Is(err, broken) })
}

// walk collects the files below a folder.
type walk struct {
	out       *os.Root
	limit     int
	visits    int // entries that may still be looked at
	files     []ResultFile
	truncated bool // something was left out
	over      bool // nothing more is looked at
}

// folder adds the files of one folder and those below. A folder that vanished or is closed to us has none.
func (w *walk) folder(name string, depth int) error {
	d, err := w.out.OpenFile(name, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NONBLOCK, 0)
	if err != nil && !cannotNow(err) {
		return nil // nor has one that became something else, such as a link that leads out
	}
	if err != nil {
		return err
	}
	defer d.Close()
	for {
		entries, err := d.ReadDir(readAtOnce)
		for _, e := range entries {
			if w.visits--; w.visits < 0 {
				w.truncated, w.over = true, true
			}
			if w.over {
				return nil
			}
			if err := w.entry(path.Join(name, e.Name()), e, depth); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && !cannotNow(err):
			return nil // it vanished while it was read
		case err != nil:
			return err
		}
	}
}

// entry adds what one entry of a folder stands for.
func (w *walk) entry(name string, e fs.DirEntry, depth int) error {
	if len(name) > MaxPath {
		w.truncated = true
		return nil
	}
	if e.IsDir() {
		if depth == depthMost {
			w.truncated = true
			return nil
		}
		return w.folder(name, depth+1)
	}
	if t := e.Type(); !t.IsRegular() && t&fs.ModeSymlink == 0 {
		return nil
	}
	info, err := w.out.Stat(name)
	if err != nil || !info.Mode().IsRegular() {
		return nil //nolint:nilerr // gone meanwhile, or a link that leads nowhere or outside: not a result
	}
	if len(w.files) == w.limit {
		w.truncated, w.over = true, true
		return nil
	}
	shown := w.path(name)
	if len(shown) > MaxPath {
		w.truncated = true
		return nil
	}
	w.files = append(w.files, ResultFile{Path: shown, MadeUp: shown != name, Size: info.Size(), ModTime: info.ModTime()})
	return nil
}

// madeUpEnd is appended to a made-up path as long as something else has it.
const madeUpEnd = "~"

// path is what a file is listed as.
func (w *walk) path(name string) string {
	shown := terms.EscapeName(name)
	if shown == name {
		return name
	}
	for {
		if _, err := w.out.Lstat(shown); err != nil {
			return shown
		}
		shown += madeUpEnd
	}
}
