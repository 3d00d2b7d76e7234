package server

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/stint-jobs/stint/internal/job"
)

// The exit codes of stintd. docs/operations.md has them in a table that a test compares with exits.
const (
	exitOK      = 0
	exitFailed  = 1
	exitUsage   = 2
	exitStorage = 3
	exitLocked  = 4
	exitRefused = 5
)

// exits says what each code means, for people.
var exits = []struct {
	code    int
	meaning string
}{
	{exitOK, "it did what it was told; a server ended in good order"},
	{exitFailed, "it failed, for a reason that the last line on standard error says"},
	{exitUsage, "wrong command line or configuration"},
	{exitStorage, "the database cannot be read or written"},
	{exitLocked, "another server or tool has the state or the data folder in use"},
	{exitRefused, "the state or the data folder is not what this installation left: a copy, a moved folder, an older database, a network file system, the first edition, or the format of a newer version"},
}

// exitError is an error with an exit code of its own.
type exitError struct {
	code int
	err  error
}

// Error is the text of what it wraps.
func (e *exitError) Error() string { return e.err.Error() }

// Unwrap returns what it wraps.
func (e *exitError) Unwrap() error { return e.err }

// refused marks an error as one of the folders, which starting again does not mend.
func refused(err error) error { return &exitError{exitRefused, err} }

// unusable marks an error as one of the database, which cannot be read or written.
func unusable(err error) error { return &exitError{exitStorage, err} }

// ofDisk is unusable for errors that say that the disk cannot be written, and leaves all others as they are.
func ofDisk(err error) error {
	for _, errno := range []error{unix.EIO, unix.EROFS, unix.ENOSPC, unix.EDQUOT} {
		if errors.Is(err, errno) {
			return unusable(err)
		}
	}
	return err
}

// locked marks an error as one of a folder that is in use.
func locked(err error) error { return &exitError{exitLocked, err} }

// exitCode is how the program ends with an error.
func exitCode(err error) int {
	if own, ok := errors.AsType[*exitError](err); ok {
		return own.code
	}
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errUsage):
		return exitUsage
	case errors.Is(err, job.ErrStorage), errors.Is(err, job.ErrUnknown), errors.Is(err, job.ErrNoSpace):
		return exitStorage
	default:
		return exitFailed
	}
}
