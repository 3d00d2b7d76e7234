package store

import (
	"google.golang.org/protobuf/proto"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// reader reads records in one transaction. What it returns is decoded: no byte of the file leaves the transaction.
type reader struct{ tx *kv.ReadTx }

// read calls fn in a short transaction.
func (s *Store) read(fn func(*reader) error) error {
	return s.inTx(func(tx *kv.ReadTx) error { return fn(&reader{tx}) })
}

func (s *Store) inTx(fn func(*kv.ReadTx) error) error { return inWords(s.db.View(fn)) }

// each calls fn with each key and value of a bucket, in the order of keys, and returns its first error.
func each(tx *kv.ReadTx, bucket string, fn func(key, value []byte) error) error {
	c := tx.Cursor(bucket)
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if err := fn(k, v); err != nil {
			return err
		}
	}
	return nil
}

// job decodes a job; nil when there is no such job.
func (r *reader) job(id job.ID, view jobsv1.JobView) (*jobsv1.Job, error) {
	raw := r.tx.Get(bucketJobs, id.Key())
	if raw == nil {
		return nil, nil
	}
	if view != jobsv1.JobView_JOB_VIEW_FULL && view != ViewStatus {
		return decodeBasic(id, raw)
	}
	rec, err := decodeRecord(id, raw)
	if err != nil {
		return nil, err
	}
	if view == ViewStatus {
		return rec.GetJob(), nil
	}
	var spec storev1.Spec
	if err := proto.Unmarshal(r.tx.Get(bucketSpecs, id.Key()), &spec); err != nil {
		return nil, damaged(id, err)
	}
	rec.Job.Parameters = spec.GetParameters()
	return rec.GetJob(), nil
}

// size returns how many bytes are read for a job in a view.
func (r *reader) size(id job.ID, view jobsv1.JobView) int {
	size := len(r.tx.Get(bucketJobs, id.Key()))
	if view == jobsv1.JobView_JOB_VIEW_FULL {
		size += len(r.tx.Get(bucketSpecs, id.Key()))
	}
	return size
}

// record decodes a record; nil when there is no such job.
func (r *reader) record(id job.ID) (*storev1.Record, error) {
	raw := r.tx.Get(bucketJobs, id.Key())
	if raw == nil {
		return nil, nil
	}
	return decodeRecord(id, raw)
}
