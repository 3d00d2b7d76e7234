package store

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	bolt "go.etcd.io/bbolt"
	"google.golang.org/protobuf/proto"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// rights are what a user was given of a job: bit 1<<right.
type rights uint8

func rightsOf(list []jobsv1.ShareRight) rights {
	var r rights
	for _, one := range list {
		if one > 0 && one < 8 { // a right of a later version is none
			r |= 1 << one
		}
	}
	return r
}

func (r rights) has(right jobsv1.ShareRight) bool {
	return right != jobsv1.ShareRight_SHARE_RIGHT_UNSPECIFIED && r&(1<<right) != 0
}

// shares are who was given what of whose jobs. A job is shared with few, so
// that a sorted list will do; what a user was given is in the order in which it is listed.
type shares struct {
	of   map[job.ID][]grantee // sorted by user
	with map[string][]grant   // by user, oldest first
}

// grantee is one with whom a job is shared.
type grantee struct {
	user   string
	rights rights
	at     int64 // when, in nanoseconds since 1970
}

// grant is a job that is shared with somebody.
type grant struct {
	at int64
	id job.ID
}

func (g grant) compare(other grant) int {
	return cmp.Or(cmp.Compare(g.at, other.at), cmp.Compare(g.id, other.id))
}

// shareChange is one committed change: what a user has of a job from then on.
type shareChange struct {
	id job.ID
	grantee
}

func (s *shares) search(id job.ID, user string) (int, bool) {
	return slices.BinarySearchFunc(s.of[id], user, func(g grantee, user string) int { return strings.Compare(g.user, user) })
}

// rights are what a user has of a job.
func (s *shares) rights(id job.ID, user string) rights {
	if i, ok := s.search(id, user); ok {
		return s.of[id][i].rights
	}
	return 0
}

// apply takes a change; no rights at all end the share.
func (s *shares) apply(ch *shareChange) {
	s.drop(ch.id, ch.user)
	if ch.rights == 0 {
		return
	}
	if s.of == nil {
		s.of, s.with = make(map[job.ID][]grantee), make(map[string][]grant)
	}
	i, _ := s.search(ch.id, ch.user)
	s.of[ch.id] = slices.Insert(s.of[ch.id], i, ch.grantee)
	g := grant{ch.at, ch.id}
	i, _ = slices.BinarySearchFunc(s.with[ch.user], g, grant.compare)
	s.with[ch.user] = slices.Insert(s.with[ch.user], i, g)
}

func (s *shares) drop(id job.ID, user string) {
	i, ok := s.search(id, user)
	if !ok {
		return
	}
	at := s.of[id][i].at
	if s.of[id] = slices.Delete(s.of[id], i, i+1); len(s.of[id]) == 0 {
		delete(s.of, id)
	}
	i, _ = slices.BinarySearchFunc(s.with[user], grant{at, id}, grant.compare)
	if s.with[user] = slices.Delete(s.with[user], i, i+1); len(s.with[user]) == 0 {
		delete(s.with, user)
	}
}

// load reads all shares of the file.
func (s *shares) load(tx *bolt.Tx) error {
	return tx.Bucket(bucketShares).ForEach(func(k, raw []byte) error {
		if len(k) <= 8 {
			return fmt.Errorf("a share's key has %d bytes: %w", len(k), job.ErrStorage)
		}
		id := job.IDFromKey(k[:8])
		sh, err := decodeShare(id, raw)
		if err != nil {
			return err
		}
		s.apply(&shareChange{id, grantee{string(k[8:]), rightsOf(sh.GetRights()), nanos(sh.GetCreateTime())}})
		return nil
	})
}

func shareKey(id job.ID, user string) []byte { return append(id.Key(), user...) }

func decodeShare(id job.ID, raw []byte) (*storev1.Share, error) {
	sh := &storev1.Share{}
	if err := proto.Unmarshal(raw, sh); err != nil {
		return nil, fmt.Errorf("read a share of job %s: %w: the record is damaged: %w", id, job.ErrStorage, err)
	}
	return sh, nil
}

// sees reports whether a job of owner is in the scope. The caller holds mu.
func (ix *index) sees(scope Scope, id job.ID, owner string) bool {
	return scope.sees(owner) || scope.Owner != "" && ix.shares.rights(id, scope.Owner).has(scope.Right)
}

// seen reports whether a job is in the scope. From one that is only because it
// was shared it takes what leads to other things of its owner: folders of
// their workspace, and the jobs that it belongs to and repeats.
func (r *reader) seen(scope Scope, id job.ID, j *jobsv1.Job) (bool, error) {
	if scope.sees(j.GetOwner()) {
		return true, nil
	}
	if scope.Owner == "" || scope.Right == jobsv1.ShareRight_SHARE_RIGHT_UNSPECIFIED {
		return false, nil
	}
	raw := r.shares.Get(shareKey(id, scope.Owner))
	if raw == nil {
		return false, nil
	}
	sh, err := decodeShare(id, raw)
	if err != nil || !rightsOf(sh.GetRights()).has(scope.Right) {
		return false, err
	}
	j.OutputFolder, j.ResultFolder, j.ParentId, j.RerunOf = "", "", "", ""
	return true, nil
}

// jobIn decodes a job; nil when there is none in the scope.
func (r *reader) jobIn(scope Scope, id job.ID, view jobsv1.JobView) (*jobsv1.Job, error) {
	j, _, err := r.job(id, view)
	if err != nil || j == nil {
		return nil, err
	}
	seen, err := r.seen(scope, id, j)
	if err != nil || !seen {
		return nil, err
	}
	return j, nil
}
