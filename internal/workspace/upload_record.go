package workspace

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// Each upload has two files in its owner's tree: its bytes, and a record that says what they are
// and how many of them are durable. The record is replaced as a whole, after the bytes that it
// counts were synced.
const (
	uploadsDir = reserved + "uploads"
	partEnd    = ".part"
	recordEnd  = ".json"
	newEnd     = ".new"
	// maxRecord bounds what is read of a record.
	maxRecord = 64 << 10
)

func partName(id string) string   { return path.Join(uploadsDir, id+partEnd) }
func recordName(id string) string { return path.Join(uploadsDir, id+recordEnd) }

// uploadRecord is what the disk has of an upload beside its bytes.
type uploadRecord struct {
	Path      string    `json:"path"`
	Size      *int64    `json:"size,omitempty"` // nil while nobody said it
	Overwrite bool      `json:"overwrite,omitempty"`
	SHA256    []byte    `json:"sha256,omitempty"`
	ResumeKey string    `json:"resumeKey,omitempty"`
	Created   time.Time `json:"created"`
	Changed   time.Time `json:"changed"`
	// Folders above the file for which the owner's quota has room.
	Folders int64 `json:"folders,omitempty"`
	// Offset is how many bytes are durable, and Sum the state of their SHA-256.
	Offset int64  `json:"offset"`
	Sum    []byte `json:"sum"`
	// Stored is when the file came to its path; nil before.
	Stored *time.Time `json:"stored,omitempty"`
}

func (r *uploadRecord) putOptions() PutOptions {
	return PutOptions{Overwrite: r.Overwrite, Size: r.Size, SHA256: r.SHA256}
}

// isOf reports whether a client that asks for an upload means this one.
func (r *uploadRecord) isOf(p string, o UploadOptions) bool {
	sameSize := r.Size == nil && o.Size == nil || r.Size != nil && o.Size != nil && *r.Size == *o.Size
	sameSum := r.SHA256 == nil || o.SHA256 == nil || bytes.Equal(r.SHA256, o.SHA256)
	return r.Path == p && r.ResumeKey == o.ResumeKey && sameSize && sameSum
}

// runningSum is a SHA-256 of what was written so far, whose state can be stored.
type runningSum struct{ hash.Hash }

func newSum() runningSum { return runningSum{sha256.New()} }

// state is what restore takes.
func (s runningSum) state() ([]byte, error) {
	m, ok := s.Hash.(encoding.BinaryMarshaler)
	if !ok {
		return nil, errors.New("the state of a SHA-256 cannot be stored")
	}
	return m.MarshalBinary()
}

// restoreSum goes on with a sum.
func restoreSum(state []byte) (runningSum, error) {
	s := newSum()
	m, ok := s.Hash.(encoding.BinaryUnmarshaler)
	if !ok {
		return s, errors.New("the state of a SHA-256 cannot be read")
	}
	return s, m.UnmarshalBinary(state)
}

// newResumable describes an upload of which nothing is on the disk yet.
func newResumable(owner, p string, o UploadOptions) *resumable {
	now := time.Now()
	u := &resumable{owner: owner, id: strings.ToLower(rand.Text()), sum: newSum(), rec: uploadRecord{
		Path: p, Size: o.Size, Overwrite: o.Overwrite, SHA256: o.SHA256, ResumeKey: o.ResumeKey, Created: now, Changed: now,
	}}
	u.order = orderOf(u)
	u.open.Store(true)
	return u
}

// orderOf sorts uploads by when they were begun.
func orderOf(u *resumable) string { return fmt.Sprintf("%020d-%s", u.rec.Created.UnixNano(), u.id) }

// store writes the record, and makes the file for the bytes if it is missing. The caller holds the
// upload's lock.
func (u *resumable) store(t tree) error {
	if u.rec.Sum == nil {
		if err := u.prepare(t); err != nil {
			return err
		}
	}
	text, err := json.Marshal(&u.rec)
	if err != nil {
		return err
	}
	temp := path.Join(uploadsDir, u.id+newEnd)
	f, err := t.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = t.Rename(temp, recordName(u.id))
	}
	if err != nil {
		return errors.Join(err, present(t.Remove(temp)))
	}
	return syncFolder(t.Root, uploadsDir)
}

// prepare makes the folder of uploads and the empty file.
func (u *resumable) prepare(t tree) (err error) {
	if err = t.Mkdir(uploadsDir, 0o700); err == nil {
		err = syncFolder(t.Root, ".")
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	f, err := t.OpenFile(partName(u.id), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	u.rec.Sum, err = u.sum.state()
	return err
}

// shownUpload is an upload as clients see it. The caller holds its lock.
func (w *Workspace) shownUpload(u *resumable) *workspacev1.Upload {
	up := &workspacev1.Upload{
		Id: u.id, Path: u.rec.Path, SizeBytes: u.rec.Size, Offset: u.rec.Offset, Overwrite: u.rec.Overwrite,
		Sha256: hex.EncodeToString(u.rec.SHA256), ResumeKey: u.rec.ResumeKey,
		CreateTime: timestamppb.New(u.rec.Created), ExpireTime: timestamppb.New(w.expires(u)),
	}
	if u.rec.Stored != nil {
		up.Entry = &workspacev1.WorkspaceEntry{
			Path: u.rec.Path, SizeBytes: u.rec.Offset, ModifyTime: timestamppb.New(*u.rec.Stored), ContentType: ContentType(u.rec.Path),
		}
	}
	return up
}

// expires is when an upload is dropped. The caller holds its lock.
func (w *Workspace) expires(u *resumable) time.Time {
	if u.rec.Stored != nil {
		return u.rec.Stored.Add(finishedLife)
	}
	return u.rec.Changed.Add(w.options.uploadLife())
}

// loadUploads finds the uploads that an earlier process left, and takes the room that they need.
func (w *Workspace) loadUploads(owner string) error {
	t, err := w.open(owner)
	if err != nil {
		return err
	}
	defer t.Close()
	dir, err := t.OpenRoot(uploadsDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	entries, err := fs.ReadDir(dir.FS(), ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if id, ok := strings.CutSuffix(e.Name(), recordEnd); ok {
			if err := w.loadUpload(t, owner, id); err != nil {
				return fmt.Errorf("read upload %s: %w", id, err)
			}
		}
	}
	for _, e := range entries { // what has no record: it was never acknowledged, or is ended
		id, _, _ := strings.Cut(e.Name(), ".")
		if w.uploads.byOwner[owner][id] == nil || strings.HasSuffix(e.Name(), newEnd) {
			if err := dir.RemoveAll(e.Name()); err != nil {
				return err
			}
		}
	}
	return nil
}

// loadUpload reads one upload. One that cannot be read is left out, which removes it.
func (w *Workspace) loadUpload(t tree, owner, id string) error {
	text, err := readRecord(t, id)
	if err != nil {
		return err
	}
	u := &resumable{owner: owner, id: id}
	if err := json.Unmarshal(text, &u.rec); err != nil {
		return nil //nolint:nilerr // it is left out
	}
	if u.sum, err = restoreSum(u.rec.Sum); err != nil {
		return nil //nolint:nilerr // it is left out
	}
	u.received, u.order = u.rec.Offset, orderOf(u)
	if u.rec.Stored == nil {
		ok, err := u.recover(t)
		if err != nil || !ok {
			return err
		}
	}
	if u.rec.Stored == nil {
		u.open.Store(true)
		u.keep(t.account, u.rec.Folders)
	}
	w.uploads.mu.Lock()
	w.uploads.add(u)
	w.uploads.mu.Unlock()
	return nil
}

func readRecord(t tree, id string) ([]byte, error) {
	f, _, err := openRegular(t.Root, recordName(id))
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxRecord))
	return text, errors.Join(err, f.Close())
}

// recover puts the file of an upload into the state that its record tells. It reports whether the
// upload can be gone on with. An earlier process may have ended between giving the file its path
// and storing that.
func (u *resumable) recover(t tree) (bool, error) {
	whole := u.rec.Size != nil && u.rec.Offset == *u.rec.Size
	part, err := t.Lstat(partName(u.id))
	if errors.Is(err, fs.ErrNotExist) && whole {
		return true, u.finished(t, time.Now()) // it was renamed
	}
	if err != nil || !part.Mode().IsRegular() || part.Size() < u.rec.Offset {
		return false, present(err)
	}
	if there, err := t.Lstat(rel(u.rec.Path)); err == nil && whole && os.SameFile(there, part) {
		return true, errors.Join(u.finished(t, time.Now()), t.Remove(partName(u.id))) // it was linked
	}
	f, err := t.OpenFile(partName(u.id), os.O_WRONLY, 0)
	if err != nil {
		return false, err
	}
	return true, errors.Join(f.Truncate(u.rec.Offset), f.Close()) // what is behind was never promised
}

// finished notes that the file is at its path.
func (u *resumable) finished(t tree, at time.Time) error {
	u.rec.Stored = &at
	if err := u.store(t); err != nil {
		u.rec.Stored = nil
		return err
	}
	u.open.Store(false)
	return nil
}

// keep takes the room of an upload that was admitted before, with so many folders above it. The
// caller holds its lock.
func (u *resumable) keep(a *account, folders int64) {
	size := u.rec.Offset
	if u.rec.Size != nil {
		size = *u.rec.Size
	}
	u.rec.Folders, u.taken = folders, a.entries(1+folders, size)
	a.mu.Lock()
	a.pending = a.pending.plus(u.taken)
	a.mu.Unlock()
}

// checkSum compares a sum with one that a client told.
func checkSum(got, told []byte) error {
	if told != nil && !bytes.Equal(got, told) {
		return job.Invalid("sha256", "is not the sum of the bytes that came: the file changed while it was uploaded, or was damaged on the way")
	}
	return nil
}
