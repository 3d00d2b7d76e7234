package store

import (
	"errors"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
	"google.golang.org/protobuf/proto"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// reader reads records in one transaction. What it returns is decoded: no byte of the file leaves the transaction.
type reader struct {
	jobs, specs, shares *bolt.Bucket
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

// job decodes a job; nil when there is no such job.
func (r *reader) job(id job.ID, view jobsv1.JobView) (*jobsv1.Job, error) {
	raw := r.jobs.Get(id.Key())
	if raw == nil {
		return nil, nil
	}
	if view != jobsv1.JobView_JOB_VIEW_FULL {
		return decodeBasic(id, raw)
	}
	rec, err := decodeRecord(id, raw)
	if err != nil {
		return nil, err
	}
	var spec storev1.Spec
	if err := proto.Unmarshal(r.specs.Get(id.Key()), &spec); err != nil {
		return nil, damaged(id, err)
	}
	rec.Job.Parameters = spec.GetParameters()
	return rec.GetJob(), nil
}

// record decodes a record; nil when there is no such job.
func (r *reader) record(id job.ID) (*storev1.Record, error) {
	raw := r.jobs.Get(id.Key())
	if raw == nil {
		return nil, nil
	}
	return decodeRecord(id, raw)
}
