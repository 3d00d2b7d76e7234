package index

import (
	"cmp"
	"encoding/binary"
	"errors"
	"strings"

	"github.com/stint-jobs/stint/internal/job"
)

// Field is what a page may be ordered by.
type Field uint8

// The fields. A time that is not set sorts before all times. BySubmitTime is the order of submission, which is that of
// ids whatever the clock did: the same as ByID.
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

// byID reports whether this is the order of ids, which needs no sorting.
func (o order) byID() (desc, ok bool) { return o[0].Desc, len(o) == 1 }

// sortKey is the value of one field: a number or a text.
type sortKey struct {
	number int64
	text   string
}

func isText(f Field) bool { return f == ByService || f == ByOutputName }

// keyOf returns a job's value of a field.
func keyOf(e *Entry, f Field) sortKey {
	switch f {
	case ByStartTime:
		return sortKey{number: e.StartTime()}
	case ByCompleteTime:
		return sortKey{number: e.CompleteTime()}
	case ByService:
		return sortKey{text: e.Service()}
	case ByState:
		return sortKey{number: int64(e.State())}
	case ByOutputName:
		return sortKey{text: e.OutputName()}
	default:
		return sortKey{}
	}
}

// position is where a job stands in an order: its keys but for the id, and the id.
type position struct {
	id       job.ID
	revision uint64 // of the job when it was looked at; of no importance to the order
	keys     []sortKey
}

// setPosition makes p the position of a job, reusing its memory.
func (o order) setPosition(p *position, e *Entry) {
	p.id, p.revision, p.keys = e.ID(), e.Revision(), p.keys[:0]
	for _, f := range o[:len(o)-1] {
		p.keys = append(p.keys, keyOf(e, f.Field))
	}
}

// compare is negative when the job stands before the position, without making a position of the job.
func (o order) compare(e *Entry, p *position) int {
	for i := range p.keys {
		k := keyOf(e, o[i].Field)
		if c := compareKeys(k, p.keys[i]); c != 0 {
			return o[i].sign(c)
		}
	}
	return o[len(o)-1].sign(cmp.Compare(e.ID(), p.id))
}

func (o order) comparePositions(a, b *position) int {
	for i := range a.keys {
		if c := compareKeys(a.keys[i], b.keys[i]); c != 0 {
			return o[i].sign(c)
		}
	}
	return o[len(o)-1].sign(cmp.Compare(a.id, b.id))
}

func compareKeys(a, b sortKey) int {
	if c := cmp.Compare(a.number, b.number); c != 0 {
		return c
	}
	return strings.Compare(a.text, b.text)
}

func (f Order) sign(c int) int {
	if f.Desc {
		return -c
	}
	return c
}

// Cursor is a position in an order: behind the last job of a page. It names the
// values that the order goes by and not a position, so that jobs which come or
// go meanwhile neither hide nor repeat others.
type Cursor struct{ at position }

var errCursor = errors.New("not a cursor")

// MarshalBinary returns the cursor as bytes, for a page token. They belong to the
// query's order but do not name it: the token has to.
func (c *Cursor) MarshalBinary() ([]byte, error) {
	b := binary.AppendUvarint(nil, uint64(c.at.id))
	for _, k := range c.at.keys {
		b = binary.AppendVarint(b, k.number)
		b = binary.AppendUvarint(b, uint64(len(k.text)))
		b = append(b, k.text...)
	}
	return b, nil
}

// UnmarshalBinary reads what MarshalBinary wrote.
func (c *Cursor) UnmarshalBinary(b []byte) error {
	id, n := binary.Uvarint(b)
	if n <= 0 || id == 0 {
		return errCursor
	}
	at := position{id: job.ID(id)}
	for b = b[n:]; len(b) > 0; {
		number, n := binary.Varint(b)
		if n <= 0 {
			return errCursor
		}
		b = b[n:]
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) {
			return errCursor
		}
		end := n + int(size)
		at.keys = append(at.keys, sortKey{number: number, text: string(b[n:end])})
		b = b[end:]
	}
	c.at = at
	return nil
}

// cursorAt returns the cursor behind a position. It shares no text with the index.
func cursorAt(p position) *Cursor {
	c := &Cursor{at: position{id: p.id, keys: make([]sortKey, len(p.keys))}}
	for i, k := range p.keys {
		c.at.keys[i] = sortKey{number: k.number, text: strings.Clone(k.text)}
	}
	return c
}

// fits reports whether the cursor can be of the order.
func (c *Cursor) fits(o order) bool {
	if _, byID := o.byID(); byID {
		return len(c.at.keys) == 0
	}
	if len(c.at.keys) != len(o)-1 {
		return false
	}
	for i, k := range c.at.keys {
		if isText(o[i].Field) && k.number != 0 || !isText(o[i].Field) && k.text != "" {
			return false
		}
	}
	return true
}
