package workdir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
)

// WriteFile replaces a file directly in the attempt's folder, for the private
// use of an executor. A reader sees the old or the new content, never a part. A loss of
// power may undo it: what it is for ends with the machine's processes anyway.
func (a Attempt) WriteFile(name string, data []byte) error {
	if err := checkPrivate(name); err != nil {
		return err
	}
	held, release, err := a.at()
	if err != nil {
		return fmt.Errorf("write %s of attempt %s: %w", name, a.Name(), err)
	}
	defer release()
	if err := writeAtomic(held.held, name, data); err != nil {
		return fmt.Errorf("write %s of attempt %s: %w", name, a.Name(), err)
	}
	return nil
}

// ReadFile is the content of a file that WriteFile wrote. A missing one is
// fs.ErrNotExist; one over 16 MiB is refused.
func (a Attempt) ReadFile(name string) ([]byte, error) {
	const most = 16 << 20
	if err := checkPrivate(name); err != nil {
		return nil, err
	}
	held, release, err := a.at()
	if err != nil {
		return nil, fmt.Errorf("read %s of attempt %s: %w", name, a.Name(), err)
	}
	defer release()
	b, err := readSmall(held.held, name, most)
	if err != nil {
		return nil, fmt.Errorf("read %s of attempt %s: %w", name, a.Name(), err)
	}
	return b, nil
}

// Mark makes an empty file directly in the attempt's folder that survives a
// loss of power. If it is there already the error is fs.ErrExist, so that of several
// callers exactly one succeeds.
func (a Attempt) Mark(name string) error {
	if err := checkPrivate(name); err != nil {
		return err
	}
	root, at := a.place(name)
	f, err := root.OpenFile(at, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("mark %s of attempt %s: %w", name, a.Name(), err)
	}
	f.Close()
	return a.Sync()
}

// Sync makes the names of files in the attempt's folder survive a loss of power.
func (a Attempt) Sync() error {
	if err := syncFolder(a.place(".")); err != nil {
		return fmt.Errorf("sync the folder of attempt %s: %w", a.Name(), err)
	}
	return nil
}

// Marked reports whether there is a file of that name directly in the
// attempt's folder. An error means that this cannot be told.
func (a Attempt) Marked(name string) (bool, error) {
	if err := checkPrivate(name); err != nil {
		return false, err
	}
	root, at := a.place(name)
	_, err := root.Lstat(at)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("look for %s of attempt %s: %w", name, a.Name(), err)
	}
	return err == nil, nil
}

// Has is Marked for those who look again later: what cannot be told counts as no.
func (a Attempt) Has(name string) bool {
	there, err := a.Marked(name)
	return there && err == nil
}

// RemoveFile deletes a file directly in the attempt's folder. That it is gone already is no error.
func (a Attempt) RemoveFile(name string) error {
	if err := checkPrivate(name); err != nil {
		return err
	}
	root, at := a.place(name)
	if err := root.Remove(at); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s of attempt %s: %w", name, a.Name(), err)
	}
	return nil
}

// checkPrivate refuses names that are not directly in a folder.
func checkPrivate(name string) error {
	if name == "." || !fs.ValidPath(name) || path.Base(name) != name {
		return fmt.Errorf("file name %q: %w", name, fs.ErrInvalid)
	}
	return nil
}

// writeAtomic writes beside the file and renames it into place.
func writeAtomic(root *os.Root, name string, data []byte) error {
	tmp := path.Join(path.Dir(name), "."+path.Base(name)+".tmp")
	f, err := root.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = root.Rename(tmp, name)
	}
	if err != nil {
		_ = root.Remove(tmp)
	}
	return err
}

// syncFolder makes names that were added or changed in a folder survive a loss of power.
func syncFolder(root *os.Root, name string) error {
	d, err := root.Open(name)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// readSmall reads a regular file of at most the given size. Commands can put
// anything into their folder; opening must not hang on a FIFO.
func readSmall(root *os.Root, name string, most int64) ([]byte, error) {
	f, err := openPlain(root, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > most {
		return nil, &fs.PathError{Op: "read", Path: name, Err: syscall.EFBIG}
	}
	return b, nil
}

// openPlain is openRegular for files that are ours: none of them is a symbolic link.
func openPlain(root *os.Root, name string) (*os.File, error) {
	info, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return openRegular(root, name)
}

// openRegular opens a regular file for reading without ever waiting for another process.
func openRegular(root *os.Root, name string) (*os.File, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
