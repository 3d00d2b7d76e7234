package store

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// A request is known by its jobs, each of which has its id and hash. When the last of them is deleted within RequestLife,
// a record in the bucket requests takes their place until that has passed. So no request has both, and Submit writes
// nothing for it.

// RequestLife is how long a request id is known at least, from the submission of its jobs.
const RequestLife = 7 * 24 * time.Hour

// requestKey returns the key of a request in the bucket requests. An owner has no zero byte.
func requestKey(owner, request string) []byte {
	return slices.Concat([]byte(owner), []byte{0}, []byte(request))
}

// Submitted returns the jobs that an earlier Submit with the same owner and
// request id stored, as Submit itself would, and whether there was one. It lets a caller
// reply to a repeated request before it checks whether it would still be accepted; that
// a request is new is decided by Submit alone.
func (s *Store) Submitted(o SubmitOptions) (jobs []*jobsv1.Job, found bool, err error) {
	if o.RequestID == "" {
		return nil, false, nil
	}
	ids := s.ix.FindRequest(o.Owner, o.RequestID)
	err = s.read(func(r *reader) error {
		if jobs, found, err = r.jobsOfRequest(ids, o); found || err != nil {
			return err
		}
		deleted, err := r.deletedRequest(o.Owner, o.RequestID)
		if err != nil || deleted == nil || !requestLives(deleted.GetSubmitTimeNs(), s.now()) {
			return err
		}
		return errDeletedRequest(deleted)
	})
	if err != nil {
		return nil, false, fmt.Errorf("look for request %q: %w", o.RequestID, err)
	}
	return jobs, found, nil
}

// jobsOfRequest returns which of the jobs are of the request, and whether there are any.
// Another hash is job.ErrRequestIDReused.
func (r *reader) jobsOfRequest(ids []job.ID, o SubmitOptions) (jobs []*jobsv1.Job, found bool, err error) {
	for _, id := range ids {
		of, err := r.isOfRequest(id, o.Owner, o.RequestID)
		if err != nil {
			return nil, false, err
		}
		if !of {
			continue
		}
		if !found {
			rec, err := r.record(id)
			if err != nil {
				return nil, false, err
			}
			if !bytes.Equal(rec.GetRequestHash(), o.RequestHash) {
				return nil, false, job.ErrRequestIDReused
			}
			found = true
		}
		j, err := r.job(id, jobsv1.JobView_JOB_VIEW_FULL)
		if err != nil {
			return nil, false, err
		}
		jobs = append(jobs, j)
	}
	return jobs, found, nil
}

// isOfRequest reports whether there is a job of that id, and it came with the request.
func (r *reader) isOfRequest(id job.ID, owner, request string) (bool, error) {
	raw := r.tx.Get(bucketJobs, id.Key())
	if raw == nil {
		return false, nil
	}
	var h storev1.Header
	if err := decodeHeader(id, raw, &h); err != nil {
		return false, err
	}
	return h.GetRequestId() == request && h.GetOwner() == owner, nil
}

// jobsWithRequest returns the jobs that may be of a request, those that this batch stages among them, in the order of ids.
func (b *batch) jobsWithRequest(owner, request string) []job.ID {
	ids := b.s.ix.FindRequest(owner, request)
	if first, ok := b.requests[string(requestKey(owner, request))]; ok {
		for id := first; id < b.meta.nextID; id++ {
			ids = append(ids, id)
		}
	}
	return ids
}

// keepRequests stages records of the requests whose last job this batch deleted before RequestLife was over. submitted
// has, by requestKey, when the jobs of each were submitted.
func (b *batch) keepRequests(submitted map[string]int64) error {
	for _, key := range slices.Sorted(maps.Keys(submitted)) {
		if !requestLives(submitted[key], b.now) {
			continue
		}
		owner, request, _ := strings.Cut(key, "\x00")
		left, err := b.anyOfRequest(owner, request)
		if err != nil {
			return err
		}
		if left {
			continue
		}
		// A clock that was ahead when the jobs came must not keep the request for longer than from now on.
		raw, err := proto.Marshal(&storev1.DeletedRequest{SubmitTimeNs: min(submitted[key], b.now.UnixNano())})
		if err != nil {
			return err
		}
		if err := b.tx.Put(bucketRequests, []byte(key), raw); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) anyOfRequest(owner, request string) (bool, error) {
	for _, id := range b.jobsWithRequest(owner, request) {
		if of, err := b.isOfRequest(id, owner, request); of || err != nil {
			return of, err
		}
	}
	return false, nil
}

// checkDeleted refuses a request whose jobs were deleted. It drops the record of one that nothing is kept of any more.
func (b *batch) checkDeleted(owner, request string) error {
	deleted, err := b.deletedRequest(owner, request)
	if err != nil || deleted == nil {
		return err
	}
	if requestLives(deleted.GetSubmitTimeNs(), b.now) {
		return errDeletedRequest(deleted)
	}
	return b.tx.Delete(bucketRequests, requestKey(owner, request))
}

// deletedRequest returns the record of a request whose jobs were deleted; nil when there is none.
func (r *reader) deletedRequest(owner, request string) (*storev1.DeletedRequest, error) {
	key := requestKey(owner, request)
	raw := r.tx.Get(bucketRequests, key)
	if raw == nil {
		return nil, nil
	}
	return decodeDeletedRequest(key, raw)
}

func decodeDeletedRequest(key, raw []byte) (*storev1.DeletedRequest, error) {
	d := &storev1.DeletedRequest{}
	if err := proto.Unmarshal(raw, d); err != nil {
		return nil, fmt.Errorf("read the deleted request %q: %w: %w", key, job.ErrStorage, err)
	}
	return d, nil
}

// requestLives reports whether a request is known even without jobs.
func requestLives(submitted int64, now time.Time) bool {
	return now.UnixNano()-submitted < int64(RequestLife)
}

// errDeletedRequest says to a user what became of a request.
func errDeletedRequest(d *storev1.DeletedRequest) error {
	return job.Userf(job.ErrRequestIDReused,
		"The request with this request_id was submitted on %s, and its jobs have been deleted since. To run it again, send it with a new request_id.",
		time.Unix(0, d.GetSubmitTimeNs()).UTC().Format("2 January 2006 at 15:04 UTC"))
}

// maxExpired is how many deleted requests ExpireRequests drops at most.
const maxExpired = 20 * deleteBatch

// ExpireRequests drops what is kept of requests whose jobs were deleted, once RequestLife is over, and returns how many it
// dropped. There may be more of them. On an error it returns those dropped before.
func (s *Store) ExpireRequests(ctx context.Context) (int, error) {
	expired, err := s.expiredRequests()
	if err != nil {
		return 0, fmt.Errorf("look for expired requests: %w", err)
	}
	dropped := 0
	for keys := range slices.Chunk(expired, deleteBatch) {
		n := 0
		err := s.do(ctx, len(keys), func(b *batch) (err error) {
			n, err = b.expireRequests(keys)
			return err
		})
		if err != nil {
			return dropped, fmt.Errorf("drop %d expired requests: %w", len(keys), err)
		}
		dropped += n
	}
	return dropped, nil
}

// expiredRequests returns the keys of deleted requests that need not be known any more.
func (s *Store) expiredRequests() (expired [][]byte, err error) {
	now := s.now()
	err = s.read(func(r *reader) error {
		c := r.tx.Cursor(bucketRequests)
		for k, raw := c.First(); k != nil && len(expired) < maxExpired; k, raw = c.Next() {
			d, err := decodeDeletedRequest(k, raw)
			if err != nil {
				return err
			}
			if !requestLives(d.GetSubmitTimeNs(), now) {
				expired = append(expired, bytes.Clone(k))
			}
		}
		return nil
	})
	return expired, err
}

// expireRequests stages that requests are dropped, unless they were renewed meanwhile, and returns how many those are.
func (b *batch) expireRequests(keys [][]byte) (dropped int, err error) {
	for _, key := range keys {
		raw := b.tx.Get(bucketRequests, key)
		if raw == nil {
			continue
		}
		d, err := decodeDeletedRequest(key, raw)
		if err != nil {
			return 0, err
		}
		if requestLives(d.GetSubmitTimeNs(), b.now) {
			continue
		}
		if err := b.tx.Delete(bucketRequests, key); err != nil {
			return 0, err
		}
		dropped++
	}
	return dropped, nil
}

// deletedRequests checks what is kept of deleted requests. It runs after the records, whose requests it has to know.
func (c *recordChecker) deletedRequests() error {
	return each(c.tx, bucketRequests, func(k, raw []byte) error {
		where := fmt.Sprintf("deleted request %q", k)
		owner, request, ok := bytes.Cut(k, []byte{0})
		if !ok || len(request) == 0 || !job.ValidOwner(string(owner)) {
			c.add(where, "its key is not an owner and a request id")
		}
		if _, err := decodeDeletedRequest(k, raw); err != nil {
			c.add(where, "it cannot be read")
		}
		if r, ok := c.requests[string(k)]; ok {
			c.add(where, "job %s of it is there", r.first)
		}
		return nil
	})
}

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
	key := string(requestKey(rec.GetJob().GetOwner(), rec.GetRequestId()))
	r, known := c.requests[key]
	switch {
	case !known:
		c.requests[key] = checkedRequest{id, rec.GetRequestHash(), rec.GetBatchSize()}
	case !bytes.Equal(r.hash, rec.GetRequestHash()) || r.size != rec.GetBatchSize() || id >= r.first+job.ID(max(1, r.size)): //nolint:gosec // a batch is small
		c.add(where, "it has the request id of job %s, and did not come with it", r.first)
	}
}
