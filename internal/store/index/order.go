package index

import (
	"bytes"
	"encoding/binary"
	"strings"

	"github.com/stint-jobs/stint/internal/job"
)

// Field is what a page may be ordered by.
type Field uint8

// The fields. A time that is not set sorts before all times. BySubmitTime is the order of
// submission, which is that of ids whatever the clock did: the same as ByID.
const (
	ByID Field = iota
	BySubmitTime
	ByStartTime
	ByCompleteTime
	ByService
	ByState
	ByOutputName
)

// Order is one field of an order.
type Order struct {
	// Field to compare.
	Field Field
	// Desc puts the largest first.
	Desc bool
}

// order is a list of fields that ends with ByID, so that no two jobs are equal.
type order []Order

// normalOrder adds the id to break ties and leaves out what comes behind it.
func normalOrder(by []Order) order {
	var o order
	for _, f := range by {
		if f.Field == BySubmitTime {
			f.Field = ByID
		}
		o = append(o, f)
		if f.Field == ByID {
			return o
		}
	}
	desc := true
	if len(o) > 0 {
		desc = o[len(o)-1].Desc
	}
	return append(o, Order{ByID, desc})
}

func (o order) byID() (desc, ok bool) { return o[0].Desc, len(o) == 1 }

// appendName appends the order itself, of which none is the beginning of another.
func (o order) appendName(b []byte) []byte {
	for _, f := range o {
		name := byte(f.Field) << 1
		if f.Desc {
			name++
		}
		b = append(b, name)
	}
	return b
}

// appendKey appends the name of the order and what decides the place of a job in it: the keys of
// two jobs compare, as bytes, as the jobs do. The last eight bytes are of the id.
func (o order) appendKey(b []byte, e *Entry) []byte {
	b = o.appendName(b)
	for _, f := range o {
		start := len(b)
		switch f.Field {
		case ByStartTime:
			b = appendNumber(b, e.start)
		case ByCompleteTime:
			b = appendNumber(b, e.complete)
		case ByService:
			b = appendOrdered(b, e.service)
		case ByState:
			b = append(b, e.state)
		case ByOutputName:
			b = appendOrdered(b, e.OutputName())
		default:
			b = binary.BigEndian.AppendUint64(b, uint64(e.id))
		}
		if f.Desc {
			for i := range b[start:] {
				b[start+i] ^= 0xff
			}
		}
	}
	return b
}

// byTime reports whether the order begins with a time.
func (o order) byTime() bool { return o[0].Field == ByStartTime || o[0].Field == ByCompleteTime }

// place returns the time that the order begins with so that what comes first is smaller, and time
// the same from a key.
func (o order) place(s *slot) uint64 {
	n := uint64(s.start) ^ 1<<63 //nolint:gosec // the bits, not the value
	if o[0].Field == ByCompleteTime {
		n = uint64(s.complete) ^ 1<<63 //nolint:gosec // the same
	}
	if o[0].Desc {
		n = ^n
	}
	return n
}

func (o order) time(key []byte) uint64 { return binary.BigEndian.Uint64(key[len(o):]) }

// appendNumber appends a number so that a smaller one comes first, a negative one before zero.
func appendNumber(b []byte, n int64) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(n)^1<<63) //nolint:gosec // the bits, not the value
}

// appendOrdered appends a text so that none is the beginning of another. What it ends with is
// smaller than whatever stands for a byte.
func appendOrdered(b []byte, s string) []byte {
	return append(append(b, strings.ReplaceAll(s, "\x00", "\x00\x01")...), 0, 0)
}

// Row is a job on a page, as the index had it.
type Row struct {
	// ID of the job.
	ID job.ID
	// Revision of its last change.
	Revision uint64

	key []byte // its place in the order; nil where that is the order of ids
}

// Cursor is a position in an order: behind the last job of a page. It has the values that the order
// goes by and not a number of jobs, so that jobs which come or go meanwhile neither hide nor repeat
// others.
type Cursor struct{ key []byte }

const idSize = 8

func (o order) cursorBehind(id job.ID) *Cursor {
	return &Cursor{o.appendKey(nil, &Entry{slot: slot{id: id}})}
}

func (o order) fits(c *Cursor) bool {
	values, ok := bytes.CutPrefix(c.key, o.appendName(nil))
	return ok && len(values) >= idSize
}

// idOf returns the job that a cursor of the order is behind; zero for no cursor.
func (o order) idOf(c *Cursor) job.ID {
	if c == nil {
		return 0
	}
	id := binary.BigEndian.Uint64(c.key[len(c.key)-idSize:])
	if o[len(o)-1].Desc {
		id = ^id
	}
	return job.ID(id)
}

// MarshalBinary returns the cursor as bytes, for a page token.
func (c *Cursor) MarshalBinary() ([]byte, error) { return c.key, nil }

// UnmarshalBinary reads what MarshalBinary wrote. What else it is given fits no query.
func (c *Cursor) UnmarshalBinary(b []byte) error {
	c.key = bytes.Clone(b)
	return nil
}
