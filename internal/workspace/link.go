package workspace

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	partPrefix = reserved + "part-"
	// copyStep is how much is copied between two looks at the context.
	copyStep = 64 << 20
)

// linkOrCopy makes name in dst the same content as the open file src: another
// link to it, or a durable copy where that cannot be. The name appears whole or not at
// all, and must be free.
func linkOrCopy(ctx context.Context, src *os.File, dst *os.Root, name string) error {
	err := link(src, dst, name)
	if err == nil || !noLinks(err) {
		return err
	}
	return copyFile(ctx, src, dst, name)
}

// link names an open file by its descriptor: what was checked when it was
// opened is what gets linked, whatever happens to its old name meanwhile.
func link(src *os.File, dst *os.Root, name string) error {
	dir, err := openFolder(dst, path.Dir(name))
	if err != nil {
		return err
	}
	defer dir.Close()
	from := fmt.Sprintf("/proc/self/fd/%d", src.Fd())
	if err := unix.Linkat(unix.AT_FDCWD, from, int(dir.Fd()), path.Base(name), unix.AT_SYMLINK_FOLLOW); err != nil {
		return &os.LinkError{Op: "linkat", Old: src.Name(), New: name, Err: err}
	}
	return nil
}

// noLinks reports whether a link failed for a reason that a copy gets around:
// another disk, a disk without links, somebody else's file, too many links, no /proc.
func noLinks(err error) bool {
	for _, e := range []syscall.Errno{syscall.EXDEV, syscall.EPERM, syscall.EACCES, syscall.EMLINK, syscall.EOPNOTSUPP, syscall.ENOSYS, syscall.ENOENT} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func copyFile(ctx context.Context, src *os.File, dst *os.Root, name string) error {
	part := partOf(name)
	if err := dst.Remove(part); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	out, err := dst.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = copyContent(ctx, out, src)
	if err == nil {
		err = errors.Join(out.Chmod(readOnly(src)), out.Sync())
	}
	if err = errors.Join(err, out.Close()); err == nil {
		err = dst.Rename(part, name)
	}
	if err != nil {
		return errors.Join(err, dst.Remove(part))
	}
	return nil
}

// partOf names what is not yet complete, beside where it will be. The name itself may be as long as a name can.
func partOf(name string) string {
	sum := sha256.Sum256([]byte(path.Base(name)))
	return path.Join(path.Dir(name), partPrefix+hex.EncodeToString(sum[:8]))
}

func copyContent(ctx context.Context, out, src *os.File) error {
	if _, err := src.Seek(0, io.SeekStart); err != nil {
		return err
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := io.CopyN(out, src, copyStep); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// readOnly is the mode of a copy of src, or of src once it belongs to a workspace.
func readOnly(src *os.File) os.FileMode {
	info, err := src.Stat()
	if err != nil {
		return fileMode
	}
	return fileMode | info.Mode()&0o111
}
