package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/index"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// recordChecker goes over all records in the order of ids.
type recordChecker struct {
	*checker
	meta      meta
	tx        *kv.ReadTx
	revisions map[uint64]job.ID
	requests  map[string]checkedRequest // by requestKey
}

func (c *checker) records(ctx context.Context, tx *kv.ReadTx, m meta) error {
	rc := &recordChecker{
		checker: c, meta: m, tx: tx,
		revisions: make(map[uint64]job.ID), requests: make(map[string]checkedRequest),
	}
	if m.purged > m.revision {
		c.add("meta", "the last deletion has revision %d, and the last change %d", m.purged, m.revision)
	}
	err := each(tx, bucketJobs, func(k, raw []byte) error {
		rc.record(k, raw)
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	if err := errors.Join(rc.deletedRequests(), rc.doomed()); err != nil {
		return err
	}
	return each(tx, bucketSpecs, func(k, _ []byte) error {
		if tx.Get(bucketJobs, k) == nil {
			c.add(fmt.Sprintf("spec %x", k), "no job has it")
		}
		return ctx.Err()
	})
}

func (c *recordChecker) record(k, raw []byte) {
	if len(k) != 8 {
		c.add(fmt.Sprintf("job %x", k), "its key has %d bytes", len(k))
		return
	}
	id := job.IDFromKey(k)
	where := "job " + id.String()
	rec, err := decodeRecord(id, raw)
	if err != nil || decodeHeader(id, raw, &storev1.Header{}) != nil {
		c.add(where, "its record cannot be read")
		return
	}
	c.header(where, raw)
	c.spec(where, k)
	c.request(where, id, rec)
	c.revision(where, id, rec.GetJob())
	c.history(where, rec.GetJob())
	if id == 0 || id >= c.meta.nextID {
		c.add(where, "its id was not given out: the next one is %d", c.meta.nextID)
	}
	j := rec.GetJob()
	if j.GetOwner() == "" || j.GetService() == "" || j.GetOutputName() == "" {
		c.add(where, "it has no owner, service or output name")
	}
	if !slices.Contains(job.States, j.GetState()) {
		c.add(where, "it is in no state: %v", j.GetState())
	}
}

// header checks that what the header says stands nowhere else in the value.
func (c *recordChecker) header(where string, raw []byte) {
	rec := &storev1.Record{}
	if proto.Unmarshal(raw, rec) != nil {
		return
	}
	if twice := headerOf(rec); !proto.Equal(twice, &storev1.Header{}) || len(rec.GetJob().GetAttempts())+len(rec.GetJob().GetHistory()) > 0 {
		c.add(where, "its record says twice what the header has: %v", twice)
	}
}

func (c *recordChecker) spec(where string, k []byte) {
	raw := c.tx.Get(bucketSpecs, k)
	if raw == nil {
		c.add(where, "its parameters are missing")
		return
	}
	if err := proto.Unmarshal(raw, &storev1.Spec{}); err != nil {
		c.add(where, "its parameters cannot be read")
	}
}

func (c *recordChecker) revision(where string, id job.ID, j *jobsv1.Job) {
	r := j.GetRevision()
	if r == 0 || r > c.meta.revision {
		c.add(where, "it has revision %d, and the last one is %d", r, c.meta.revision)
	}
	if other, ok := c.revisions[r]; ok {
		c.add(where, "it has the revision of job %s", other)
	}
	c.revisions[r] = id
}

func (c *recordChecker) history(where string, j *jobsv1.Job) {
	h := j.GetHistory()
	if len(h) == 0 || len(h) > maxHistory || len(j.GetAttempts()) > maxAttempts {
		c.add(where, "it has %d history entries and %d attempts", len(h), len(j.GetAttempts()))
		return
	}
	var before uint64
	for i, e := range h {
		if e.GetRevision() <= before || e.GetRevision() > j.GetRevision() {
			c.add(where, "history entry %d has revision %d behind %d", i, e.GetRevision(), before)
		}
		before = e.GetRevision()
	}
	last := h[len(h)-1]
	if (status{last.GetState(), last.GetReason(), last.GetAttempt()}) != statusOf(j) {
		c.add(where, "its history ends with %v, %v, attempt %d, and it is %+v", last.GetState(), last.GetReason(), last.GetAttempt(), statusOf(j))
	}
}

// shares checks those on disk.
func (c *checker) shares(tx *kv.ReadTx) {
	count := make(map[job.ID]int)
	_ = each(tx, bucketShares, func(k, raw []byte) error {
		if len(k) <= 8 || !job.ValidOwner(string(k[8:])) {
			c.add(fmt.Sprintf("share %x", k), "its key is not a job and a user")
			return nil
		}
		id := job.IDFromKey(k[:8])
		where := fmt.Sprintf("share of job %s with %s", id, k[8:])
		sh, err := decodeShare(id, raw)
		if err != nil || index.RightsOf(sh.GetRights()) == 0 || sh.GetCreateTime() == nil {
			c.add(where, "it cannot be read")
		}
		if count[id]++; count[id] == MaxShares+1 {
			c.add(where, "the job is shared with more than %d users", MaxShares)
		}
		rec := tx.Get(bucketJobs, k[:8])
		if rec == nil {
			c.add(where, "there is no such job")
			return nil
		}
		var h storev1.Header
		if decodeHeader(id, rec, &h) == nil && h.GetOwner() == string(k[8:]) {
			c.add(where, "it is with the owner")
		}
		return nil
	})
}
