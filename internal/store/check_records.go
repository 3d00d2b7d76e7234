package store

import (
	"context"
	"fmt"
	"reflect"

	bolt "go.etcd.io/bbolt"
	"google.golang.org/protobuf/proto"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// recordChecker goes over all records in the order of ids.
type recordChecker struct {
	*checker
	meta      meta
	specs     *bolt.Bucket
	revisions map[uint64]job.ID
	requests  map[string]job.ID
	submitted int64 // submit time of the job before
}

func (c *checker) records(ctx context.Context, tx *bolt.Tx, m meta) error {
	rc := &recordChecker{
		checker: c, meta: m, specs: tx.Bucket(bucketSpecs),
		revisions: make(map[uint64]job.ID), requests: make(map[string]job.ID),
	}
	if m.purged > m.revision {
		c.add("meta", "the last deletion has revision %d, and the last change %d", m.purged, m.revision)
	}
	jobs := tx.Bucket(bucketJobs)
	err := jobs.ForEach(func(k, raw []byte) error {
		rc.record(k, raw)
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	return rc.specs.ForEach(func(k, _ []byte) error {
		if jobs.Get(k) == nil {
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
	rec := &storev1.Record{}
	if err := proto.Unmarshal(raw, rec); err != nil || rec.GetJob() == nil {
		c.add(where, "its record cannot be read")
		return
	}
	c.header(where, id, raw, rec)
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
	if t := nanos(j.GetSubmitTime()); t < c.submitted {
		c.add(where, "it was submitted before the job before it")
	} else {
		c.submitted = t
	}
	if stateIndex(j.GetState()) == 0 {
		c.add(where, "it is in no state: %v", j.GetState())
	}
}

// header compares what a start reads with what is there.
func (c *recordChecker) header(where string, id job.ID, raw []byte, rec *storev1.Record) {
	var quick header
	if err := decodeHeader(id, raw, &quick); err != nil {
		c.add(where, "its header cannot be read: %v", err)
		return
	}
	if whole := headerOf(id, rec); !reflect.DeepEqual(quick, whole) && !sameButLabels(quick, whole) {
		c.add(where, "its header reads as %+v and its record as %+v", quick, whole)
	}
}

// sameButLabels tells an empty list of labels from a difference.
func sameButLabels(a, b header) bool {
	if len(a.labels) != 0 || len(b.labels) != 0 {
		return false
	}
	a.labels, b.labels = nil, nil
	return reflect.DeepEqual(a, b)
}

func (c *recordChecker) spec(where string, k []byte) {
	raw := c.specs.Get(k)
	if raw == nil {
		c.add(where, "its parameters are missing")
		return
	}
	if err := proto.Unmarshal(raw, &storev1.Spec{}); err != nil {
		c.add(where, "its parameters cannot be read")
	}
}

func (c *recordChecker) request(where string, id job.ID, rec *storev1.Record) {
	if rec.GetRequestId() == "" {
		return
	}
	key := rec.GetJob().GetOwner() + "\x00" + rec.GetRequestId()
	if other, ok := c.requests[key]; ok {
		c.add(where, "it has the request id of job %s", other)
	}
	c.requests[key] = id
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
	if (standing{last.GetState(), last.GetReason(), last.GetAttempt()}) != standingOf(j) {
		c.add(where, "its history ends with %v, %v, attempt %d, and it is %+v", last.GetState(), last.GetReason(), last.GetAttempt(), standingOf(j))
	}
}
