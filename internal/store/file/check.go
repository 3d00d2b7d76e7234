package file

import (
	"context"
	"fmt"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/audit"
	"github.com/stint-jobs/stint/internal/store/credential"
	"github.com/stint-jobs/stint/internal/store/index"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// Problem is something in the store that must not be, and where: for example `job 17`, `file` or `index`.
type Problem = audit.Problem

// maxProblems is how many problems a check returns: a damaged page can make thousands.
const maxProblems = 100

// Check checks the database of a server that does not run.
func Check(path string) ([]Problem, error) {
	c := &Checker{}
	err := InWords(kv.Check(path, func(text string) { c.Add("file", "%s", text) }))
	if err == nil && len(c.problems) == 0 { // records on damaged pages would only say the same again
		err = View(path, func(tx *kv.ReadTx) error { return c.Database(context.Background(), tx) })
	}
	if err != nil {
		return nil, fmt.Errorf("check store %s: %w", path, err)
	}
	return c.problems, nil
}

// Checker collects problems. The zero value has none.
type Checker struct {
	problems []Problem

	tx        *kv.ReadTx
	counters  Counters
	revisions map[uint64]job.ID
	requests  map[string]checkedRequest // by RequestKey
}

// Problems returns what was found.
func (c *Checker) Problems() []Problem { return c.problems }

// Add adds a problem, if there are not too many.
func (c *Checker) Add(where, format string, args ...any) {
	if len(c.problems) < maxProblems {
		c.problems = append(c.problems, Problem{Where: where, What: fmt.Sprintf(format, args...)})
	}
}

// Database checks what is on disk.
func (c *Checker) Database(ctx context.Context, tx *kv.ReadTx) (err error) {
	for _, b := range Buckets {
		if !tx.Has(b.Name) {
			c.Add("file", "the bucket %s is missing", b.Name)
		}
	}
	if len(c.problems) > 0 {
		return nil
	}
	c.tx, c.revisions, c.requests = tx, make(map[uint64]job.ID), make(map[string]checkedRequest)
	if c.counters, err = ReadCounters(tx); err != nil {
		c.Add("meta", "%v", err)
		return nil
	}
	if c.counters.Purged > c.counters.Revision {
		c.Add("meta", "the last deletion has revision %d, and the last change %d", c.counters.Purged, c.counters.Revision)
	}
	credential.Check(tx, func(where, what string) { c.Add(where, "%s", what) })
	report, err := audit.Verify(ctx, tx, nil)
	if err != nil {
		return err
	}
	for _, p := range report.Problems {
		c.Add(p.Where, "%s", p.What)
	}
	if _, err := ReadSettings(tx); err != nil {
		c.Add("settings", "they cannot be read")
	}
	for _, step := range []struct {
		bucket string
		check  func(key, raw []byte)
	}{
		{Issues, c.issue},
		{Shares, c.share(make(map[job.ID]int))},
		{Jobs, c.record},
		{Requests, c.deletedRequest},
		{Doomed, c.doomed},
		{Specs, c.spec}, // after the jobs, which they are compared with
	} {
		for k, raw := range tx.Ascend(step.bucket, nil) {
			if step.check(k, raw); ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	return nil
}

func (c *Checker) issue(k, raw []byte) {
	if _, err := DecodeIssue(k, raw); err != nil {
		c.Add(fmt.Sprintf("issue %x", k), "it cannot be read")
	}
}

// share returns the check of a share. count has how many there are by job.
func (c *Checker) share(count map[job.ID]int) func(k, raw []byte) {
	maxShares := job.Limits{}.Of(job.QuotaSharesOfJob)
	return func(k, raw []byte) {
		id, user, err := SplitShareKey(k)
		if err != nil || !job.ValidOwner(user) {
			c.Add(fmt.Sprintf("share %x", k), "its key is not a job and a user")
			return
		}
		where := fmt.Sprintf("share of job %s with %s", id, user)
		sh, err := DecodeShare(id, raw)
		if err != nil || index.RightsOf(sh.GetRights()) == 0 || sh.GetCreateTime() == nil {
			c.Add(where, "it cannot be read")
		}
		if count[id]++; int64(count[id]) == maxShares+1 {
			c.Add(where, "the job is shared with more than %d users", maxShares)
		}
		switch h, err := GetHeader(c.tx, id); {
		case h == nil && err == nil:
			c.Add(where, "there is no such job")
		case h.GetOwner() == user:
			c.Add(where, "it is with the owner")
		}
	}
}

func (c *Checker) deletedRequest(k, raw []byte) {
	where := fmt.Sprintf("deleted request %q", k)
	if owner, _, ok := SplitRequestKey(k); !ok || !job.ValidOwner(owner) {
		c.Add(where, "its key is not an owner and a request id")
	}
	if _, err := decode(raw, &storev1.DeletedRequest{}, ""); err != nil {
		c.Add(where, "it cannot be read")
	}
	if r, ok := c.requests[string(k)]; ok {
		c.Add(where, "job %s of it is there", r.first)
	}
}

func (c *Checker) doomed(k, raw []byte) {
	where := fmt.Sprintf("doomed folder %x", k)
	id, err := JobID(k)
	_, unreadable := decode(raw, &storev1.Doomed{}, "")
	switch {
	case err != nil || unreadable != nil:
		c.Add(where, "it cannot be read")
	case id == 0 || id >= c.counters.NextID:
		c.Add(where, "the id was not given out: the next one is %d", c.counters.NextID)
	case c.tx.Get(Jobs, k) != nil:
		c.Add(where, "the job is there")
	}
}

func (c *Checker) spec(k, _ []byte) {
	if c.tx.Get(Jobs, k) == nil {
		c.Add(fmt.Sprintf("spec %x", k), "no job has it")
	}
}
