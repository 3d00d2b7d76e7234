package workspace

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/weight"
)

const (
	defaultPage = 1000
	maxPage     = 10000
)

// bound is where a page ends early.
var bound = weight.Bound{Bytes: 1 << 20, Weight: weight.Weight{Text: 4 << 20, Memory: 6 << 20}}

// Page says which part of a folder to list.
type Page struct {
	// After is the Next of the page before; empty for the first.
	After string
	// Size is the most entries to answer: 0 means 1,000, more than 10,000 means 10,000.
	Size int
}

// Listing is a page of a folder.
type Listing struct {
	// Entries are folders first, then files, each in the byte order of their names, unless Unsorted.
	Entries []*workspacev1.WorkspaceEntry
	// Unsorted is set for a folder with more than 10,000 entries. They are in the order of the file system then, which stays
	// the same while nothing changes.
	Unsorted bool
	// Next gives the following page. Empty on the last one.
	Next string
}

// List returns what is in a folder. What changes between two pages is shown at
// its place in the order or not at all; nothing is shown twice. A page takes time and memory for as many entries as it
// shows, and for no more than 10,000 others, however large the folder is. Links that lead out of the tree, pipes, devices and
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
	if strings.HasPrefix(page.After, cursorKey) {
		return t.cursorPage(ctx, folder, page)
	}
	keys, err := t.keys(ctx, folder, w.maxSorted)
	switch {
	case errors.Is(err, errLarge) && page.After == "":
		return t.cursorPage(ctx, folder, page)
	case errors.Is(err, errLarge):
		return Listing{}, errGrown(folder)
	case err != nil:
		return Listing{}, reading("list", folder, err)
	}
	return t.page(folder, keys, page)
}

// keys are the sorted keys of what is in a folder. A key is the kind and the
// name, so that the order of keys is the order of a listing. More than maxEntries are errLarge.
func (t tree) keys(ctx context.Context, folder string, maxEntries int) ([]string, error) {
	var keys []string
	seen := 0
	err := eachEntry(ctx, t.Root, rel(folder), func(e fs.DirEntry) error {
		if seen++; seen > maxEntries {
			return errLarge
		}
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

// pageSize is how many entries a page has at most.
func pageSize(page Page) int {
	if page.Size == 0 {
		return defaultPage
	}
	return min(page.Size, maxPage)
}

func (t tree) page(folder string, keys []string, page Page) (Listing, error) {
	most := pageSize(page)
	first, found := slices.BinarySearch(keys, page.After)
	if found {
		first++
	}
	var l Listing
	room := weight.NewBudget(bound)
	for i, key := range keys[first:] {
		if len(l.Entries) == most {
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
		if !room.AddMessage(e) {
			l.Next = keys[first+i-1]
			break
		}
		l.Entries = append(l.Entries, e)
	}
	return l, nil
}
