package file

import (
	"bytes"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// record checks a job. The jobs come in the order of ids.
func (c *Checker) record(k, raw []byte) {
	id, err := JobID(k)
	if err != nil {
		c.Add(fmt.Sprintf("job %x", k), "its key has %d bytes", len(k))
		return
	}
	where := "job " + id.String()
	rec, err := Decode(id, raw)
	if err != nil {
		c.Add(where, "its record cannot be read")
		return
	}
	j := rec.GetJob()
	c.header(where, raw)
	if spec := c.tx.Get(Specs, k); spec == nil {
		c.Add(where, "its parameters are missing")
	} else if _, err := decode(spec, &storev1.Spec{}, ""); err != nil {
		c.Add(where, "its parameters cannot be read")
	}
	c.request(where, id, rec)
	c.revision(where, id, j.GetRevision())
	c.history(where, j)
	if id == 0 || id >= c.counters.NextID {
		c.Add(where, "its id was not given out: the next one is %d", c.counters.NextID)
	}
	if j.GetOwner() == "" || j.GetService() == "" || j.GetOutputName() == "" {
		c.Add(where, "it has no owner, service or output name")
	}
	if !slices.Contains(job.States, j.GetState()) {
		c.Add(where, "it is in no state: %v", j.GetState())
	}
}

// header checks that what the header says stands nowhere else in the value.
func (c *Checker) header(where string, raw []byte) {
	rec := &storev1.Record{}
	if proto.Unmarshal(raw, rec) != nil {
		return
	}
	if twice := HeaderOf(rec); !proto.Equal(twice, &storev1.Header{}) || len(rec.GetJob().GetAttempts())+len(rec.GetJob().GetHistory()) > 0 {
		c.Add(where, "its record says twice what the header has: %v", twice)
	}
}

type checkedRequest struct {
	first job.ID
	hash  []byte
	size  int32
}

func (c *Checker) request(where string, id job.ID, rec *storev1.Record) {
	if rec.GetRequestId() == "" {
		return
	}
	key := string(RequestKey(rec.GetJob().GetOwner(), rec.GetRequestId()))
	r, known := c.requests[key]
	switch {
	case !known:
		c.requests[key] = checkedRequest{id, rec.GetRequestHash(), rec.GetBatchSize()}
	case !bytes.Equal(r.hash, rec.GetRequestHash()) || r.size != rec.GetBatchSize() || id >= r.first+job.ID(max(1, r.size)): //nolint:gosec // a batch is small
		c.Add(where, "it has the request id of job %s, and did not come with it", r.first)
	}
}

func (c *Checker) revision(where string, id job.ID, r uint64) {
	if r == 0 || r > c.counters.Revision {
		c.Add(where, "it has revision %d, and the last one is %d", r, c.counters.Revision)
	}
	if other, ok := c.revisions[r]; ok {
		c.Add(where, "it has the revision of job %s", other)
	}
	c.revisions[r] = id
}

func (c *Checker) history(where string, j *jobsv1.Job) {
	h := j.GetHistory()
	if len(h) == 0 || len(h) > MaxHistory || len(j.GetAttempts()) > MaxAttempts {
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
	if j.GetAttempt() != last.GetAttempt() || Nanos(j.GetChangeTime()) != Nanos(last.GetTime()) {
		c.Add(where, "it says attempt %d of %v, and its history ends with attempt %d of %v",
			j.GetAttempt(), j.GetChangeTime().AsTime(), last.GetAttempt(), last.GetTime().AsTime())
	}
	if (Status{State: last.GetState(), Reason: last.GetReason(), Attempt: last.GetAttempt()}) != StatusOf(j) {
		c.Add(where, "its history ends with %v, %v, attempt %d, and it is %+v", last.GetState(), last.GetReason(), last.GetAttempt(), StatusOf(j))
	}
}
