package workspace

import (
	"io/fs"
	"os"
	"sync"
)

// durablesMost bounds how many folders are remembered for an owner.
const durablesMost = 64

// durables are folders of one tree whose names, and those of the folders above them, are durable: a
// new entry in one of them needs one sync. The zero value knows none.
type durables struct {
	mu      sync.Mutex
	folders map[string]fs.FileInfo // by path
	removed int                    // how often something was taken out of the tree
}

// has reports whether the folder at a path is known, and is the same as then: somebody may have moved it behind our back.
func (d *durables) has(path string, folder fs.FileInfo) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	known := d.folders[path]
	return known != nil && os.SameFile(known, folder)
}

// removals says when something was taken out, for add.
func (d *durables) removals() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.removed
}

// add remembers a folder that was looked at and then made durable, unless something was taken out since.
func (d *durables) add(path string, folder fs.FileInfo, since int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.removed != since {
		return
	}
	if d.folders == nil || len(d.folders) >= durablesMost {
		d.folders = make(map[string]fs.FileInfo)
	}
	d.folders[path] = folder
}

// forget is called when something was taken out of the tree: a new folder may have the path and the inode of the old one.
func (d *durables) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.folders = nil
	d.removed++
}
