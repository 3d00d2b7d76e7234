package page

import (
	"encoding/binary"

	"github.com/stint-jobs/stint/internal/job"
)

// A cursor is where a watch goes on: a revision of one incarnation of the database, as opaque text. It tells nothing
// that its reader may not know, so it is neither sealed nor bound to a caller.

const (
	// cursorVersion is the first byte of a cursor.
	cursorVersion = 1
	// cursorSize is how many bytes a cursor has before it is text.
	cursorSize = 1 + incarnationSize + 8
	// MaxCursor is how long the text of a cursor can be in any version.
	MaxCursor = 64
)

// ErrCursor refuses what is no cursor.
var ErrCursor = job.Invalid("afterCursor", "is no cursor of a watch; give one that a frame or a response had, or none to begin with a snapshot")

// Cursor returns the cursor behind a revision.
func (p Sealer) Cursor(revision uint64) string {
	var plain [cursorSize]byte
	plain[0] = cursorVersion
	copy(plain[1:], p.incarnation[:])
	binary.BigEndian.PutUint64(plain[1+incarnationSize:], revision)
	return encoding.EncodeToString(plain[:])
}

// OpenCursor returns the revision of a cursor. ours is false for a cursor of another incarnation, whose revision means nothing here.
func (p Sealer) OpenCursor(text string) (revision uint64, ours bool, err error) {
	if len(text) != encoding.EncodedLen(cursorSize) {
		return 0, false, ErrCursor
	}
	plain, err := encoding.DecodeString(text)
	if err != nil || plain[0] != cursorVersion {
		return 0, false, ErrCursor
	}
	return binary.BigEndian.Uint64(plain[1+incarnationSize:]), [incarnationSize]byte(plain[1:]) == p.incarnation, nil
}
