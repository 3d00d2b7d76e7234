package store

import (
	"bytes"
	"fmt"
	"slices"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// Sees reports whether a job is there and in the scope, without reading the
// disk: for what goes on for a while and must end with the right to it.
func (s *Store) Sees(scope Scope, id job.ID) bool {
	s.ix.mu.RLock()
	defer s.ix.mu.RUnlock()
	k, i, ok := s.ix.slab.find(id)
	return ok && s.ix.sees(scope, id, s.ix.owners.names.list[s.ix.slab.chunks[k].owner[i]])
}

// Shares answers with whom a job of the scope is shared, in the order of users
// behind after, at most limit, and whether there are more.
func (s *Store) Shares(scope Scope, id job.ID, after string, limit int) (list []*jobsv1.Share, more bool, _ error) {
	err := s.read(func(r *reader) error {
		rec, err := r.record(id)
		switch {
		case err != nil:
			return err
		case rec == nil || !scope.sees(rec.GetJob().GetOwner()): // a share does not tell of the others
			return notFound(id)
		}
		c := r.shares.Cursor()
		for k, raw := c.Seek(shareKey(id, after)); bytes.HasPrefix(k, id.Key()); k, raw = c.Next() {
			user := string(k[8:])
			if user == after {
				continue
			}
			if more = len(list) == limit; more {
				return nil
			}
			sh, err := decodeShare(id, raw)
			if err != nil {
				return err
			}
			list = append(list, &jobsv1.Share{JobId: id.String(), User: user, Rights: sh.GetRights(), CreateTime: sh.GetCreateTime()})
		}
		return nil
	})
	return list, more, err
}

// SharePlace is a place in the list of what is shared with a user. The zero value is before its beginning.
type SharePlace struct {
	// Time of the share, in nanoseconds since 1970.
	Time int64
	// Job that is shared.
	Job job.ID
}

// SharedWith answers what others share with a user, newest first, behind a
// place, at most limit, and the place to go on behind; nil at the end. The jobs are in
// the BASIC view, as Get answers shared ones.
func (s *Store) SharedWith(user string, after SharePlace, limit int) ([]*jobsv1.Share, *SharePlace, error) {
	places, next := s.ix.sharedWith(user, after, limit)
	list := make([]*jobsv1.Share, 0, len(places))
	scope := OwnedBy(user).With(jobsv1.ShareRight_SHARE_RIGHT_HISTORY)
	err := s.read(func(r *reader) error {
		for _, g := range places {
			j, err := r.jobIn(scope, g.id, jobsv1.JobView_JOB_VIEW_BASIC)
			if err != nil {
				return err
			}
			raw := r.shares.Get(shareKey(g.id, user))
			if j == nil || raw == nil {
				continue // taken back a moment ago
			}
			sh, err := decodeShare(g.id, raw)
			if err != nil {
				return err
			}
			list = append(list, &jobsv1.Share{JobId: g.id.String(), User: user, Rights: sh.GetRights(), CreateTime: sh.GetCreateTime(), Job: j})
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read what is shared with %s: %w", user, err)
	}
	return list, next, nil
}

func (ix *index) sharedWith(user string, after SharePlace, limit int) (places []grant, next *SharePlace) {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	all := ix.shares.with[user]
	end := len(all)
	if after != (SharePlace{}) {
		end, _ = slices.BinarySearchFunc(all, grant{after.Time, after.Job}, grant.compare)
	}
	begin := max(0, end-limit)
	places = slices.Clone(all[begin:end])
	slices.Reverse(places)
	if begin > 0 {
		next = &SharePlace{all[begin].at, all[begin].id}
	}
	return places, next
}
