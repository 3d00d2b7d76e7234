// Package mount tells what file system a path is on: its type, where it is mounted, and whether another machine may
// change it at the same time.
package mount

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Mount is a mounted file system.
type Mount struct {
	// Type is its name as the kernel has it, such as ext4 or nfs4.
	Type string
	// Point is the folder that it is mounted on. Empty where the kernel does not tell.
	Point string
	// Source is what is mounted, such as server:/export. Empty where the kernel does not tell.
	Source string
	// Network reports whether its files are another machine's, or may be.
	Network bool
}

// networkMagics are the numbers that statfs(2) returns for network file systems, with their names. They are those of
// linux/magic.h and of the file systems' own sources.
var networkMagics = map[uint32]string{
	0x6969:     "nfs",
	0x0BD00BD0: "lustre",
	0xFF534D42: "cifs",
	0xFE534D42: "smb2",
	0x517B:     "smb",
	0x47504653: "gpfs",
	0x19830326: "beegfs",
	0x00C36400: "ceph",
	0x01021997: "9p",
	0x5346414F: "afs",
	0x6B414653: "kafs",
	0x73757245: "coda",
	0x564C:     "ncp",
	0x20030528: "orangefs",
	0xAAD7AAEA: "panfs",
	0x65735546: "fuse",
}

// networkTypes are names of network file systems in mountinfo.
var networkTypes = []string{
	"nfs", "nfs4", "lustre", "cifs", "smb3", "smbfs", "gpfs", "beegfs", "ceph", "9p", "afs", "coda", "ncpfs", "orangefs", "pvfs2",
	"panfs", "glusterfs", "fuse", "virtiofs", "wekafs", "vboxsf", "vmhgfs",
}

// Find returns the file system that a path is on. Where there is nothing at the path yet it is that of the nearest
// folder above.
func Find(path string) (Mount, error) {
	abs, err := existing(path)
	if err != nil {
		return Mount{}, fmt.Errorf("find the file system of %s: %w", path, err)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(abs, &st); err != nil {
		return Mount{}, fmt.Errorf("find the file system of %s: %w", path, &fs.PathError{Op: "statfs", Path: abs, Err: err})
	}
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return judge(uint32(st.Type), Mount{}), nil //nolint:gosec // a magic has 32 bits; without /proc the number must do
	}
	defer f.Close()
	all, err := parse(f)
	if err != nil {
		return Mount{}, fmt.Errorf("find the file system of %s: %w", path, err)
	}
	return judge(uint32(st.Type), at(all, abs, mountID(abs))), nil //nolint:gosec // a magic has 32 bits
}

// existing returns the absolute path, without symbolic links, of what is at a path, or of the nearest folder above.
func existing(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	for {
		found, err := filepath.EvalSymlinks(abs)
		if err == nil {
			return found, nil
		}
		if !errors.Is(err, fs.ErrNotExist) || abs == "/" {
			return "", err
		}
		abs = filepath.Dir(abs)
	}
}

// judge decides by the number of the file system and by its name. One of the two is enough: not all file systems have
// a number of their own, and not all kernels show all names.
func judge(magic uint32, m Mount) Mount {
	name := networkMagics[magic]
	if m.Type == "" {
		m.Type = name
	}
	if m.Type == "" {
		m.Type = fmt.Sprintf("0x%x", magic)
	}
	base, _, _ := strings.Cut(m.Type, ".") // fuse.sshfs
	switch {
	case m.Type == "fuseblk": // a local disk whose driver is a program
	default:
		m.Network = name != "" || slices.Contains(networkTypes, base)
	}
	return m
}

// mountID is the id of the mount that a path is on, 0 where the kernel does not tell.
func mountID(path string) uint64 {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_MNT_ID, &st); err != nil || st.Mask&unix.STATX_MNT_ID == 0 {
		return 0
	}
	return st.Mnt_id
}

// entry is a line of mountinfo.
type entry struct {
	id uint64
	Mount
}

// parse reads mountinfo, as proc_pid_mountinfo(5) describes it. Lines that it does not know are left out.
func parse(r io.Reader) ([]entry, error) {
	var all []entry
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		dash := slices.Index(fields, "-")
		if dash < 6 || len(fields) < dash+3 {
			continue
		}
		id, err := strconv.ParseUint(fields[0], 10, 64)
		if err != nil {
			continue
		}
		all = append(all, entry{id, Mount{Type: fields[dash+1], Point: unescape(fields[4]), Source: unescape(fields[dash+2])}})
	}
	return all, lines.Err()
}

// at returns the mount with an id, or else the one that is mounted last on the longest path above.
func at(all []entry, path string, id uint64) Mount {
	var best Mount
	for _, e := range all {
		if id != 0 && e.id == id {
			return e.Mount
		}
		if within(path, e.Point) && len(e.Point) >= len(best.Point) {
			best = e.Mount
		}
	}
	return best
}

func within(path, folder string) bool {
	return folder == "/" || path == folder || strings.HasPrefix(path, folder+"/")
}

// unescape undoes the kernel's octal form of blanks and backslashes.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
