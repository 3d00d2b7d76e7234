package index

import (
	"cmp"
	"slices"
	"strings"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// Rights are what a user was given of a job: bit 1<<right.
type Rights uint8

// RightsOf returns the set of some rights. A right of a later version is none.
func RightsOf(list []jobsv1.ShareRight) Rights {
	var r Rights
	for _, one := range list {
		if one > 0 && one < 8 {
			r |= 1 << one
		}
	}
	return r
}

// Has reports whether a right is in the set.
func (r Rights) Has(right jobsv1.ShareRight) bool {
	return right != jobsv1.ShareRight_SHARE_RIGHT_UNSPECIFIED && r&(1<<right) != 0
}

// Share is what a user was given of a job.
type Share struct {
	// Rights that they have. None is no share.
	Rights Rights
	// Time at which they were given, in nanoseconds since 1970.
	Time int64
}

// SharePosition is a position in the list of what is shared with a user. The zero value is before its first entry.
type SharePosition struct {
	// Time of the share, in nanoseconds since 1970.
	Time int64
	// Job that is shared.
	Job job.ID
}

func (p SharePosition) compare(other SharePosition) int {
	return cmp.Or(cmp.Compare(p.Time, other.Time), cmp.Compare(p.Job, other.Job))
}

// shares are who was given what of whose jobs. A job is shared with few, so
// that a sorted list will do; what a user was given is in the order in which it is listed.
type shares struct {
	byJob  map[job.ID][]recipient // sorted by user
	byUser map[string][]SharePosition
}

// recipient is a user with whom a job is shared.
type recipient struct {
	user string
	Share
}

func (s *shares) search(id job.ID, user string) (int, bool) {
	return slices.BinarySearchFunc(s.byJob[id], user, func(r recipient, user string) int { return strings.Compare(r.user, user) })
}

// rights returns what a user has of a job.
func (s *shares) rights(id job.ID, user string) Rights {
	if i, ok := s.search(id, user); ok {
		return s.byJob[id][i].Rights
	}
	return 0
}

// put sets what a user has of a job; nil or no rights at all end the share.
func (s *shares) put(id job.ID, user string, sh *Share) {
	s.drop(id, user)
	if sh == nil || sh.Rights == 0 {
		return
	}
	if s.byJob == nil {
		s.byJob, s.byUser = make(map[job.ID][]recipient), make(map[string][]SharePosition)
	}
	i, _ := s.search(id, user)
	s.byJob[id] = slices.Insert(s.byJob[id], i, recipient{user, *sh})
	p := SharePosition{sh.Time, id}
	i, _ = slices.BinarySearchFunc(s.byUser[user], p, SharePosition.compare)
	s.byUser[user] = slices.Insert(s.byUser[user], i, p)
}

func (s *shares) drop(id job.ID, user string) {
	i, ok := s.search(id, user)
	if !ok {
		return
	}
	p := SharePosition{s.byJob[id][i].Time, id}
	if s.byJob[id] = slices.Delete(s.byJob[id], i, i+1); len(s.byJob[id]) == 0 {
		delete(s.byJob, id)
	}
	i, _ = slices.BinarySearchFunc(s.byUser[user], p, SharePosition.compare)
	if s.byUser[user] = slices.Delete(s.byUser[user], i, i+1); len(s.byUser[user]) == 0 {
		delete(s.byUser, user)
	}
}

// Sees reports whether a job is there and in the scope, shares included.
func (ix *Index) Sees(scope Scope, id job.ID) bool {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	k, i, ok := ix.table.find(id)
	return ok && ix.sees(scope, id, ix.owners.names.list[ix.table.chunks[k].owner[i]])
}

// sees reports whether a job of owner is in the scope. The caller holds mu.
func (ix *Index) sees(scope Scope, id job.ID, owner string) bool {
	return scope.Includes(owner) || scope.Owner != "" && ix.shares.rights(id, scope.Owner).Has(scope.Right)
}

// SharedWith returns what others share with a user, newest first, behind a position and at most limit, and the
// position to go on behind; nil at the end.
func (ix *Index) SharedWith(user string, after SharePosition, limit int) (list []SharePosition, next *SharePosition) {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	all := ix.shares.byUser[user]
	end := len(all)
	if after != (SharePosition{}) {
		end, _ = slices.BinarySearchFunc(all, after, SharePosition.compare)
	}
	start := max(0, end-limit)
	list = slices.Clone(all[start:end])
	slices.Reverse(list)
	if start > 0 {
		next = &SharePosition{all[start].Time, all[start].Job}
	}
	return list, next
}
