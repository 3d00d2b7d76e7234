package workspace

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
	"github.com/stint-jobs/stint/internal/job"
)

const (
	// defaultUploads is how many unfinished uploads an owner may have where Options says nothing.
	defaultUploads = 100
	// defaultUploadLife is how long an upload is kept after its last bytes where Options says
	// nothing.
	defaultUploadLife = 7 * 24 * time.Hour
	// finishedLife is how long a finished upload is known, so that a client that lost the last
	// response can ask.
	finishedLife = 24 * time.Hour
	// maxFinished bounds how many finished uploads of an owner are known. The oldest is forgotten
	// first.
	maxFinished = 100
	// settleTime is how long a question for the offset waits for an append that may be about to
	// end.
	settleTime = 300 * time.Millisecond
	// maxResumeKey bounds what a client calls the content of an upload, in bytes.
	maxResumeKey = 256
)

// UploadOptions describes an upload that can be continued. The zero value takes any size and
// replaces nothing.
type UploadOptions struct {
	PutOptions
	// ResumeKey tells the content from others. An unfinished upload of the owner to the same path
	// with the same key and size is returned in place of a new one. Empty finds none.
	ResumeKey string
}

// uploads are all uploads that are not finished, and those that were finished of late, by owner and
// id.
type uploads struct {
	mu      sync.Mutex
	byOwner map[string]map[string]*resumable
}

// resumable is one upload. Its lock is held while its files are used, and never while bytes are
// awaited, so that an append whose client is gone holds up nobody.
type resumable struct {
	owner, id string
	order     string      // sorts uploads by their age
	open      atomic.Bool // whether it is neither finished nor given up; for those who do not hold the lock

	mu       sync.Mutex
	rec      uploadRecord // as it is on the disk
	taken    amount       // of the owner's quota; nothing once it is finished
	running  *appending   // the append that may write; nil between appends
	received int64        // bytes that are written, of which those up to rec.Offset are durable
	sum      runningSum   // of the bytes that are written
	placed   bool         // the file is at its path, which the record does not say yet
	gone     bool         // ended or expired
}

// CreateUpload begins an upload, or returns one that ResumeKey finds. The error is
// job.ErrAlreadyExists, job.ErrConflict or job.ErrExhausted as Put's, and job.ErrNoSpace where the
// disk has no room for it.
func (w *Workspace) CreateUpload(ctx context.Context, owner, p string, o UploadOptions) (*workspacev1.Upload, error) {
	p, err := w.newEntry(p)
	if err == nil {
		err = errors.Join(o.check(), checkResumeKey(o.ResumeKey))
	}
	if err != nil {
		return nil, err
	}
	t, err := w.make(owner)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	if u := w.findUpload(owner, p, o); u != nil {
		if up, err := w.resume(t, u, o); up != nil || err != nil {
			return up, err
		}
	}
	if e, err := t.same(ctx, p, o.PutOptions); e != nil || err != nil {
		if err != nil {
			return nil, err
		}
		return w.storedAlready(t, newResumable(owner, p, o), e)
	}
	u := newResumable(owner, p, o)
	if err := w.admitUpload(ctx, t, u); err != nil {
		return nil, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if err := u.store(t); err != nil {
		return nil, storing("begin the upload of "+p, errors.Join(err, w.forgetUpload(t, u)))
	}
	return w.shownUpload(u), nil
}

// storedAlready notes an upload of which nothing need be sent.
func (w *Workspace) storedAlready(t tree, u *resumable, e *workspacev1.WorkspaceEntry) (*workspacev1.Upload, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	size, at := e.GetSizeBytes(), e.GetModifyTime().AsTime()
	u.rec.Size, u.rec.Offset, u.received = &size, size, size
	w.uploads.mu.Lock()
	w.uploads.add(u)
	w.uploads.mu.Unlock()
	err := u.finished(t, at)
	if err == nil {
		err = present(t.Remove(partName(u.id)))
	}
	if err != nil {
		return nil, storing("begin the upload of "+u.rec.Path, errors.Join(err, w.forgetUpload(t, u)))
	}
	return w.shownUpload(u), nil
}

func checkResumeKey(key string) error {
	if len(key) > maxResumeKey {
		return job.Invalid("resumeKey", "has %d bytes; at most %d are kept", len(key), maxResumeKey)
	}
	return nil
}

// admitUpload takes the room that an upload needs, and notes it among those of its owner.
func (w *Workspace) admitUpload(ctx context.Context, t tree, u *resumable) error {
	old, err := t.replaceable(u.rec.Path, u.rec.putOptions())
	if err != nil {
		return err
	}
	room, err := t.reserve(ctx, old)
	if err != nil {
		return err
	}
	u.rec.Folders = t.missingAbove(u.rec.Path)
	size := int64(0)
	if u.rec.Size != nil {
		size = *u.rec.Size
	}
	if err := room.take(ctx, t.account.entries(1+u.rec.Folders, size)); err != nil {
		return err
	}
	u.taken = room.taken
	if err := w.floor(size); err != nil {
		room.release()
		return err
	}
	if err := w.noteUpload(u); err != nil {
		room.release()
		return err
	}
	return nil
}

// noteUpload adds an upload to those of its owner, unless the owner has too many.
func (w *Workspace) noteUpload(u *resumable) error {
	w.uploads.mu.Lock()
	defer w.uploads.mu.Unlock()
	if limit := w.options.maxUploads(); w.uploads.open(u.owner) >= limit {
		return job.Full(job.Reached{Quota: job.QuotaUploads, Subject: "user:" + u.owner, Field: "path", Limit: int64(limit)},
			"You have %d uploads that are not finished, and may have no more.", limit)
	}
	w.uploads.add(u)
	return nil
}

// OpenUploads is how many uploads of an owner are not finished.
func (w *Workspace) OpenUploads(owner string) int {
	w.uploads.mu.Lock()
	defer w.uploads.mu.Unlock()
	return w.uploads.open(owner)
}

// open is how many uploads of an owner are not finished. The caller holds the lock.
func (us *uploads) open(owner string) (n int) {
	for _, u := range us.byOwner[owner] {
		if u.open.Load() {
			n++
		}
	}
	return n
}

// add notes an upload. The caller holds the lock.
func (us *uploads) add(u *resumable) {
	if us.byOwner == nil {
		us.byOwner = make(map[string]map[string]*resumable)
	}
	if us.byOwner[u.owner] == nil {
		us.byOwner[u.owner] = make(map[string]*resumable)
	}
	us.byOwner[u.owner][u.id] = u
}

// of are the uploads of an owner, the oldest first.
func (us *uploads) of(owner string) []*resumable {
	us.mu.Lock()
	defer us.mu.Unlock()
	all := make([]*resumable, 0, len(us.byOwner[owner]))
	for _, u := range us.byOwner[owner] {
		all = append(all, u)
	}
	slices.SortFunc(all, func(a, b *resumable) int { return strings.Compare(a.order, b.order) })
	return all
}

// owners are those who have uploads.
func (us *uploads) owners() []string {
	us.mu.Lock()
	defer us.mu.Unlock()
	all := make([]string, 0, len(us.byOwner))
	for owner := range us.byOwner {
		all = append(all, owner)
	}
	return all
}

// uploadOf finds an upload of an owner. What is not theirs is job.ErrNotFound.
func (w *Workspace) uploadOf(owner, id string) (*resumable, error) {
	w.uploads.mu.Lock()
	defer w.uploads.mu.Unlock()
	if u := w.uploads.byOwner[owner][id]; u != nil {
		return u, nil
	}
	return nil, errNoUpload(id)
}

func errNoUpload(id string) error {
	return job.Userf(job.ErrNotFound, "there is no upload %q: it was ended, or nothing was added to it for too long. Begin a new one", clip(id))
}

// clip shortens what a caller wrote, for a message.
func clip(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}

// findUpload finds the unfinished upload of the same content to the same path.
func (w *Workspace) findUpload(owner, p string, o UploadOptions) *resumable {
	if o.ResumeKey == "" {
		return nil
	}
	for _, u := range w.uploads.of(owner) {
		u.mu.Lock()
		found := !u.gone && u.rec.Stored == nil && u.rec.isOf(p, o)
		u.mu.Unlock()
		if found {
			return u
		}
	}
	return nil
}

// resume returns an upload that is gone on with. It is nil if the upload was ended meanwhile.
func (w *Workspace) resume(t tree, u *resumable, o UploadOptions) (*workspacev1.Upload, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.gone {
		return nil, nil //nolint:nilnil // nil is no such upload
	}
	if _, err := t.replaceable(u.rec.Path, o.PutOptions); err != nil {
		return nil, err
	}
	if err := u.flush(t); err != nil {
		return nil, storing("continue the upload of "+u.rec.Path, err)
	}
	before := u.rec
	if u.rec.Overwrite = o.Overwrite; o.SHA256 != nil {
		u.rec.SHA256 = o.SHA256
	}
	if err := u.store(t); err != nil {
		u.rec = before
		return nil, storing("continue the upload of "+u.rec.Path, err)
	}
	return w.shownUpload(u), nil
}

// GetUpload returns an upload of the owner, after making durable what it has received. Who asks has
// mostly lost a connection of which the last bytes are still being read: it waits a moment for an
// append to end.
func (w *Workspace) GetUpload(ctx context.Context, owner, id string) (*workspacev1.Upload, error) {
	u, err := w.uploadOf(owner, id)
	if err != nil {
		return nil, err
	}
	u.settle(ctx)
	t, err := w.open(owner)
	if err != nil {
		return nil, reading("look for the upload", id, err)
	}
	defer t.Close()
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.gone {
		return nil, errNoUpload(id)
	}
	if err := u.flush(t); err != nil {
		return nil, storing("look for the upload to "+u.rec.Path, err)
	}
	return w.shownUpload(u), nil
}

// settle waits for the append that is under way, for as long as the rest of a lost connection may
// take to be read.
func (u *resumable) settle(ctx context.Context) {
	u.mu.Lock()
	running := u.running
	u.mu.Unlock()
	if running == nil {
		return
	}
	timer := time.NewTimer(settleTime)
	defer timer.Stop()
	select {
	case <-running.done:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// UploadList is a page of uploads.
type UploadList struct {
	// Uploads that are not finished, the oldest first.
	Uploads []*workspacev1.Upload
	// Next gives the following page. Empty on the last one.
	Next string
}

// ListUploads returns the owner's uploads that are not finished.
func (w *Workspace) ListUploads(owner string, page Page) UploadList {
	var l UploadList
	last := ""
	for _, u := range w.uploads.of(owner) {
		if u.order <= page.After || !u.open.Load() {
			continue
		}
		if len(l.Uploads) == page.Size {
			l.Next = last
			break
		}
		u.mu.Lock()
		l.Uploads, last = append(l.Uploads, w.shownUpload(u)), u.order
		u.mu.Unlock()
	}
	return l
}
