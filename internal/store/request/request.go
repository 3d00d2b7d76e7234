// Package request knows which jobs came with a request id, and for how long a request whose jobs are gone is known.
//
// A request is known by its jobs, each of which has its id and hash. When the last of them is deleted within Life, a
// record in Bucket takes their place until that has passed. So no request has both, and a submission writes nothing for it.
package request

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/kv"
	"github.com/stint-jobs/stint/internal/store/record"
)

// Bucket holds a store.v1.DeletedRequest under Key.
const Bucket = "requests"

// Life is how long a request id is known at least, from the submission of its jobs.
const Life = 7 * 24 * time.Hour

// Request is what a request says of itself.
type Request struct {
	// Owner of the jobs.
	Owner string
	// ID is unique for the owner.
	ID string
	// Hash tells requests of the same id apart.
	Hash []byte
}

// Key returns the key of a request. An owner has no zero byte.
func Key(owner, id string) []byte { return slices.Concat([]byte(owner), []byte{0}, []byte(id)) }

// SplitKey returns the owner and the id of a request. ok is whether the key has both.
func SplitKey(key []byte) (owner, id string, ok bool) {
	o, r, ok := bytes.Cut(key, []byte{0})
	return string(o), string(r), ok && len(o) > 0 && len(r) > 0
}

// Decode reads a value of Bucket.
func Decode(key, raw []byte) (*storev1.DeletedRequest, error) {
	d := &storev1.DeletedRequest{}
	if err := proto.Unmarshal(raw, d); err != nil {
		return nil, fmt.Errorf("read the deleted request %q: %w: %w", key, job.ErrStorage, err)
	}
	return d, nil
}

// Find returns which of the jobs came with the request, in full, and whether there are any. Another hash, and a request
// whose jobs were deleted and which is still known, are job.ErrRequestIDReused.
func Find(tx *kv.ReadTx, ids []job.ID, r Request, now time.Time) (jobs []*jobsv1.Job, found bool, err error) {
	if jobs, found, err = jobsOf(tx, ids, r); found || err != nil {
		return jobs, found, err
	}
	deleted, err := deleted(tx, Key(r.Owner, r.ID))
	if err != nil || deleted == nil || !lives(deleted.GetSubmitTimeNs(), now) {
		return nil, false, err
	}
	return nil, false, job.Userf(job.ErrRequestIDReused,
		"The request with this request_id was submitted on %s, and its jobs have been deleted since. To run it again, send it with a new request_id.",
		time.Unix(0, deleted.GetSubmitTimeNs()).UTC().Format("2 January 2006 at 15:04 UTC"))
}

func jobsOf(tx *kv.ReadTx, ids []job.ID, r Request) (jobs []*jobsv1.Job, found bool, _ error) {
	for _, id := range ids {
		of, err := isOf(tx, id, r.Owner, r.ID)
		if err != nil {
			return nil, false, err
		}
		if !of {
			continue
		}
		if !found {
			rec, err := record.Get(tx, id)
			if err != nil {
				return nil, false, err
			}
			if !bytes.Equal(rec.GetRequestHash(), r.Hash) {
				return nil, false, job.ErrRequestIDReused
			}
			found = true
		}
		j, err := record.GetJob(tx, id, jobsv1.JobView_JOB_VIEW_FULL)
		if err != nil {
			return nil, false, err
		}
		jobs = append(jobs, j)
	}
	return jobs, found, nil
}

// isOf reports whether there is a job of that id, and it came with the request.
func isOf(tx *kv.ReadTx, id job.ID, owner, request string) (bool, error) {
	raw := tx.Get(record.Jobs, id.Key())
	if raw == nil {
		return false, nil
	}
	var h storev1.Header
	if err := record.DecodeHeader(id, raw, &h); err != nil {
		return false, err
	}
	return h.GetRequestId() == request && h.GetOwner() == owner, nil
}

// deleted returns the record of a request whose jobs were deleted; nil when there is none.
func deleted(tx *kv.ReadTx, key []byte) (*storev1.DeletedRequest, error) {
	raw := tx.Get(Bucket, key)
	if raw == nil {
		return nil, nil
	}
	return Decode(key, raw)
}

// lives reports whether a request is known even without jobs.
func lives(submitted int64, now time.Time) bool { return now.UnixNano()-submitted < int64(Life) }

// Expired returns the keys of up to limit deleted requests that need not be known any more.
func Expired(tx *kv.ReadTx, now time.Time, limit int) (expired [][]byte, _ error) {
	c := tx.Cursor(Bucket)
	for k, raw := c.First(); k != nil && len(expired) < limit; k, raw = c.Next() {
		d, err := Decode(k, raw)
		if err != nil {
			return nil, err
		}
		if !lives(d.GetSubmitTimeNs(), now) {
			expired = append(expired, bytes.Clone(k))
		}
	}
	return expired, nil
}
