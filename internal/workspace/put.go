package workspace

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"

	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// PutOptions says how a file is stored. The zero value takes any size and replaces nothing.
type PutOptions struct {
	// Overwrite replaces a file that is there; otherwise that is job.ErrAlreadyExists.
	Overwrite bool
	// Size in bytes, when known. What does not fit is then refused before
	// anything is read, and content of another size is refused.
	Size *int64
	// SHA256 of the content, when known. A file at the path that has this content is kept, and
	// nothing is read. Content of another sum is refused.
	SHA256 []byte
}

// Put stores what r yields as the file at p, whole or not at all, and makes
// the folders above it. It answers once the file is durable. Of two uploads to
// the same new path one is refused. More than the quota is job.ErrExhausted;
// a folder at p is job.ErrConflict.
func (w *Workspace) Put(ctx context.Context, owner, p string, r io.Reader, o PutOptions) (*workspacev1.WorkspaceEntry, error) {
	p, err := w.newEntry(p)
	if err != nil {
		return nil, err
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	t, err := w.make(owner)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	if e, err := t.same(ctx, p, o); e != nil || err != nil {
		return e, err
	}
	old, err := t.replaceable(p, o)
	if err != nil {
		return nil, err
	}
	room, err := t.reserve(ctx, old)
	if err != nil {
		return nil, err
	}
	defer room.release()
	u := upload{tree: t, room: room, options: o, folders: t.missingAbove(p)}
	if err := room.take(ctx, t.account.entries(1+u.folders, 0)); err != nil {
		return nil, err
	}
	temp, err := u.receive(ctx, r)
	if err != nil {
		return nil, storing("store "+p, err)
	}
	defer func() { _ = t.Remove(temp) }() // gone already when it was renamed
	e, err := u.place(temp, p)
	if err == nil {
		err = t.syncAbove(p)
	}
	if err != nil {
		return nil, storing("store "+p, err)
	}
	return e, nil
}

// check finds what is wrong with the options themselves.
func (o PutOptions) check() error {
	switch {
	case o.Size != nil && *o.Size < 0:
		return job.Invalid("sizeBytes", "must not be negative")
	case o.SHA256 != nil && len(o.SHA256) != sha256.Size:
		return job.Invalid("sha256", "must have %d hexadecimal digits", 2*sha256.Size)
	default:
		return nil
	}
}

// same returns the file at p if it has the content that is about to come, after reading all of it. Otherwise it returns nil.
func (t tree) same(ctx context.Context, p string, o PutOptions) (*workspacev1.WorkspaceEntry, error) {
	if o.SHA256 == nil {
		return nil, nil //nolint:nilnil // nil is no such file
	}
	f, info, err := openRegular(t.Root, rel(p))
	if missing(err) || errors.Is(err, fs.ErrInvalid) {
		return nil, nil //nolint:nilnil // likewise
	}
	if err != nil {
		return nil, reading("read", p, err)
	}
	defer f.Close()
	if o.Size != nil && info.Size() != *o.Size {
		return nil, nil //nolint:nilnil // likewise
	}
	sum := sha256.New()
	_, err = io.CopyBuffer(struct{ io.Writer }{sum}, readerFunc(func(b []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return f.Read(b)
	}), make([]byte, 256<<10))
	if err != nil {
		return nil, reading("read", p, err)
	}
	if !bytes.Equal(sum.Sum(nil), o.SHA256) {
		return nil, nil //nolint:nilnil // likewise
	}
	return entry(p, info), nil
}

// replaceable checks that a file may be put at p and returns what the one that is there takes.
func (t tree) replaceable(p string, o PutOptions) (amount, error) {
	info, err := t.Lstat(rel(p))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return amount{}, nil
	case err != nil:
		return amount{}, storing("look for "+p, err)
	case info.IsDir():
		return amount{}, job.Userf(job.ErrConflict, "%s is a folder", p)
	case !o.Overwrite:
		return amount{}, alreadyExists(p)
	case !info.Mode().IsRegular(): // a link is replaced, what it leads to stays and never counted here
		return t.account.entries(1, 0), nil
	}
	return t.account.entries(1, info.Size()), nil
}

func alreadyExists(p string) error {
	return job.Userf(job.ErrAlreadyExists, "%s is there already; ask for it to be overwritten, or choose another name", p)
}

// upload is one Put under way.
type upload struct {
	tree
	room    *reservation
	options PutOptions
	folders int64 // above the file that there is room for
}

// receive stores the content as a temporary file and answers its name.
func (u upload) receive(ctx context.Context, r io.Reader) (string, error) {
	r, err := u.limited(ctx, r)
	if err != nil {
		return "", err
	}
	f, name, err := u.temp()
	if err != nil {
		return "", err
	}
	sum, to := sha256.New(), io.Writer(f)
	if u.options.SHA256 != nil {
		to = io.MultiWriter(f, sum)
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{to}, r, make([]byte, 256<<10))
	if err == nil && u.options.Size != nil {
		err = checkSize(n, *u.options.Size)
	}
	if err == nil {
		err = checkSum(sum.Sum(nil), u.options.SHA256)
	}
	if err == nil {
		err = errors.Join(f.Chmod(fileMode), f.Sync())
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, u.Remove(name))
	}
	return name, nil
}

func checkSize(got, declared int64) error {
	switch {
	case got > declared:
		return job.Invalid("sizeBytes", "says %d, but more bytes than that came", declared)
	case got < declared:
		return job.Invalid("sizeBytes", "says %d, but only %d bytes came", declared, got)
	default:
		return nil
	}
}

// limited reads r as far as there is room for it: at once for a declared size, otherwise byte by byte.
func (u upload) limited(ctx context.Context, r io.Reader) (io.Reader, error) {
	grow := func(n int) error { return u.room.grow(ctx, int64(n)) }
	if declared := u.options.Size; declared != nil {
		if err := u.room.grow(ctx, *declared); err != nil {
			return nil, err
		}
		r = io.LimitReader(r, *declared+1) // the one more tells a wrong size
		grow = func(int) error { return nil }
	}
	return readerFunc(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		n, err := r.Read(p)
		if full := grow(n); full != nil {
			return 0, full
		}
		return n, err
	}), nil
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// place moves a complete temporary file to p.
func (u upload) place(temp, p string) (*workspacev1.WorkspaceEntry, error) {
	info, err := u.Lstat(temp)
	if err != nil {
		return nil, err
	}
	u.account.tree.Lock()
	defer u.account.tree.Unlock()
	old, err := u.replaceable(p, u.options) // as it is now
	if err != nil {
		return nil, err
	}
	// Folders may have come and gone since the upload began.
	folders := u.missingAbove(p)
	if err := u.room.tryTake(u.account.entries(folders-u.folders, 0)); err != nil {
		return nil, err
	}
	if err := u.makeFolder(path.Dir(p)); err != nil {
		return nil, err
	}
	if err := u.room.commit(old); err != nil {
		return nil, err
	}
	if err := u.move(temp, p); err != nil { // the folders stay
		u.account.freed(u.account.entries(1, info.Size()).minus(old))
		return nil, err
	}
	return entry(p, info), nil
}

// move gives the temporary file its name. Without leave to overwrite it does
// so by a link, which never replaces anything, where the disk has links.
func (u upload) move(temp, p string) error {
	if u.options.Overwrite {
		return u.Rename(temp, rel(p))
	}
	err := u.Link(temp, rel(p))
	switch {
	case errors.Is(err, fs.ErrExist):
		return alreadyExists(p)
	case noLinks(err):
		return u.Rename(temp, rel(p))
	default:
		return err
	}
}

// missingAbove counts the folders above a path that have to be made.
func (t tree) missingAbove(p string) (n int64) {
	for _, dir := range ancestors(p) {
		if _, err := t.Stat(rel(dir)); errors.Is(err, fs.ErrNotExist) {
			n++
		}
	}
	return n
}

// makeFolder makes the folder at p and those above it.
func (t tree) makeFolder(p string) error {
	if info, err := t.Stat(rel(p)); err == nil && info.IsDir() {
		return nil
	}
	t.account.known.forget() // what is made may look like what somebody removed behind our back
	err := t.MkdirAll(rel(p), dirMode)
	if errors.Is(err, fs.ErrExist) { // such as a link that leads nowhere
		return syscall.ENOTDIR
	}
	return err
}

// temp makes a file for something that is not complete.
func (t tree) temp() (*os.File, string, error) {
	if err := t.Mkdir(tempDir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, "", err
	}
	name := path.Join(tempDir, rand.Text())
	f, err := t.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	return f, name, err
}

// syncAbove makes the names of p and of the folders above it durable.
func (t tree) syncAbove(p string) error {
	dir, since := path.Dir(p), t.account.known.removals()
	parent, err := t.Lstat(rel(dir))
	if err == nil && parent.IsDir() && t.account.known.has(dir, parent) {
		return present(syncFolder(t.Root, rel(dir)))
	}
	for _, dir := range append([]string{"/"}, ancestors(p)...) {
		if err := present(syncFolder(t.Root, rel(dir))); err != nil {
			return err
		}
	}
	if err == nil {
		t.account.known.add(dir, parent, since)
	}
	return nil
}

// present leaves out the error of a folder that another call removed meanwhile.
func present(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func syncFolder(root *os.Root, name string) error {
	f, err := openFolder(root, name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
