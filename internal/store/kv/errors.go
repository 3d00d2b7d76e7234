package kv

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"
)

// Errors of Do that say that the operation is certainly not in the database.
var (
	// ErrOverloaded is returned when more waits for the writer than Config allows.
	ErrOverloaded = errors.New("too many operations are waiting")
	// ErrNoSpace is returned when the file system has no room. Another attempt may succeed later.
	ErrNoSpace = errors.New("no space left for the database")
	// ErrClosed is returned once Close has begun.
	ErrClosed = errors.New("the database is closed")
	// ErrFailed is returned after a fault that ended all writing. See DB.Failed.
	ErrFailed = errors.New("the database takes no more writes")
)

// ErrUnknown is returned by Do when a fault hit the commit of the operation: it
// is in the database whole or not at all, which the next Open shows.
var ErrUnknown = errors.New("it is not known whether the operation was stored")

// Errors of opening a file.
var (
	// ErrLocked is returned when another process has the file open.
	ErrLocked = errors.New("another process has the database open")
	// ErrNotDatabase is returned for a file that bbolt did not write.
	ErrNotDatabase = errors.New("the file is not a bbolt database")
	// ErrDamaged is returned for a database with pages that cannot be read.
	ErrDamaged = errors.New("the database is damaged")
)

// ErrNoBucket is returned for a write to a bucket that Config does not name.
var ErrNoBucket = errors.New("no such bucket")

// ErrEntry is returned for bytes that are not an entry.
var ErrEntry = errors.New("the entry cannot be read")

// TooLargeError is returned for an operation whose entry alone is larger than Config.MaxEntry.
type TooLargeError struct {
	Size int // bytes of the entry when it was refused
	Max  int
}

// Error says both sizes.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the operation is too large: %d bytes of at most %d", e.Size, e.Max)
}

// PanicError is returned for an operation whose Stage panicked.
type PanicError struct {
	Value any
	Stack []byte
}

// Error says what the panic said, without the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// guard runs fn and returns a panic of it, or a fault at a mapped page, as a *PanicError.
func guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = &PanicError{p, debug.Stack()}
		}
	}()
	return fn()
}

func isPanic(err error) bool {
	var p *PanicError
	return errors.As(err, &p)
}

// noSpace reports whether an error comes from a file system without room. bbolt
// puts some errors into others by their text alone, which then ends in the text of the system's error.
func noSpace(err error) bool {
	if err == nil {
		return false
	}
	for _, errno := range [...]unix.Errno{unix.ENOSPC, unix.EDQUOT} {
		if errors.Is(err, errno) || strings.HasSuffix(err.Error(), errno.Error()) {
			return true
		}
	}
	return false
}

// Guard runs fn, which reads pages. One that cannot be read is ErrDamaged. Use it in other goroutines than the one that
// View runs its function in.
func Guard(fn func() error) error {
	err := guard(fn)
	if isPanic(err) {
		return fmt.Errorf("read: %w: %w", ErrDamaged, err)
	}
	return err
}
