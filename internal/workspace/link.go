package workspace

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path"
	"syscall"

	"golang.org/x/sys/unix"
)

const partPrefix = reserved + "part-"

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

// partOf names what is not yet complete, beside where it will be. The name itself may be as long as a name can.
func partOf(name string) string {
	sum := sha256.Sum256([]byte(path.Base(name)))
	return path.Join(path.Dir(name), partPrefix+hex.EncodeToString(sum[:8]))
}

// readOnly is the mode of a copy of src, or of src once it belongs to a workspace.
func readOnly(src *os.File) os.FileMode {
	info, err := src.Stat()
	if err != nil {
		return fileMode
	}
	return fileMode | info.Mode()&0o111
}
