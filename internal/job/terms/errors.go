package terms

import (
	"errors"
	"fmt"
	"strings"
)

// ErrNotFound is job.ErrNotFound.
var ErrNotFound = errors.New("not found")

// Violation is one thing wrong with one field of a request.
type Violation struct {
	// Field is the path of the field as in the API's JSON names with dots, for
	// example `job.parameters.read1`.
	Field string
	// Description says what is wrong and what would be right, as a sentence.
	Description string
}

// InvalidError is a request that is wrong in itself, with everything that is wrong with it.
type InvalidError struct{ Violations []Violation }

// Error lists all violations.
func (e *InvalidError) Error() string {
	parts := make([]string, len(e.Violations))
	for i, v := range e.Violations {
		parts[i] = v.Field + ": " + v.Description
	}
	return "invalid request: " + strings.Join(parts, "; ")
}

// Invalid is an InvalidError with one violation.
func Invalid(field, format string, args ...any) error {
	return &InvalidError{Violations: []Violation{{Field: field, Description: fmt.Sprintf(format, args...)}}}
}
