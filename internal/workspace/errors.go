package workspace

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/stint-jobs/stint/internal/job"
)

// leadsOut reports whether os.Root refused a path because a symbolic link on
// it leads out of the tree. Its errors for that are unexported, but unlike
// those of the system they are no errno.
func leadsOut(err error) bool {
	var pathErr *fs.PathError
	var linkErr *os.LinkError
	var errno syscall.Errno
	known := errors.Is(err, fs.ErrInvalid) || errors.Is(err, fs.ErrClosed) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist)
	return (errors.As(err, &pathErr) || errors.As(err, &linkErr)) && !errors.As(err, &errno) && !known
}

// missing reports whether err means that a path leads to nothing in the tree.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP) || leadsOut(err)
}

// reading gives the error of an operation that looked for path the words for the user.
func reading(verb, path string, err error) error {
	if missing(err) {
		return job.Missingf("stint.workspace.v1.WorkspaceEntry", path, "there is no file or folder %s in the workspace", path)
	}
	return fmt.Errorf("%s %s: %w", verb, path, err)
}

// storing is placing for a path that the user chose.
func storing(verb string, err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return placing(verb, err)
	case errors.Is(err, syscall.ENOTDIR):
		return job.Invalid("path", "goes through a file, which cannot hold other files")
	case leadsOut(err), errors.Is(err, syscall.ELOOP):
		return job.Invalid("path", "goes through a link that leads out of the workspace")
	case errors.Is(err, syscall.ENAMETOOLONG):
		return job.Invalid("path", "is longer than the disk of the server can store")
	default:
		return fmt.Errorf("%s: %w", verb, err)
	}
}

// placing gives the error of an operation that wrote to a place that the user
// did not choose its words. A full disk stays recognisable by errors.Is(err, syscall.ENOSPC).
func placing(verb string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		full := job.Userf(job.ErrStorage, "the disk of the server is full; nothing was stored. The operators must make room")
		return fmt.Errorf("%s: %w (%w)", verb, full, syscall.ENOSPC)
	}
	return fmt.Errorf("%s: %w", verb, err)
}
