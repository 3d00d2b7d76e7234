package job

import "github.com/stint-jobs/stint/internal/job/terms"

// EscapeControls returns a name of a file in which each byte that is no UTF-8 or belongs to a control character is
// written as % and its two hexadecimal digits.
func EscapeControls(name string) string { return terms.EscapeControls(name) }
