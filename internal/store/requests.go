package store

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/file"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// RequestLife is how long a request id is known at least, from the submission of its jobs.
//
// A request is known by its jobs, each of which has its id and hash. When the last of them is deleted within
// RequestLife, a record in the bucket file.Requests takes their place until that has passed. So no request has both,
// and a submission writes nothing for it.
const RequestLife = 7 * 24 * time.Hour

func lives(submitted int64, now time.Time) bool { return now.UnixNano()-submitted < int64(RequestLife) }

// span is some ids. Those of an operation that was taken back are no jobs of the request.
type span struct {
	first job.ID
	n     int
}

// Submitted returns the jobs that an earlier Submit with the same owner and
// request id stored, as Submit itself would, and whether there was one. It lets a caller
// reply to a repeated request before it checks whether it would still be accepted; that
// a request is new is decided by Submit alone.
func (s *Store) Submitted(o SubmitOptions) (jobs []*jobsv1.Job, found bool, err error) {
	if o.RequestID == "" {
		return nil, false, nil
	}
	ids := s.mem.index.FindRequest(o.Owner, o.RequestID)
	jobs, found, err = read2(s, func(tx *kv.ReadTx) ([]*jobsv1.Job, bool, error) { return o.find(tx, ids, s.cfg.Now()) })
	if err != nil {
		return nil, false, fmt.Errorf("look for request %q: %w", o.RequestID, err)
	}
	return jobs, found, nil
}

// find returns which of the jobs came with the request, in full, and whether there are any. Another hash, and a request
// whose jobs were deleted and which is still known, are job.ErrRequestIDReused.
func (o *SubmitOptions) find(tx *kv.ReadTx, ids []job.ID, now time.Time) (jobs []*jobsv1.Job, found bool, _ error) {
	for _, id := range ids {
		rec, err := file.Get(tx, id)
		switch {
		case err != nil:
			return nil, false, err
		case rec.GetRequestId() != o.RequestID || rec.GetJob().GetOwner() != o.Owner:
			continue
		case !bytes.Equal(rec.GetRequestHash(), o.RequestHash):
			return nil, false, job.ErrRequestIDReused
		}
		j, err := file.GetJob(tx, id, jobsv1.JobView_JOB_VIEW_FULL)
		if err != nil {
			return nil, false, err
		}
		jobs = append(jobs, j)
	}
	if len(jobs) > 0 {
		return jobs, true, nil
	}
	d, err := file.GetDeletedRequest(tx, file.RequestKey(o.Owner, o.RequestID))
	if err != nil || d == nil || !lives(d.GetSubmitTimeNs(), now) {
		return nil, false, err
	}
	return nil, false, job.Userf(job.ErrRequestIDReused,
		"The request with this request_id was submitted on %s, and its jobs have been deleted since. To run it again, send it with a new request_id.",
		time.Unix(0, d.GetSubmitTimeNs()).UTC().Format("2 January 2006 at 15:04 UTC"))
}

// isOfRequest reports whether there is a job of that id, and it came with the request.
func isOfRequest(tx *kv.ReadTx, id job.ID, owner, request string) (bool, error) {
	h, err := file.GetHeader(tx, id)
	return err == nil && h.GetRequestId() == request && h.GetOwner() == owner, err
}

// findRequest is find of the jobs so far. It drops the record of a request that is not known any more.
func (b *batch) findRequest(o *SubmitOptions) (jobs []*jobsv1.Job, found bool, err error) {
	jobs, found, err = o.find(&b.tx.ReadTx, b.jobsOfRequest(o.Owner, o.RequestID), b.stamp.AsTime())
	if key := file.RequestKey(o.Owner, o.RequestID); !found && err == nil && b.tx.Get(file.Requests, key) != nil {
		err = b.tx.Delete(file.Requests, key)
	}
	return jobs, found, err
}

// jobsOfRequest returns the jobs that may be of a request, those that this batch stages among them, in the order of ids.
func (b *batch) jobsOfRequest(owner, id string) []job.ID {
	ids := b.s.mem.index.FindRequest(owner, id)
	staged := b.requests[string(file.RequestKey(owner, id))]
	for i := range staged.n {
		ids = append(ids, staged.first+job.ID(i))
	}
	return ids
}

// keepRequests stages records of the requests whose last job this batch deleted before RequestLife was over. submitted
// has, by file.RequestKey, when the jobs of each were submitted.
func (b *batch) keepRequests(submitted map[string]int64) error {
	now := b.stamp.AsTime()
	for _, key := range slices.Sorted(maps.Keys(submitted)) {
		if !lives(submitted[key], now) {
			continue
		}
		left, err := b.anyOfRequest([]byte(key))
		if err != nil {
			return err
		}
		if left {
			continue
		}
		// A clock that was ahead when the jobs came must not keep the request for longer than from now on.
		d := &storev1.DeletedRequest{SubmitTimeNs: min(submitted[key], now.UnixNano())}
		if err := b.tx.PutMessage(file.Requests, []byte(key), d); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) anyOfRequest(key []byte) (bool, error) {
	owner, id, _ := file.SplitRequestKey(key)
	for _, i := range b.jobsOfRequest(owner, id) {
		if of, err := isOfRequest(&b.tx.ReadTx, i, owner, id); of || err != nil {
			return of, err
		}
	}
	return false, nil
}

// maxExpired is how many deleted requests ExpireRequests drops at most.
const maxExpired = 20 * deleteBatch

// ExpireRequests drops what is kept of requests whose jobs were deleted, once RequestLife is over, and returns how many it
// dropped. There may be more of them. On an error it returns those dropped before. On a full disk it waits for room.
func (s *Store) ExpireRequests(ctx context.Context) (dropped int, _ error) {
	var expired [][]byte
	now := s.cfg.Now()
	err := s.view(func(tx *kv.ReadTx) error {
		for k := range tx.Ascend(file.Requests, nil) {
			if d, err := file.GetDeletedRequest(tx, k); err != nil {
				return err
			} else if !lives(d.GetSubmitTimeNs(), now) {
				expired = append(expired, bytes.Clone(k))
			}
			if len(expired) == maxExpired {
				break
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("look for expired requests: %w", err)
	}
	for keys := range slices.Chunk(expired, deleteBatch) {
		n, err := write(Internal(ctx), s, len(keys), func(b *batch) (int, error) { return b.expireRequests(keys) })
		if err != nil {
			return dropped, fmt.Errorf("drop %d expired requests: %w", len(keys), err)
		}
		dropped += n
	}
	return dropped, nil
}

// expireRequests stages that deleted requests are dropped, unless they were renewed meanwhile, and returns how many
// those are.
func (b *batch) expireRequests(keys [][]byte) (dropped int, _ error) {
	for _, key := range keys {
		d, err := file.GetDeletedRequest(&b.tx.ReadTx, key)
		if err != nil {
			return 0, err
		}
		if d == nil || lives(d.GetSubmitTimeNs(), b.stamp.AsTime()) {
			continue
		}
		if err := b.tx.Delete(file.Requests, key); err != nil {
			return 0, err
		}
		dropped++
	}
	return dropped, nil
}
