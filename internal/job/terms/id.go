// Package terms has those words of the domain that need no contract: the number of a job, and
// what is wrong with a request. Package job has them under the same names for everybody else; on its
// own it is for programs that must be small, such as the shim.
package terms

import (
	"encoding/binary"
	"fmt"
	"strconv"
)

// ID is the number of a job: decimal in the API, 8 bytes big endian as a key on
// disk. Numbers grow in the order of submission; 0 is never given out.
type ID uint64

// ParseID reads the decimal form. Anything but digits, a leading zero, zero
// itself and what does not fit in 64 bits is refused, so that a job has one name only.
func ParseID(s string) (ID, error) {
	if s == "" || s[0] < '1' || s[0] > '9' {
		return 0, fmt.Errorf("job id %q is not a decimal number: %w", Clip(s), ErrNotFound)
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("job id %q is not a decimal number: %w", Clip(s), ErrNotFound)
	}
	return ID(n), nil
}

// String is the decimal form.
func (id ID) String() string { return strconv.FormatUint(uint64(id), 10) }

// Key is the form on disk: its byte order is the order of the numbers.
func (id ID) Key() []byte { return binary.BigEndian.AppendUint64(nil, uint64(id)) }

// IDFromKey reads what Key wrote.
func IDFromKey(k []byte) ID { return ID(binary.BigEndian.Uint64(k)) }

// Clip keeps what a caller sent from filling an error message.
func Clip(s string) string {
	const most = 40
	if len(s) <= most {
		return s
	}
	return s[:most] + "..."
}
