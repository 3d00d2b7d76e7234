package workspace

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/weight"
)

// maxSorted is how many entries a folder may have to be listed in the order of names. The order of a larger one would
// need all of its names for each page, so it is listed in the order in which the file system has it.
const maxSorted = 10_000

// cursorKey begins a Listing.Next that is a position in the order of the file system. What follows is that position.
const cursorKey = "o/"

// errLarge is for a folder with more than maxSorted entries.
var errLarge = errors.New("the folder is too large to be sorted")

// errGrown is for a page of a listing that began in the order of names, in a folder that is too large for that by now.
func errGrown(folder string) error {
	return job.Userf(job.ErrConflict, "%s has become too large while it was listed. List it again from its beginning.", folder)
}

// cursorPage returns a page of a folder of any size. Neither its time nor its memory depends on how many entries the folder has.
func (t tree) cursorPage(ctx context.Context, folder string, page Page) (Listing, error) {
	offset, err := parseCursor(page.After)
	if err != nil {
		return Listing{}, err
	}
	f, err := openFolder(t.Root, rel(folder))
	if err != nil {
		return Listing{}, reading("list", folder, err)
	}
	defer f.Close()
	l := Listing{Unsorted: true}
	room, next := weight.NewBudget(bound), offset
	err = readFrom(ctx, f, offset, func(name string, after int64) (bool, error) {
		if !shown(name) {
			return true, nil
		}
		p := path.Join(folder, name)
		info, err := t.Stat(rel(p))
		switch {
		case missing(err): // removed since the name was read, or it leads out of the tree
			return true, nil
		case err != nil:
			return false, reading("list", p, err)
		case !info.IsDir() && !info.Mode().IsRegular():
			return true, nil
		}
		e := entry(p, info)
		if len(l.Entries) == pageSize(page) || !room.AddMessage(e) {
			l.Next = cursorKey + strconv.FormatInt(next, 10)
			return false, nil
		}
		next = after
		l.Entries = append(l.Entries, e)
		return true, nil
	})
	return l, err
}

// parseCursor returns the position of a cursor; the first page begins at 0.
func parseCursor(after string) (int64, error) {
	if after == "" {
		return 0, nil
	}
	offset, err := strconv.ParseInt(strings.TrimPrefix(after, cursorKey), 10, 64)
	if err != nil || !strings.HasPrefix(after, cursorKey) {
		return 0, job.Invalid("pageToken", "is none of this folder")
	}
	return offset, nil
}

// readFrom calls fn with the names in a folder from a position on, each with the position behind it, until fn returns false
// or an error, or the folder ends. What is there all the time comes once. What comes or goes meanwhile may come or not.
func readFrom(ctx context.Context, f *os.File, offset int64, fn func(name string, after int64) (bool, error)) error {
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		if errors.Is(err, unix.EINVAL) {
			return job.Invalid("pageToken", "is none of this folder")
		}
		return err
	}
	buf := make([]byte, 32<<10)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := unix.Getdents(int(f.Fd()), buf) //nolint:gosec // a descriptor is small
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n <= 0 {
			return err
		}
		for part := buf[:n]; len(part) > 0; {
			name, after, length := dirent(part)
			if length <= 0 {
				return unix.EIO
			}
			part = part[length:]
			if name == "." || name == ".." {
				continue
			}
			if more, err := fn(name, after); err != nil || !more {
				return err
			}
		}
	}
}

// The fields of the kernel's struct linux_dirent64: inode, position behind the entry, length of the entry, type, name.
const (
	direntOff  = 8
	direntLen  = 16
	direntName = 19
)

// dirent reads the first entry of what getdents64 wrote. length is 0 where there is none.
func dirent(b []byte) (name string, after int64, length int) {
	if len(b) < direntName {
		return "", 0, 0
	}
	after = int64(binary.NativeEndian.Uint64(b[direntOff:])) //nolint:gosec // the kernel's off_t
	length = int(binary.NativeEndian.Uint16(b[direntLen:]))
	if length < direntName || length > len(b) {
		return "", 0, 0
	}
	name, _, _ = strings.Cut(string(b[direntName:length]), "\x00")
	return name, after, length
}
