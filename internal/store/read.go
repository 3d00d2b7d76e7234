package store

import (
	"errors"
	"fmt"
	"strconv"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
	"google.golang.org/protobuf/proto"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// reader reads records in one transaction. What it answers is decoded: no byte of the file leaves the transaction.
type reader struct {
	jobs, specs, shares *bolt.Bucket
	scratch             []byte
}

func readerOf(tx *bolt.Tx) *reader {
	return &reader{jobs: tx.Bucket(bucketJobs), specs: tx.Bucket(bucketSpecs), shares: tx.Bucket(bucketShares)}
}

// read calls fn in a short transaction.
func (s *Store) read(fn func(*reader) error) error {
	return s.inTx(func(tx *bolt.Tx) error { return fn(readerOf(tx)) })
}

func (s *Store) inTx(fn func(*bolt.Tx) error) error {
	err := s.db.View(fn)
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		return errClosed
	}
	return err
}

// job decodes a job and answers its record's bytes too; nil when there is no such job.
func (r *reader) job(id job.ID, view jobsv1.JobView) (*jobsv1.Job, []byte, error) {
	raw := r.jobs.Get(id.Key())
	if raw == nil {
		return nil, nil, nil
	}
	j := &jobsv1.Job{}
	full := view == jobsv1.JobView_JOB_VIEW_FULL
	if err := proto.Unmarshal(r.jobBytes(raw, full), j); err != nil {
		return nil, nil, damaged(id, err)
	}
	if full {
		var spec storev1.Spec
		if err := proto.Unmarshal(r.specs.Get(id.Key()), &spec); err != nil {
			return nil, nil, damaged(id, err)
		}
		j.Parameters = spec.GetParameters()
	}
	complete(id, j)
	return j, raw, nil
}

// record decodes a record; nil when there is no such job.
func (r *reader) record(id job.ID) (*storev1.Record, error) {
	raw := r.jobs.Get(id.Key())
	if raw == nil {
		return nil, nil
	}
	return decodeRecord(id, raw)
}

func decodeRecord(id job.ID, raw []byte) (*storev1.Record, error) {
	rec := &storev1.Record{}
	if err := proto.Unmarshal(raw, rec); err != nil {
		return nil, damaged(id, err)
	}
	if rec.GetJob() == nil {
		return nil, damaged(id, errRecord)
	}
	complete(id, rec.GetJob())
	return rec, nil
}

// jobBytes finds the job in a record. Unless it is wanted in full, attempts and
// history are left out before anything is decoded: they are more than half of the work.
func (r *reader) jobBytes(raw []byte, full bool) []byte {
	for len(raw) > 0 {
		f, rest, ok := nextField(raw)
		if !ok {
			return raw // Unmarshal says what is wrong with it
		}
		if f.tag == recordJob {
			if full {
				return f.bytes
			}
			return r.basic(f.bytes)
		}
		raw = rest
	}
	return nil
}

func (r *reader) basic(b []byte) []byte {
	r.scratch = r.scratch[:0]
	for len(b) > 0 {
		f, rest, ok := nextField(b)
		if !ok {
			return b
		}
		if f.tag != jobAttempts && f.tag != jobHistory {
			r.scratch = append(r.scratch, b[:len(b)-len(rest)]...)
		}
		b = rest
	}
	return r.scratch
}

// complete sets what is not stored.
func complete(id job.ID, j *jobsv1.Job) {
	j.Id, j.Etag = id.String(), etag(j.GetRevision())
}

// etag is another text for each change of a job, as each has a revision of its own.
func etag(revision uint64) string { return strconv.FormatUint(revision, 36) }

func damaged(id job.ID, err error) error {
	return fmt.Errorf("read job %s: %w: the record is damaged: %w", id, job.ErrStorage, err)
}
