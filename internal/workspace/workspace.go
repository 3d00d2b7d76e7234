// Package workspace keeps each user's private tree of files: nothing outside
// of `<root>/<owner>/` is ever read or written on that owner's behalf, and a
// file is there whole or not at all.
//
// Every tree is reached through an os.Root, so that neither a path nor a
// symbolic link leads out of it. What is being written lives in the tree's own
// `.stint-tmp` folder until it is complete and is then moved into place by one
// rename or link; the leftovers of a crash are removed by Open. Uploads that go on
// after a crash have a folder of their own beside it, `.stint-uploads`. Names that
// begin with `.stint-` are reserved, and no operation shows or takes them.
//
// No file is written to once it is in a tree: it may have other hard links, among the results of the job that
// made it and among the inputs of jobs. What a command may write to is a copy, see MakeCopy. Files are kept
// read-only beside that.
package workspace

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"sync"
	"time"

	"github.com/stint-jobs/stint/internal/job"
)

const (
	reserved = ".stint-"
	tempDir  = ".stint-tmp"
	// fileMode is the mode of every file that is put into a tree; see the package comment.
	fileMode = 0o444
	dirMode  = 0o755
)

// Options says how workspaces are kept. The zero value sets no limit.
type Options struct {
	// QuotaBytes is how much each owner's files may take. 0 means no limit.
	QuotaBytes int64
	// QuotaEntries is how many files, folders and links each owner may have. 0 means no limit.
	QuotaEntries int64
	// EntryBytes is what each of them counts in QuotaBytes beside its size: an empty one takes an inode and mostly a block, too.
	EntryBytes int64
	// BesideBytes returns what an owner has elsewhere that counts in QuotaBytes. Nil means nothing.
	BesideBytes func(owner string) int64
	// MaxDepth is how many names a path may have. 0 means no limit.
	MaxDepth int
	// MaxUploads is how many uploads that are not finished each owner may have. 0 means 100.
	MaxUploads int
	// UploadLife is how long an upload is kept after its last bytes. 0 means 7 days.
	UploadLife time.Duration
	// Room is asked before bytes of uploads and copies are written, and refuses with job.ErrNoSpace what would not leave the
	// disk what must stay free. It may be called often. Nil allows all.
	Room func(bytes int64) error
}

func (o Options) maxUploads() int           { return cmp.Or(o.MaxUploads, defaultUploads) }
func (o Options) uploadLife() time.Duration { return cmp.Or(o.UploadLife, defaultUploadLife) }

// Workspace is the users' trees below one folder. Its methods may be called
// from several goroutines. Paths are those of job.CleanPath; what is wrong
// with one is a *job.InvalidError for the field `path`.
type Workspace struct {
	root      *os.Root
	options   Options
	maxSorted int // entries of a folder that is listed in the order of names

	mu       sync.Mutex
	accounts map[string]*account

	uploads uploads
}

// Open prepares the folder dir, which is made if it is missing, and removes
// what an earlier process left unfinished, except uploads, which go on. One process at a time may have it open.
func Open(dir string, o Options) (*Workspace, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make workspace folder: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open workspace folder: %w", err)
	}
	w := &Workspace{root: root, options: o, maxSorted: maxSorted, accounts: make(map[string]*account)}
	if err := w.takeUp(); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return w, nil
}

// Close lets go of the folder. Files that were opened stay readable.
func (w *Workspace) Close() error { return w.root.Close() }

// takeUp removes left-overs from all trees, and finds their uploads.
func (w *Workspace) takeUp() error {
	entries, err := fs.ReadDir(w.root.FS(), ".")
	if err != nil {
		return fmt.Errorf("read workspace folder: %w", err)
	}
	for _, e := range entries {
		if !e.IsDir() || !job.ValidOwner(e.Name()) {
			continue
		}
		if err := w.root.RemoveAll(path.Join(e.Name(), tempDir)); err != nil {
			return fmt.Errorf("remove leftovers of %s: %w", e.Name(), err)
		}
		if err := w.loadUploads(e.Name()); err != nil {
			return fmt.Errorf("find uploads of %s: %w", e.Name(), err)
		}
	}
	return nil
}

// tree is one owner's files for the length of one operation.
type tree struct {
	*os.Root
	account *account
}

// open gives the owner's tree. The error is fs.ErrNotExist when the owner has none yet.
func (w *Workspace) open(owner string) (tree, error) {
	if !job.ValidOwner(owner) {
		return tree{}, job.Invalid("owner", "is no user name")
	}
	info, err := w.root.Lstat(owner)
	if err != nil {
		return tree{}, fmt.Errorf("open workspace: %w", err)
	}
	if !info.IsDir() { // a symbolic link would be somebody else's tree
		return tree{}, fmt.Errorf("open workspace of %s: not a folder but %v", owner, info.Mode().Type())
	}
	root, err := w.root.OpenRoot(owner)
	if err != nil {
		return tree{}, fmt.Errorf("open workspace: %w", err)
	}
	return tree{Root: root, account: w.account(owner)}, nil
}

// make is open for writing: it makes the tree when the owner has none.
func (w *Workspace) make(owner string) (tree, error) {
	if !job.ValidOwner(owner) {
		return tree{}, job.Invalid("owner", "is no user name")
	}
	if err := w.root.Mkdir(owner, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return tree{}, storing("make workspace", err)
	}
	return w.open(owner)
}

func (w *Workspace) account(owner string) *account {
	w.mu.Lock()
	defer w.mu.Unlock()
	a := w.accounts[owner]
	if a == nil {
		a = &account{owner: owner, beside: w.besideOf(owner), limit: w.limits(), block: w.options.EntryBytes}
		w.accounts[owner] = a
	}
	return a
}

// besideOf returns what reports how much an owner has elsewhere.
func (w *Workspace) besideOf(owner string) func() int64 {
	if w.options.BesideBytes == nil {
		return func() int64 { return 0 }
	}
	return func() int64 { return w.options.BesideBytes(owner) }
}

// Exists reports whether an owner has a tree.
func (w *Workspace) Exists(owner string) bool {
	if !job.ValidOwner(owner) {
		return false
	}
	_, err := w.root.Lstat(owner)
	return err == nil
}
