package store

import (
	"cmp"
	"strings"

	"github.com/stint-jobs/stint/internal/job"
)

// Field is what a page may be ordered by.
type Field uint8

// The fields. A time that is not set sorts before all times.
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

// byID reports whether this is the order of ids, which needs no sorting: ids
// are given in the order of submission.
func (o order) byID() (desc, ok bool) {
	if len(o) == 1 || len(o) == 2 && o[0].Field == BySubmitTime && o[0].Desc == o[1].Desc {
		return o[0].Desc, true
	}
	return false, false
}

// sortKey is the value of one field: a number or a text.
type sortKey struct {
	number int64
	text   string
}

func isText(f Field) bool { return f == ByService || f == ByOutputName }

// keyOf is a job's value of a field.
func keyOf(e *Entry, f Field) sortKey {
	switch f {
	case BySubmitTime:
		return sortKey{number: e.SubmitTime()}
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

// place is where a job stands in an order: its keys but for the id, and the id.
type place struct {
	id   job.ID
	keys []sortKey
}

// setPlace makes p the place of a job, reusing its memory.
func (o order) setPlace(p *place, e *Entry) {
	p.id, p.keys = e.ID(), p.keys[:0]
	for _, f := range o[:len(o)-1] {
		p.keys = append(p.keys, keyOf(e, f.Field))
	}
}

// compare is negative when the job stands before the place, without making a place of the job.
func (o order) compare(e *Entry, p *place) int {
	for i := range p.keys {
		k := keyOf(e, o[i].Field)
		if c := compareKeys(k, p.keys[i]); c != 0 {
			return o[i].sign(c)
		}
	}
	return o[len(o)-1].sign(cmp.Compare(e.ID(), p.id))
}

func (o order) comparePlaces(a, b *place) int {
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
