package file

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
	"github.com/stint-jobs/stint/internal/store/record"
)

// recordChecker goes over all records in the order of ids.
type recordChecker struct {
	*Checker
	counters  Counters
	tx        *kv.ReadTx
	revisions map[uint64]job.ID
	requests  map[string]checkedRequest // by request.Key
}

func (c *Checker) records(ctx context.Context, tx *kv.ReadTx, m Counters) error {
	rc := &recordChecker{
		Checker: c, counters: m, tx: tx,
		revisions: make(map[uint64]job.ID), requests: make(map[string]checkedRequest),
	}
	if m.Purged > m.Revision {
		c.Add("meta", "the last deletion has revision %d, and the last change %d", m.Purged, m.Revision)
	}
	err := tx.Each(record.Jobs, func(k, raw []byte) error {
		rc.record(k, raw)
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	if err := errors.Join(rc.deletedRequests(), rc.doomed()); err != nil {
		return err
	}
	return tx.Each(record.Specs, func(k, _ []byte) error {
		if tx.Get(record.Jobs, k) == nil {
			c.Add(fmt.Sprintf("spec %x", k), "no job has it")
		}
		return ctx.Err()
	})
}

func (c *recordChecker) record(k, raw []byte) {
	if len(k) != 8 {
		c.Add(fmt.Sprintf("job %x", k), "its key has %d bytes", len(k))
		return
	}
	id := job.IDFromKey(k)
	where := "job " + id.String()
	rec, err := record.Decode(id, raw)
	if err != nil || record.DecodeHeader(id, raw, &storev1.Header{}) != nil {
		c.Add(where, "its record cannot be read")
		return
	}
	c.header(where, raw)
	c.spec(where, k)
	c.request(where, id, rec)
	c.revision(where, id, rec.GetJob())
	c.history(where, rec.GetJob())
	if id == 0 || id >= c.counters.NextID {
		c.Add(where, "its id was not given out: the next one is %d", c.counters.NextID)
	}
	j := rec.GetJob()
	if j.GetOwner() == "" || j.GetService() == "" || j.GetOutputName() == "" {
		c.Add(where, "it has no owner, service or output name")
	}
	if !slices.Contains(job.States, j.GetState()) {
		c.Add(where, "it is in no state: %v", j.GetState())
	}
}

// header checks that what the header says stands nowhere else in the value.
func (c *recordChecker) header(where string, raw []byte) {
	rec := &storev1.Record{}
	if proto.Unmarshal(raw, rec) != nil {
		return
	}
	if twice := record.HeaderOf(rec); !proto.Equal(twice, &storev1.Header{}) || len(rec.GetJob().GetAttempts())+len(rec.GetJob().GetHistory()) > 0 {
		c.Add(where, "its record says twice what the header has: %v", twice)
	}
}

func (c *recordChecker) spec(where string, k []byte) {
	raw := c.tx.Get(record.Specs, k)
	if raw == nil {
		c.Add(where, "its parameters are missing")
		return
	}
	if err := proto.Unmarshal(raw, &storev1.Spec{}); err != nil {
		c.Add(where, "its parameters cannot be read")
	}
}

func (c *recordChecker) revision(where string, id job.ID, j *jobsv1.Job) {
	r := j.GetRevision()
	if r == 0 || r > c.counters.Revision {
		c.Add(where, "it has revision %d, and the last one is %d", r, c.counters.Revision)
	}
	if other, ok := c.revisions[r]; ok {
		c.Add(where, "it has the revision of job %s", other)
	}
	c.revisions[r] = id
}

func (c *recordChecker) history(where string, j *jobsv1.Job) {
	h := j.GetHistory()
	if len(h) == 0 || len(h) > record.MaxHistory || len(j.GetAttempts()) > record.MaxAttempts {
		c.Add(where, "it has %d history entries and %d attempts", len(h), len(j.GetAttempts()))
		return
	}
	var before uint64
	for i, e := range h {
		if e.GetRevision() <= before || e.GetRevision() > j.GetRevision() {
			c.Add(where, "history entry %d has revision %d behind %d", i, e.GetRevision(), before)
		}
		before = e.GetRevision()
	}
	last := h[len(h)-1]
	if (record.Status{State: last.GetState(), Reason: last.GetReason(), Attempt: last.GetAttempt()}) != record.StatusOf(j) {
		c.Add(where, "its history ends with %v, %v, attempt %d, and it is %+v", last.GetState(), last.GetReason(), last.GetAttempt(), record.StatusOf(j))
	}
}

// shares checks those on disk.
func (c *Checker) shares(tx *kv.ReadTx) {
	count := make(map[job.ID]int)
	_ = tx.Each(record.Shares, func(k, raw []byte) error {
		if len(k) <= 8 || !job.ValidOwner(string(k[8:])) {
			c.Add(fmt.Sprintf("share %x", k), "its key is not a job and a user")
			return nil
		}
		id := job.IDFromKey(k[:8])
		where := fmt.Sprintf("share of job %s with %s", id, k[8:])
		sh, err := record.DecodeShare(id, raw)
		if err != nil || index.RightsOf(sh.GetRights()) == 0 || sh.GetCreateTime() == nil {
			c.Add(where, "it cannot be read")
		}
		if count[id]++; count[id] == record.MaxShares+1 {
			c.Add(where, "the job is shared with more than %d users", record.MaxShares)
		}
		rec := tx.Get(record.Jobs, k[:8])
		if rec == nil {
			c.Add(where, "there is no such job")
			return nil
		}
		var h storev1.Header
		if record.DecodeHeader(id, rec, &h) == nil && h.GetOwner() == string(k[8:]) {
			c.Add(where, "it is with the owner")
		}
		return nil
	})
}
