package job

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/stint-jobs/stint/internal/job/terms"
)

// Sentinels of the whole server. They are wrapped with what was attempted, and
// the API's one table maps them to codes; nothing else of an error reaches a client
// but what the typed errors below carry.
var (
	// ErrNotFound: the thing does not exist, or not for this caller.
	ErrNotFound = terms.ErrNotFound
	// ErrAlreadyExists: something of that name is there.
	ErrAlreadyExists = errors.New("already exists")
	// ErrRequestIDReused: the request id came before with another request.
	ErrRequestIDReused = errors.New("request id was used for another request")
	// ErrUnavailable: the service cannot do this now; trying later may help.
	ErrUnavailable = errors.New("unavailable")
	// ErrClosed: submissions are closed by the operators.
	ErrClosed = errors.New("submissions are closed")
	// ErrExhausted: a limit or a quota is reached.
	ErrExhausted = errors.New("limit reached")
	// ErrOverloaded: more is waiting than the server takes; trying again in a moment helps.
	ErrOverloaded = errors.New("overloaded")
	// ErrTooFast: the caller sends more in a time than one caller may; waiting helps.
	ErrTooFast = errors.New("too many requests in a time")
	// ErrTooManyOpen: the caller has more streams open than one caller may.
	ErrTooManyOpen = errors.New("too many streams are open")
	// ErrTooManyFailures: too many attempts to sign in from there failed; waiting helps.
	ErrTooManyFailures = errors.New("too many attempts to sign in failed")
	// ErrNoSpace: the server's disk is nearly full, and nothing new is taken.
	ErrNoSpace = errors.New("the disk is nearly full")
	// ErrDenied: the caller may not do this to anything.
	ErrDenied = errors.New("permission denied")
	// ErrUserDisabled: the user is disabled by the operators.
	ErrUserDisabled = errors.New("the user is disabled")
	// ErrUserUnknown: the server has seen no user of that name.
	ErrUserUnknown = errors.New("nobody of that name was ever seen")
	// ErrOffset: an upload goes on at another byte than the caller believes.
	ErrOffset = errors.New("an upload goes on elsewhere")
	// ErrConflict: the thing is not in a state that allows this.
	ErrConflict = errors.New("not possible in this state")
	// ErrStorage: the store cannot save.
	ErrStorage = errors.New("storage failed")
	// ErrUnknown: a fault hit the commit of a request, and nobody knows whether it was stored; repeating it with the same request id is safe.
	ErrUnknown = errors.New("it is not known whether this was stored")
	// ErrTooLarge: the request is larger than what can be stored at once.
	ErrTooLarge = errors.New("too large")
)

// What is wrong with a request.
type (
	// Violation is one thing wrong with one field.
	Violation = terms.Violation
	// InvalidError is a request that is wrong in itself, with everything that is wrong with it.
	InvalidError = terms.InvalidError
)

// Invalid is an InvalidError with one violation.
func Invalid(field, format string, args ...any) error { return terms.Invalid(field, format, args...) }

// Violations collects what is wrong with a request.
type Violations []Violation

// Add notes one violation.
func (v *Violations) Add(field, format string, args ...any) {
	*v = append(*v, Violation{Field: field, Description: fmt.Sprintf(format, args...)})
}

// Err is nil when nothing was wrong, and an InvalidError otherwise.
func (v Violations) Err() error {
	if len(v) == 0 {
		return nil
	}
	return &InvalidError{Violations: v}
}

// UserError gives a sentinel the words that a client may see, and where
// waiting helps, for how long.
type UserError struct {
	// Sentinel is one of this package's Err values.
	Sentinel error
	// Message is shown to the client.
	Message string
	// RetryAfter is how long to wait before trying again; 0 when that would not help.
	RetryAfter time.Duration
	// Reached is the limit that would be passed; nil where it is none of Quotas.
	Reached *Reached
	// Metadata is what a program needs to know beside the reason, as the ErrorInfo has it. Nil is nothing.
	Metadata map[string]string
	// Missing is what there is not; nil where that is not known by a name.
	Missing *Missing
}

// Missing is a thing that does not exist for the caller.
type Missing struct {
	// Type is the full name of its message in the contract, such as stint.jobs.v1.Job.
	Type string
	// Name is what it was asked for by.
	Name string
}

// Error is the message.
func (e *UserError) Error() string { return e.Message }

// Unwrap makes errors.Is see the sentinel.
func (e *UserError) Unwrap() error { return e.Sentinel }

// Userf is a UserError without a wait.
func Userf(sentinel error, format string, args ...any) error {
	return &UserError{Sentinel: sentinel, Message: fmt.Sprintf(format, args...)}
}

// Missingf is a UserError of a thing that does not exist for the caller.
func Missingf(kind, name, format string, args ...any) error {
	const longest = 200
	if len(name) > longest {
		name = strings.ToValidUTF8(name[:longest], "")
	}
	return &UserError{Sentinel: ErrNotFound, Message: fmt.Sprintf(format, args...), Missing: &Missing{Type: kind, Name: name}}
}
