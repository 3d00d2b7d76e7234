package workspace

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"

	"google.golang.org/protobuf/proto"

	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
	"github.com/stint-jobs/stint/internal/job"
)

const (
	defaultPage = 1000
	maxPage     = 10000
	// maxPageBytes is where a page ends early.
	maxPageBytes = 1 << 20
)

// Page says which part of a folder to list.
type Page struct {
	// After is the Next of the page before; empty for the first.
	After string
	// Size is the most entries to answer: 0 means 1,000, more than 10,000 means 10,000.
	Size int
}

// Listing is a page of a folder.
type Listing struct {
	// Entries are folders first, then files, each in the byte order of their names.
	Entries []*workspacev1.WorkspaceEntry
	// Next gives the following page. Empty on the last one.
	Next string
}

// List answers what is in a folder. What changes between two pages is shown at
// its place in the order or not at all; nothing is shown twice. Links that lead out of the tree, pipes, devices and
// reserved names are not shown. The root is an empty folder while the owner has stored nothing.
func (w *Workspace) List(ctx context.Context, owner, folder string, page Page) (Listing, error) {
	folder, err := Clean(folder)
	if err != nil {
		return Listing{}, err
	}
	if page.Size < 0 {
		return Listing{}, job.Invalid("pageSize", "must not be negative")
	}
	t, err := w.open(owner)
	if errors.Is(err, fs.ErrNotExist) && folder == "/" {
		return Listing{}, nil
	}
	if err != nil {
		return Listing{}, reading("list", folder, err)
	}
	defer t.Close()
	if info, err := t.Stat(rel(folder)); err == nil && !info.IsDir() {
		return Listing{}, job.Userf(job.ErrConflict, "%s is a file, not a folder", folder)
	} else if err != nil {
		return Listing{}, reading("list", folder, err)
	}
	keys, err := t.keys(ctx, folder)
	if err != nil {
		return Listing{}, reading("list", folder, err)
	}
	return t.page(folder, keys, page)
}

// keys are the sorted keys of what is in a folder. A key is the kind and the
// name, so that the order of keys is the order of a listing.
func (t tree) keys(ctx context.Context, folder string) ([]string, error) {
	var keys []string
	err := eachEntry(ctx, t.Root, rel(folder), func(e fs.DirEntry) error {
		if !shown(e.Name()) {
			return nil
		}
		mode := e.Type()
		if mode&fs.ModeSymlink != 0 {
			info, err := t.Stat(path.Join(rel(folder), e.Name()))
			if err != nil {
				return nil //nolint:nilerr // it leads nowhere or out of the tree
			}
			mode = info.Mode().Type()
		}
		switch {
		case mode.IsDir():
			keys = append(keys, folderKey+e.Name())
		case mode.IsRegular():
			keys = append(keys, fileKey+e.Name())
		}
		return nil
	})
	slices.Sort(keys)
	return keys, err
}

const (
	folderKey = "d/"
	fileKey   = "f/"
)

func (t tree) page(folder string, keys []string, page Page) (Listing, error) {
	most := min(page.Size, maxPage)
	if most == 0 {
		most = defaultPage
	}
	first, found := slices.BinarySearch(keys, page.After)
	if found {
		first++
	}
	var l Listing
	size := 0
	for i, key := range keys[first:] {
		if len(l.Entries) == most || size >= maxPageBytes {
			l.Next = keys[first+i-1]
			break
		}
		p := path.Join(folder, key[len(fileKey):])
		info, err := t.Stat(rel(p))
		if missing(err) {
			continue // removed since the folder was read
		}
		if err != nil {
			return Listing{}, reading("list", p, err)
		}
		e := entry(p, info)
		size += proto.Size(e)
		l.Entries = append(l.Entries, e)
	}
	return l, nil
}
