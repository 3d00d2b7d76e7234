package workspace

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// uploadSync is after how many bytes an upload is made durable while it goes on: as much as a crash
// can cost.
const uploadSync = 8 << 20

// Part is what an append adds to an upload.
type Part struct {
	// Offset is the byte of the file that it begins at: the upload's offset.
	Offset int64
	// Size of the whole file, for an upload that was begun without one.
	Size *int64
	// Content of the part, up to io.EOF. What came before any other error stays.
	Content io.Reader
	// SHA256 is called after io.EOF and returns the sum of the whole content, or nil. An upload
	// with another content is dropped. Nil is a client that says none.
	SHA256 func() []byte
}

// appending is an append that may write to its upload.
type appending struct {
	tree tree
	file *os.File
	room *reservation
	done chan struct{} // closed when it has ended
}

// AppendUpload adds bytes to an upload, and finishes it if it is whole then: the file is at its
// path, durable, and appeared there at once. Bytes that came before an error are kept. The error is
// a job.ErrOffset where the part does not begin at the upload's offset, or another append took its
// place.
func (w *Workspace) AppendUpload(ctx context.Context, owner, id string, p Part) (*workspacev1.Upload, error) {
	u, err := w.uploadOf(owner, id)
	if err != nil {
		return nil, err
	}
	t, err := w.open(owner)
	if err != nil {
		return nil, reading("continue the upload", id, err)
	}
	defer t.Close()
	a, err := w.beginAppend(ctx, t, u, p)
	if err != nil {
		return nil, err
	}
	if a == nil { // it is finished already, and this repeats the last append
		return w.GetUpload(ctx, owner, id)
	}
	defer a.file.Close()
	defer close(a.done)
	err = w.receivePart(ctx, u, a, p.Content)
	up, err := w.endAppend(u, a, p, err)
	if up.GetEntry() != nil {
		err = w.forgetFinished(t, owner)
	}
	return up, err
}

// beginAppend gives the caller the upload to write to. The one who had it before notices with its
// next bytes.
func (w *Workspace) beginAppend(ctx context.Context, t tree, u *resumable, p Part) (*appending, error) {
	room, err := t.reserve(ctx, amount{}) // counts the files, which may take long
	if err != nil {
		return nil, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case u.gone:
		return nil, errNoUpload(u.id)
	case u.placed && p.Offset == u.received:
		return nil, w.settleUpload(t, u)
	case u.rec.Stored != nil && p.Offset == u.rec.Offset:
		return nil, nil //nolint:nilnil // nothing is to be appended
	case p.Offset != u.received:
		if err := u.flush(t); err != nil {
			return nil, storing("continue the upload of "+u.rec.Path, err)
		}
		return nil, u.offsetError(fmt.Sprintf("the upload goes on at byte %d, not at %d", u.rec.Offset, p.Offset))
	}
	if old, err := t.replaceable(u.rec.Path, PutOptions{Overwrite: true}); err == nil && u.rec.Overwrite {
		room.credit = old
	}
	if err := u.learnSize(t, room, p.Size); err != nil {
		return nil, err
	}
	f, err := t.OpenFile(partName(u.id), os.O_WRONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("continue the upload of %s: %w", u.rec.Path, err)
	}
	u.running = &appending{tree: t, file: f, room: room, done: make(chan struct{})}
	return u.running, nil
}

// offsetError says where the upload goes on. The caller holds the lock.
func (u *resumable) offsetError(message string) *job.UserError {
	return &job.UserError{
		Sentinel: job.ErrOffset, Message: message,
		Metadata: map[string]string{"offset": strconv.FormatInt(u.rec.Offset, 10)},
	}
}

// receivePart writes what r yields, and makes it durable from time to time.
func (w *Workspace) receivePart(ctx context.Context, u *resumable, a *appending, r io.Reader) error {
	buf := make([]byte, 256<<10)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := r.Read(buf)
		if n > 0 {
			if err := w.write(u, a, buf[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// write adds bytes for an append, if it still may.
func (w *Workspace) write(u *resumable, a *appending, b []byte) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err := u.mayWrite(a); err != nil {
		return err
	}
	end := u.received + int64(len(b))
	if u.rec.Size != nil && end > *u.rec.Size {
		return job.Invalid("data", "goes beyond the %d bytes that the upload was announced with", *u.rec.Size)
	}
	if u.rec.Size == nil {
		if err := u.grow(a.room, int64(len(b))); err != nil {
			return err
		}
	}
	if _, err := a.file.WriteAt(b, u.received); err != nil {
		return storing("store "+u.rec.Path, err)
	}
	u.received = end
	_, _ = u.sum.Write(b) // a hash takes everything
	if u.received-u.rec.Offset < uploadSync {
		return nil
	}
	if err := u.flush(a.tree); err != nil {
		return storing("store "+u.rec.Path, err)
	}
	return w.floor(uploadSync)
}

// mayWrite refuses an append whose place another one took, and one whose upload was ended. The
// caller holds the lock.
func (u *resumable) mayWrite(a *appending) error {
	switch {
	case u.gone:
		return errNoUpload(u.id)
	case u.running != a:
		err := u.offsetError(fmt.Sprintf("another append took the place of this one. The upload has %d bytes", u.rec.Offset))
		err.Metadata["taken_over"] = "true"
		return err
	default:
		return nil
	}
}

// grow takes room of the quota for bytes of an upload whose size is not known. The caller holds the
// lock. The files are not counted anew for it.
func (u *resumable) grow(room *reservation, n int64) error {
	room.taken = u.taken
	if err := room.tryTake(amount{bytes: n}); err != nil {
		return err
	}
	u.taken = room.taken
	return nil
}

// flush makes durable what was written, and then says so in the record. After an error the upload
// goes on from what is durable for certain. The caller holds the lock.
func (u *resumable) flush(t tree) error {
	if u.running == nil || u.placed || u.received == u.rec.Offset || u.rec.Stored != nil {
		return nil
	}
	before := u.rec
	err := unix.Fdatasync(int(u.running.file.Fd()))
	if err != nil {
		err = &fs.PathError{Op: "fdatasync", Path: u.rec.Path, Err: err}
	}
	if err == nil {
		u.rec.Offset, u.rec.Changed = u.received, time.Now()
		if u.rec.Sum, err = u.sum.state(); err == nil {
			err = u.store(t)
		}
	}
	if err == nil {
		return nil
	}
	u.rec, u.received = before, before.Offset
	if sum, restored := restoreSum(before.Sum); restored == nil {
		u.sum = sum
	}
	return err
}

// endAppend makes durable what came, and finishes the upload if nothing is missing. failed is why
// the part broke off.
func (w *Workspace) endAppend(u *resumable, a *appending, p Part, failed error) (*workspacev1.Upload, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err := u.mayWrite(a); err != nil {
		if failed == nil {
			failed = err
		}
		return nil, failed
	}
	defer func() { u.running = nil }()
	if err := u.flush(a.tree); err != nil {
		return nil, storing("store "+u.rec.Path, errors.Join(err, failed))
	}
	if failed != nil {
		return nil, failed
	}
	var sum []byte
	if p.SHA256 != nil {
		sum = p.SHA256()
	}
	if sum != nil && len(sum) != sha256.Size {
		return nil, job.Invalid("sha256", "must have %d hexadecimal digits", 2*sha256.Size)
	}
	if u.rec.Size == nil || u.received < *u.rec.Size {
		if sum != nil { // the client believes that this was all
			return nil, u.offsetError(fmt.Sprintf("the upload has %d bytes, and is not whole", u.rec.Offset))
		}
		return w.shownUpload(u), nil
	}
	if err := w.finish(u, a, sum); err != nil {
		return nil, err
	}
	return w.shownUpload(u), nil
}

// learnSize takes in the size of an upload that was begun without one, and the room for it. The
// caller holds the lock.
func (u *resumable) learnSize(t tree, room *reservation, size *int64) error {
	switch {
	case size == nil:
		return nil
	case u.rec.Size != nil && *u.rec.Size != *size:
		return job.Invalid("sizeBytes", "is %d here, and was %d before", *size, *u.rec.Size)
	case u.rec.Size != nil:
		return nil
	case *size < u.received:
		return job.Invalid("sizeBytes", "says %d, but %d bytes came", *size, u.received)
	}
	before := u.taken
	if err := u.grow(room, *size-u.received); err != nil {
		return err
	}
	u.rec.Size = size
	if err := u.store(t); err != nil {
		u.rec.Size = nil
		t.account.release(u.taken.minus(before))
		u.taken = before
		return storing("store "+u.rec.Path, err)
	}
	return nil
}

// finish checks the sum and gives the file its path. The caller holds the lock. Where that fails
// for a reason that can pass, the upload stays whole, and an append of nothing tries again.
func (w *Workspace) finish(u *resumable, a *appending, told []byte) error {
	sum := u.sum.Sum(nil)
	if err := errors.Join(checkSum(sum, u.rec.SHA256), checkSum(sum, told)); err != nil {
		return errors.Join(err, w.forgetUpload(a.tree, u))
	}
	if err := a.seal(u); err != nil {
		return storing("store "+u.rec.Path, err)
	}
	if err := u.place(a); err != nil {
		return storing("store "+u.rec.Path, err)
	}
	return w.settleUpload(a.tree, u)
}

// place gives the file its path. The caller holds the lock.
func (u *resumable) place(a *appending) error {
	before := u.taken
	a.room.taken = before
	put := upload{tree: a.tree, room: a.room, options: u.rec.putOptions(), folders: u.rec.Folders}
	_, err := put.place(partName(u.id), u.rec.Path)
	switch {
	case err == nil:
		u.taken, u.placed = amount{}, true
	case a.room.taken == amount{}: // the folders above are made, and are counted as used
		u.keep(a.tree.account, 0)
	default:
		u.rec.Folders += a.room.taken.entries - before.entries
		u.taken = a.room.taken
	}
	return err
}

// settleUpload makes durable that the file is at its path. The caller holds the lock. It may be
// repeated.
func (w *Workspace) settleUpload(t tree, u *resumable) error {
	err := t.syncAbove(u.rec.Path)
	if err == nil {
		err = u.finished(t, time.Now())
	}
	if err == nil {
		u.placed = false
		err = present(t.Remove(partName(u.id))) // left where the file was linked
	}
	if err != nil {
		return storing("store "+u.rec.Path, err)
	}
	return nil
}

// seal makes the file what a file of a workspace is.
func (a *appending) seal(u *resumable) error {
	if err := a.file.Truncate(u.received); err != nil {
		return err
	}
	if err := a.file.Chmod(fileMode); err != nil {
		return err
	}
	return a.file.Sync()
}

// floor refuses bytes that would not leave the disk what must stay free.
func (w *Workspace) floor(bytes int64) error {
	if w.options.Room == nil {
		return nil
	}
	err := w.options.Room(bytes)
	if errors.Is(err, job.ErrNoSpace) {
		return &job.UserError{
			Sentinel: job.ErrNoSpace, RetryAfter: time.Minute,
			Message: "The server's disk has no room for this file. What is uploaded of it stays; go on when there is room, or tell the operators.",
		}
	}
	return err
}
