package file

import (
	"bytes"
	"fmt"

	"google.golang.org/protobuf/proto"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/record"
	"github.com/stint-jobs/stint/internal/store/request"
)

// checkedRequest is what all jobs of a request have in common.
type checkedRequest struct {
	first job.ID
	hash  []byte
	size  int32
}

// request checks that a job fits to the others of its request.
func (c *recordChecker) request(where string, id job.ID, rec *storev1.Record) {
	if rec.GetRequestId() == "" {
		return
	}
	key := string(request.Key(rec.GetJob().GetOwner(), rec.GetRequestId()))
	r, known := c.requests[key]
	switch {
	case !known:
		c.requests[key] = checkedRequest{id, rec.GetRequestHash(), rec.GetBatchSize()}
	case !bytes.Equal(r.hash, rec.GetRequestHash()) || r.size != rec.GetBatchSize() || id >= r.first+job.ID(max(1, r.size)): //nolint:gosec // a batch is small
		c.Add(where, "it has the request id of job %s, and did not come with it", r.first)
	}
}

// deletedRequests checks what is kept of deleted requests. It runs after the records, whose requests it has to know.
func (c *recordChecker) deletedRequests() error {
	return c.tx.Each(request.Bucket, func(k, raw []byte) error {
		where := fmt.Sprintf("deleted request %q", k)
		if owner, _, ok := request.SplitKey(k); !ok || !job.ValidOwner(owner) {
			c.Add(where, "its key is not an owner and a request id")
		}
		if _, err := request.Decode(k, raw); err != nil {
			c.Add(where, "it cannot be read")
		}
		if r, ok := c.requests[string(k)]; ok {
			c.Add(where, "job %s of it is there", r.first)
		}
		return nil
	})
}

// doomed checks the bucket of that name.
func (c *recordChecker) doomed() error {
	return c.tx.Each(record.Doomed, func(k, raw []byte) error {
		id, err := record.ID(k)
		where := fmt.Sprintf("doomed folder %x", k)
		switch {
		case err != nil || proto.Unmarshal(raw, &storev1.Doomed{}) != nil:
			c.Add(where, "it cannot be read")
		case id == 0 || id >= c.counters.NextID:
			c.Add(where, "the id was not given out: the next one is %d", c.counters.NextID)
		case c.tx.Get(record.Jobs, k) != nil:
			c.Add(where, "the job is there")
		}
		return nil
	})
}
