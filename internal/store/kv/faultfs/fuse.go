package faultfs

import (
	"context"
	"maps"
	"slices"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// root holds the folders.
type root struct {
	fs.Inode

	mu      sync.Mutex
	folders map[string]*folder
	files   uint64 // numbers given out
}

func (r *root) nextNumber() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.files++
	return r.files + 1 // 1 is the root
}

// Lookup returns a folder.
func (r *root) Lookup(ctx context.Context, name string, _ *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	r.mu.Lock()
	defer r.mu.Unlock()
	d := r.folders[name]
	if d == nil {
		return nil, syscall.ENOENT
	}
	return r.NewInode(ctx, &folderNode{folder: d, root: r}, fs.StableAttr{Mode: fuse.S_IFDIR, Ino: d.number}), 0
}

type folderNode struct {
	fs.Inode
	*folder
	root *root
}

type fileNode struct {
	fs.Inode
	file   *file
	folder *folder
}

var (
	_ fs.NodeLookuper  = (*folderNode)(nil)
	_ fs.NodeReaddirer = (*folderNode)(nil)
	_ fs.NodeCreater   = (*folderNode)(nil)
	_ fs.NodeRenamer   = (*folderNode)(nil)
	_ fs.NodeUnlinker  = (*folderNode)(nil)
	_ fs.NodeFsyncer   = (*folderNode)(nil)
	_ fs.NodeOpener    = (*fileNode)(nil)
	_ fs.NodeReader    = (*fileNode)(nil)
	_ fs.NodeWriter    = (*fileNode)(nil)
	_ fs.NodeFsyncer   = (*fileNode)(nil)
	_ fs.NodeGetattrer = (*fileNode)(nil)
	_ fs.NodeSetattrer = (*fileNode)(nil)
)

func (n *folderNode) child(ctx context.Context, f *file, out *fuse.EntryOut) *fs.Inode {
	fill(&out.Attr, f)
	return n.NewInode(ctx, &fileNode{file: f, folder: n.folder}, fs.StableAttr{Mode: fuse.S_IFREG, Ino: f.number})
}

func fill(out *fuse.Attr, f *file) {
	out.Mode, out.Nlink, out.Ino = fuse.S_IFREG|0o600, 1, f.number
	out.Size = uint64(len(f.seen))
	out.Blocks = (out.Size + 511) / 512
}

func (n *folderNode) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f := n.seen[name]
	if f == nil {
		return nil, syscall.ENOENT
	}
	return n.child(ctx, f, out), 0
}

func (n *folderNode) Readdir(context.Context) (fs.DirStream, syscall.Errno) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var list []fuse.DirEntry
	for _, name := range slices.Sorted(maps.Keys(n.seen)) {
		list = append(list, fuse.DirEntry{Name: name, Mode: fuse.S_IFREG, Ino: n.seen[name].number})
	}
	return fs.NewListDirStream(list), 0
}

func (n *folderNode) Create(ctx context.Context, name string, _, _ uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f := &file{number: n.root.nextNumber()}
	errno := n.do(Open, name, func() { n.move(move{file: f, to: name}) }, nil)
	if errno != 0 {
		return nil, nil, 0, errno
	}
	return n.child(ctx, f, out), nil, 0, 0
}

func (n *folderNode) Rename(_ context.Context, name string, _ fs.InodeEmbedder, to string, _ uint32) syscall.Errno {
	n.mu.Lock()
	defer n.mu.Unlock()
	f := n.seen[name]
	if f == nil {
		return syscall.ENOENT
	}
	return n.do(Rename, name, func() { n.move(move{f, name, to}) }, nil)
}

func (n *folderNode) Unlink(_ context.Context, name string) syscall.Errno {
	n.mu.Lock()
	defer n.mu.Unlock()
	f := n.seen[name]
	if f == nil {
		return syscall.ENOENT
	}
	return n.do(Remove, name, func() { n.move(move{f, name, ""}) }, nil)
}

func (n *folderNode) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.do(SyncFolder, "", n.syncNames, nil)
}

// name returns the present name of the file. One that was removed has none.
func (n *fileNode) name() string {
	for name, f := range n.folder.seen {
		if f == n.file {
			return name
		}
	}
	return ""
}

func (n *fileNode) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	n.folder.mu.Lock()
	defer n.folder.mu.Unlock()
	return nil, 0, n.folder.do(Open, n.name(), func() {}, nil)
}

func (n *fileNode) Read(_ context.Context, _ fs.FileHandle, to []byte, at int64) (fuse.ReadResult, syscall.Errno) {
	n.folder.mu.Lock()
	defer n.folder.mu.Unlock()
	if at >= int64(len(n.file.seen)) {
		return fuse.ReadResultData(nil), 0
	}
	return fuse.ReadResultData(to[:copy(to, n.file.seen[at:])]), 0
}

func (n *fileNode) Write(_ context.Context, _ fs.FileHandle, data []byte, at int64) (uint32, syscall.Errno) {
	n.folder.mu.Lock()
	defer n.folder.mu.Unlock()
	hit, errno := n.folder.call(Write, n.name())
	if hit.Mode == Short {
		data = data[:len(data)/2]
	}
	if hit.Mode != Before {
		n.file.change(change{at, append([]byte{}, data...)})
	}
	return uint32(len(data)), errno
}

func (n *fileNode) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	n.folder.mu.Lock()
	defer n.folder.mu.Unlock()
	return n.folder.do(Sync, n.name(), n.file.sync, func() { n.file.loseSome(n.folder.random) })
}

func (n *fileNode) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	n.folder.mu.Lock()
	defer n.folder.mu.Unlock()
	fill(&out.Attr, n.file)
	return 0
}

func (n *fileNode) Setattr(_ context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	n.folder.mu.Lock()
	defer n.folder.mu.Unlock()
	var errno syscall.Errno
	if size, ok := in.GetSize(); ok {
		errno = n.folder.do(Truncate, n.name(), func() { n.file.change(change{at: int64(size)}) }, nil)
	}
	fill(&out.Attr, n.file)
	return errno
}
