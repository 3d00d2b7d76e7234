package workspace

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"syscall"

	"golang.org/x/sys/unix"
)

// copyStep is how much is copied between two looks at the context.
const copyStep = 16 << 20

// Watch is called for copies that take room on the disk. A clone takes none. The zero value allows
// every copy and is called for none.
type Watch struct {
	// Room reserves what the copies will take, in bytes, once and before the first byte is copied. The
	// copies fail with its error. Release is called when they are made or have failed. Nil allows all.
	Room func(bytes int64) (release func(), err error)
	// Copied is called after each step with how many of how many bytes are copied. Nil is not called.
	Copied func(done, total int64)
}

// Copy is a file or folder of a job that is to be there a second time, with content of its own.
type Copy struct {
	// Source is the folder that the original is in, and From its path there.
	Source *os.Root
	From   string
	// Target is the folder that the copy will be in, and Name its path there. Missing folders are made.
	Target *os.Root
	Name   string
	// Watch is called with what the copy takes.
	Watch Watch
}

// MakeCopy makes the copy, which is read-only and shares nothing that can be written with the original:
// a clone (FICLONE) where the file system has them, otherwise the data again, without its holes. It is there whole
// or not at all. What is there under its name already is taken as the result of an earlier call.
// The copy is not made durable.
func MakeCopy(ctx context.Context, c Copy) error {
	if _, err := c.Target.Lstat(c.Name); err == nil {
		return nil
	}
	if err := c.Target.MkdirAll(path.Dir(c.Name), dirMode); err != nil {
		return placing("make folder", err)
	}
	info, err := c.Source.Lstat(c.From)
	if err != nil {
		return placing("copy "+c.From, err)
	}
	files := &copier{watch: c.Watch, size: func(ctx context.Context) (int64, error) { return allocated(ctx, c.Source, c.From) }}
	defer files.close()
	if info.IsDir() {
		x := transfer{src: c.Source, dst: c.Target, longest: math.MaxInt, files: files}
		err = x.whole(ctx, c.From, c.Name)
	} else {
		err = files.file(ctx, c)
	}
	if err != nil {
		return placing("copy "+c.From, err)
	}
	return nil
}

func (c *copier) file(ctx context.Context, what Copy) error {
	src, _, err := openRegular(what.Source, what.From)
	if err != nil {
		return err
	}
	defer src.Close()
	return c.copy(ctx, src, what.Target, what.Name)
}

// copier copies files and accounts for the room that this takes.
type copier struct {
	watch Watch
	// size returns how many bytes all files take that are to be copied.
	size func(ctx context.Context) (int64, error)
	// links allows another link to a file instead of a copy of it.
	links bool
	// durable makes the content of each file durable.
	durable bool

	begun, noClones bool
	done, total     int64
	release         func()
}

// copy makes name in dst the same content as the open file src. The name appears whole or not at
// all, and must be free.
func (c *copier) copy(ctx context.Context, src *os.File, dst *os.Root, name string) error {
	if c.links {
		if err := c.link(src, dst, name); err == nil || !noLinks(err) {
			return err
		}
	}
	part := partOf(name)
	if err := dst.Remove(part); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	out, err := dst.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = c.content(ctx, out, src)
	if err == nil {
		err = sameTime(src, dst, part)
	}
	if err == nil {
		err = out.Chmod(readOnly(src))
	}
	if err == nil && c.durable {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err == nil {
		err = dst.Rename(part, name)
	}
	if err != nil {
		return errors.Join(err, dst.Remove(part))
	}
	return nil
}

// link makes name in dst another link to the open file src.
func (c *copier) link(src *os.File, dst *os.Root, name string) error {
	if c.durable {
		if err := unix.Fdatasync(int(src.Fd())); err != nil {
			return &fs.PathError{Op: "fdatasync", Path: src.Name(), Err: err}
		}
	}
	return link(src, dst, name)
}

// sameTime gives a copy the time of its original: programs take an index that is older than its data for a stale one.
func sameTime(src *os.File, dst *os.Root, name string) error {
	info, err := src.Stat()
	if err != nil {
		return err
	}
	return dst.Chtimes(name, info.ModTime(), info.ModTime())
}

// content clones the content, or copies it where that cannot be.
func (c *copier) content(ctx context.Context, out, src *os.File) error {
	if !c.noClones {
		err := unix.IoctlFileClone(int(out.Fd()), int(src.Fd()))
		if err == nil || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EIO) {
			return err
		}
		c.noClones = true
	}
	if err := c.begin(ctx); err != nil {
		return err
	}
	return copyData(ctx, out, src, func(n int64) {
		c.done += n
		if c.watch.Copied != nil {
			c.watch.Copied(min(c.done, c.total), c.total)
		}
	})
}

// begin asks for room before the first copy.
func (c *copier) begin(ctx context.Context) (err error) {
	if c.begun || c.watch.Room == nil && c.watch.Copied == nil {
		return nil
	}
	if c.total, err = c.size(ctx); err != nil {
		return err
	}
	if c.watch.Room != nil {
		release, err := c.watch.Room(c.total)
		if err != nil {
			return err
		}
		c.release = release
	}
	c.begun = true
	return nil
}

// close gives back what is left of the room.
func (c *copier) close() {
	if c.release != nil {
		c.release()
		c.release = nil
	}
}

// copyData copies the data of a file and leaves holes where it has them.
func copyData(ctx context.Context, out, src *os.File, copied func(int64)) error {
	info, err := src.Stat()
	if err != nil {
		return err
	}
	for at := int64(0); at < info.Size(); {
		data := nextData(src, at, info.Size())
		if data.begin >= data.end {
			break
		}
		if at, err = copyRange(ctx, out, src, data, copied); err != nil {
			return err
		}
		if at < data.end { // the file became shorter meanwhile
			return nil
		}
	}
	return out.Truncate(info.Size())
}

// span is a range of bytes.
type span struct{ begin, end int64 }

// nextData returns where the next data of a file is, from an offset on: nothing at the size where only a hole follows.
func nextData(src *os.File, at, size int64) span {
	begin, err := unix.Seek(int(src.Fd()), at, unix.SEEK_DATA)
	if errors.Is(err, syscall.ENXIO) {
		return span{size, size}
	}
	if err != nil { // this file system does not know holes
		return span{at, size}
	}
	end, err := unix.Seek(int(src.Fd()), begin, unix.SEEK_HOLE)
	if err != nil {
		return span{begin, size}
	}
	return span{begin, min(end, size)}
}

// copyRange copies a range of bytes to the same offset, and returns where it ended.
func copyRange(ctx context.Context, out, src *os.File, r span, copied func(int64)) (int64, error) {
	begin, end := r.begin, r.end
	for _, f := range []*os.File{out, src} {
		if _, err := f.Seek(begin, io.SeekStart); err != nil {
			return begin, err
		}
	}
	for begin < end {
		if err := ctx.Err(); err != nil {
			return begin, err
		}
		n, err := io.CopyN(out, src, min(copyStep, end-begin))
		begin += n
		copied(n)
		if errors.Is(err, io.EOF) {
			return begin, nil
		}
		if err != nil {
			return begin, err
		}
	}
	return begin, nil
}

// allocated adds up the blocks of a file, or of the files in a folder and below.
func allocated(ctx context.Context, root *os.Root, name string) (total int64, err error) {
	info, err := root.Stat(name)
	switch {
	case missing(err):
		return 0, nil // a link that leads nowhere is not copied
	case err != nil:
		return 0, err
	case !info.IsDir():
		return blocks(info), nil
	}
	err = eachEntry(ctx, root, name, func(e fs.DirEntry) error {
		below := path.Join(name, e.Name())
		if !shown(e.Name()) {
			return nil // never transferred
		}
		if e.Type()&fs.ModeSymlink != 0 {
			if to, err := root.Stat(below); err != nil || to.IsDir() {
				return nil //nolint:nilerr // not copied either
			}
		}
		n, err := allocated(ctx, root, below)
		total += n
		return err
	})
	return total, err
}

// blocks is what a regular file takes on the disk in bytes, no more than its size and a block.
func blocks(info fs.FileInfo) int64 {
	const unit = 512 // of st_blocks, see stat(2)
	if st, ok := info.Sys().(*syscall.Stat_t); ok && info.Mode().IsRegular() {
		return min(st.Blocks*unit, info.Size()+st.Blksize)
	}
	return 0
}
