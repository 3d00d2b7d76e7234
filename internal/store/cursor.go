package store

import (
	"encoding/binary"
	"errors"
	"strings"

	"github.com/stint-jobs/stint/internal/job"
)

// Cursor is a place in an order: behind the last job of a page. It names the
// values that the order goes by and not a position, so that jobs which come or
// go meanwhile neither hide nor repeat others.
type Cursor struct{ at place }

var errCursor = errors.New("not a cursor")

// MarshalBinary is the cursor as bytes, for a page token. They belong to the
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
	at := place{id: job.ID(id)}
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

// cursorAt is the cursor behind a place. It shares no text with the index.
func cursorAt(p place) *Cursor {
	c := &Cursor{at: place{id: p.id, keys: make([]sortKey, len(p.keys))}}
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
