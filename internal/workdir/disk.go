package workdir

import (
	"errors"
	"os"
	"syscall"
)

// roomLeast is how much room a file system must have not to count as full. A
// program that cannot write its next block gives up with a little room left.
const roomLeast = 256 << 10

// IsDiskFull reports whether an error says that the disk, or the share of it that the user may use, is full.
func IsDiskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// DiskFull reports whether the attempt's file system takes no more files or
// data from this process's user. It finds out by writing, because quotas and reserved
// blocks make a file system's own figures misleading.
func (a Attempt) DiskFull() bool {
	const probe = ".room"
	root, name := a.place(probe)
	f, err := root.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return IsDiskFull(err)
	}
	defer func() { _ = root.Remove(name) }()
	defer f.Close()
	if _, err := f.Write(make([]byte, roomLeast)); err != nil {
		return IsDiskFull(err)
	}
	return IsDiskFull(f.Sync()) // where space is only given out as data reaches the disk
}
