package index

import (
	"math"
	"slices"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"github.com/stint-jobs/stint/internal/job"
)

// idSet is a set of jobs by their ids. The zero value is empty.
type idSet struct{ bits roaring64.Bitmap }

func (s *idSet) add(id job.ID)      { s.bits.Add(uint64(id)) }
func (s *idSet) remove(id job.ID)   { s.bits.Remove(uint64(id)) }
func (s *idSet) has(id job.ID) bool { return s.bits.Contains(uint64(id)) }
func (s *idSet) len() int           { return int(s.bits.GetCardinality()) } //nolint:gosec // all fit into memory

func (s *idSet) clone() *idSet           { return &idSet{*s.bits.Clone()} }
func (s *idSet) and(other *idSet) *idSet { return &idSet{*roaring64.And(&s.bits, &other.bits)} }
func (s *idSet) or(other *idSet) *idSet  { return &idSet{*roaring64.Or(&s.bits, &other.bits)} }
func (s *idSet) removeAll(other *idSet)  { s.bits.AndNot(&other.bits) }
func (s *idSet) iterate(desc bool) idIter {
	if desc {
		return s.bits.ReverseIterator()
	}
	return s.bits.Iterator()
}

// idIter goes over a set that does not change meanwhile.
type idIter = roaring64.IntIterable64

// behind returns the next n ids strictly behind one, in either direction. Zero is before all in
// both.
func (s *idSet) behind(id job.ID, desc bool, n int) []job.ID {
	from, to := uint64(0), s.bits.GetCardinality() // the first, and the one behind the last, by rank
	switch {
	case id == 0:
	case desc:
		to = s.bits.Rank(uint64(id) - 1)
	default:
		from = s.bits.Rank(uint64(id))
	}
	if most := uint64(n); to-from > most {
		if desc {
			from = to - most
		} else {
			to = from + most
		}
	}
	ids := make([]job.ID, 0, to-from)
	first, err := s.bits.Select(from)
	if err != nil {
		return ids // none is that far behind
	}
	it := s.bits.Iterator()
	for it.AdvanceIfNeeded(first); len(ids) < cap(ids); {
		ids = append(ids, job.ID(it.Next()))
	}
	if desc {
		slices.Reverse(ids)
	}
	return ids
}

func (s *idSet) keepBehind(id job.ID, desc bool) {
	if desc {
		s.bits.RemoveRange(uint64(id), math.MaxUint64)
	} else {
		s.bits.RemoveRange(0, uint64(id)+1)
	}
}
