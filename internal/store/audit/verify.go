package audit

import (
	"context"
	"fmt"

	"github.com/stint-jobs/stint/internal/store/kv"
)

// Problem is something in a chain that must not be.
type Problem struct {
	// Where it is: `audit entry 7`, or `audit`.
	Where string
	// What is wrong, in words.
	What string
}

// String is where and what.
func (p Problem) String() string { return p.Where + ": " + p.What }

const maxProblems = 100

// Report is what a verification found.
type Report struct {
	// Begin is the entry before the first one, and End the last one.
	Begin, End Head
	// Entries is how many there are.
	Entries uint64
	// Problems are what is wrong.
	Problems []Problem
}

// Verify follows the chain of a database.
func Verify(ctx context.Context, tx *kv.ReadTx, expect *Head) (Report, error) {
	begin, end, err := Heads(tx)
	if err != nil {
		return Report{}, err
	}
	v := NewVerifier(begin, expect)
	for key, value := range tx.Ascend(Bucket, nil) {
		row, err := decodeRow(key, value)
		if err != nil {
			v.add("audit", "%v", err)
		}
		if row.Sequence > 0 {
			v.Next(row)
		}
		if err := ctx.Err(); err != nil {
			return Report{}, err
		}
	}
	return v.End(&end), nil
}

// Verifier follows the entries of a chain, in their order, and finds what is wrong with them. It
// cannot know of entries that were cut off at the end, or of a chain that was made anew from some
// entry on, unless it expects a head that was noted before.
type Verifier struct {
	expect *Head // nil expects none
	last   Head  // the entry before, as it says of itself
	should Hash  // its hash, computed anew
	report Report
}

// NewVerifier begins behind an entry. expect is an entry that must be in the chain, or nil.
func NewVerifier(begin Head, expect *Head) *Verifier {
	v := &Verifier{expect: expect, last: begin, should: begin.Hash, report: Report{Begin: begin}}
	if expect != nil && expect.Sequence < begin.Sequence {
		v.wrong(expect.Sequence, "it was taken out: the chain begins behind entry %d", begin.Sequence)
	}
	v.expected(begin)
	return v
}

// Next takes the next entry.
func (v *Verifier) Next(row Row) {
	v.report.Entries++
	raw := row.raw
	if raw == nil {
		var err error
		if raw, err = appendEntry(nil, row.Entry); err != nil {
			v.wrong(row.Sequence, "it cannot be encoded: %v", err)
		}
	}
	v.next(Head{row.Sequence, row.Hash}, raw)
}

// Follow is Next for a row that came with the hash of the entry before.
func (v *Verifier) Follow(row Row, previous Hash) {
	if row.Sequence == v.last.Sequence+1 && previous != v.last.Hash {
		v.wrong(row.Sequence, "it names another hash of the entry before than that entry has")
	}
	v.Next(row)
}

func (v *Verifier) next(head Head, raw []byte) {
	switch {
	case head.Sequence <= v.last.Sequence:
		v.wrong(head.Sequence, "it stands behind entry %d", v.last.Sequence)
		return
	case head.Sequence > v.last.Sequence+1:
		v.missing(v.last.Sequence+1, head.Sequence-1)
		v.should = head.Hash // what came before is not known
	default:
		should := v.last.Follows(raw)
		if should != head.Hash && (Head{Hash: v.should}).Follows(raw) != head.Hash {
			v.wrong(head.Sequence, "its hash is not that of what it says and of the entry before it: one of them is not as it was stored")
		}
		v.should = should
	}
	v.last = head
	v.expected(head)
}

func (v *Verifier) expected(head Head) {
	if v.expect != nil && v.expect.Sequence == head.Sequence && v.expect.Hash != head.Hash {
		v.wrong(head.Sequence, "its hash is not the expected one: the chain was made anew at or before this entry")
	}
}

// End ends the chain and returns what was found. known is the entry that the chain must end with,
// or nil where nothing says so.
func (v *Verifier) End(known *Head) Report {
	v.checkEnd(known)
	v.report.End = v.last
	return v.report
}

func (v *Verifier) checkEnd(known *Head) {
	for _, want := range []*Head{known, v.expect} {
		if want != nil && want.Sequence > v.last.Sequence {
			v.missing(v.last.Sequence+1, want.Sequence)
			return
		}
	}
	switch {
	case known == nil:
	case known.Sequence < v.last.Sequence:
		v.wrong(known.Sequence+1, "the store never wrote it: its last entry is %d", known.Sequence)
	case known.Hash != v.last.Hash:
		v.wrong(known.Sequence, "it is the last one, and not the one that the store wrote last")
	}
}

func (v *Verifier) wrong(sequence uint64, format string, args ...any) {
	v.add(fmt.Sprintf("audit entry %d", sequence), format, args...)
}

func (v *Verifier) missing(from, to uint64) {
	if from == to {
		v.wrong(from, "it is missing")
		return
	}
	v.wrong(from, "it is missing, and so are all up to entry %d", to)
}

func (v *Verifier) add(where, format string, args ...any) {
	if len(v.report.Problems) < maxProblems {
		v.report.Problems = append(v.report.Problems, Problem{where, fmt.Sprintf(format, args...)})
	}
}
