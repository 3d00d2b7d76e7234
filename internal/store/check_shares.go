package store

import (
	"fmt"
	"maps"
	"slices"

	bolt "go.etcd.io/bbolt"

	"github.com/stint-jobs/stint/internal/job"
)

// shares checks those on disk.
func (c *checker) shares(tx *bolt.Tx) {
	jobs := tx.Bucket(bucketJobs)
	count := make(map[job.ID]int)
	_ = tx.Bucket(bucketShares).ForEach(func(k, raw []byte) error {
		if len(k) <= 8 || !job.ValidOwner(string(k[8:])) {
			c.add(fmt.Sprintf("share %x", k), "its key is not a job and a user")
			return nil
		}
		id := job.IDFromKey(k[:8])
		where := fmt.Sprintf("share of job %s with %s", id, k[8:])
		sh, err := decodeShare(id, raw)
		if err != nil || rightsOf(sh.GetRights()) == 0 || sh.GetCreateTime() == nil {
			c.add(where, "it cannot be read")
		}
		if count[id]++; count[id] == MaxShares+1 {
			c.add(where, "the job is shared with more than %d users", MaxShares)
		}
		rec := jobs.Get(k[:8])
		if rec == nil {
			c.add(where, "there is no such job")
			return nil
		}
		var h header
		if decodeHeader(id, rec, &h) == nil && h.owner == string(k[8:]) {
			c.add(where, "it is with the owner")
		}
		return nil
	})
}

// sharesInMemory compares both ways to look shares up with those made anew.
func (c *checker) sharesInMemory(live, fresh *shares) {
	if !maps.EqualFunc(live.of, fresh.of, slices.Equal) {
		c.add("index of shares", "by job it has %d jobs, and is not as the records are, which have %d", len(live.of), len(fresh.of))
	}
	if !maps.EqualFunc(live.with, fresh.with, slices.Equal) {
		c.add("index of shares", "by user it has %d users, and is not as the records are, which have %d", len(live.with), len(fresh.with))
	}
}

// line compares the jobs that are not final.
func (c *checker) line(live, fresh *index) {
	got, want := live.line.all(live), fresh.line.all(fresh)
	if !slices.Equal(got, want) || len(got)+live.line.gone != len(live.line.ids) {
		c.add("queue", "the index lists %d jobs and %d that went, of %d, and there are %d", len(got), live.line.gone, len(live.line.ids), len(want))
	}
}
