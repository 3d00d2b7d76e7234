package index

import (
	"cmp"
	"slices"

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

// SharePosition is a position in the list of what is shared with a user. The zero value is before
// its first entry.
type SharePosition struct {
	// Time of the share, in nanoseconds since 1970.
	Time int64
	// Job that is shared.
	Job job.ID
}

func (p SharePosition) compare(other SharePosition) int {
	return cmp.Or(cmp.Compare(p.Time, other.Time), cmp.Compare(p.Job, other.Job))
}

// shares are who was given what of whose jobs. What a user was given is in the order in which it is
// listed.
type shares struct {
	byJob  map[job.ID]map[string]Share
	byUser map[string][]SharePosition
	owners map[job.ID]string // of the jobs in byJob: a job may be deleted before its shares
	given  map[string]int    // by owner of jobs, how many shares there are of them
}

// put sets what a user has of a job of an owner; nil or no rights at all end the share.
func (s *shares) put(id job.ID, owner, user string, sh *Share) {
	s.drop(id, user)
	if sh == nil || sh.Rights == 0 {
		return
	}
	if s.byJob == nil {
		s.byJob, s.byUser = make(map[job.ID]map[string]Share), make(map[string][]SharePosition)
		s.owners, s.given = make(map[job.ID]string), make(map[string]int)
	}
	s.owners[id] = owner
	s.given[owner]++
	if s.byJob[id] == nil {
		s.byJob[id] = make(map[string]Share)
	}
	s.byJob[id][user] = *sh
	i, _ := s.search(user, SharePosition{sh.Time, id})
	s.byUser[user] = slices.Insert(s.byUser[user], i, SharePosition{sh.Time, id})
}

func (s *shares) drop(id job.ID, user string) {
	sh, ok := s.byJob[id][user]
	if !ok {
		return
	}
	owner := s.owners[id]
	if s.given[owner]--; s.given[owner] == 0 {
		delete(s.given, owner)
	}
	if delete(s.byJob[id], user); len(s.byJob[id]) == 0 {
		delete(s.byJob, id)
		delete(s.owners, id)
	}
	i, _ := s.search(user, SharePosition{sh.Time, id})
	if s.byUser[user] = slices.Delete(s.byUser[user], i, i+1); len(s.byUser[user]) == 0 {
		delete(s.byUser, user)
	}
}

func (s *shares) search(user string, p SharePosition) (int, bool) {
	return slices.BinarySearchFunc(s.byUser[user], p, SharePosition.compare)
}

// Sees reports whether a job is there and in the scope, shares included.
func (ix *Index) Sees(scope Scope, id job.ID) bool {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	_, s := ix.table.find(id)
	return s != nil && ix.sees(scope, s)
}

// sees reports whether a job is in the scope. The caller holds mu.
func (ix *Index) sees(scope Scope, s *slot) bool {
	return scope.Includes(ix.owners.names[s.ownerNo]) || ix.shares.byJob[s.id][scope.Owner].Rights.Has(scope.Right)
}

// SharedWith returns what others share with a user, newest first, behind a position and at most
// limit, and the position to go on behind; nil at the end.
func (ix *Index) SharedWith(user string, after SharePosition, limit int) (list []SharePosition, next *SharePosition) {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	all := ix.shares.byUser[user]
	end := len(all)
	if after != (SharePosition{}) {
		end, _ = ix.shares.search(user, after)
	}
	start := max(0, end-limit)
	list = slices.Clone(all[start:end])
	slices.Reverse(list)
	if start > 0 {
		next = &SharePosition{all[start].Time, all[start].Job}
	}
	return list, next
}

// CountSharedWith returns how many jobs others share with a user.
func (ix *Index) CountSharedWith(user string) int {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	return len(ix.shares.byUser[user])
}

// CountSharedBy returns how many shares there are of the jobs of an owner.
func (ix *Index) CountSharedBy(owner string) int {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	return ix.shares.given[owner]
}

// ownerOf returns the owner of a job; empty where it is not there. The caller holds mu.
func (ix *Index) ownerOf(id job.ID) string {
	if _, s := ix.table.find(id); s != nil {
		return ix.owners.names[s.ownerNo]
	}
	return ""
}
