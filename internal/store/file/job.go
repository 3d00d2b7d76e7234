package file

import (
	"bytes"
	"fmt"
	"iter"
	"slices"

	"google.golang.org/protobuf/proto"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/kv"
	"github.com/stint-jobs/stint/internal/weight"
)

// NotFound returns the job.ErrNotFound of a job.
func NotFound(id job.ID) error { return fmt.Errorf("job %s: %w", id, job.ErrNotFound) }

// JobID returns the job that a key of the bucket Jobs names.
func JobID(key []byte) (job.ID, error) {
	if len(key) != 8 {
		return 0, fmt.Errorf("a job's key has %d bytes: %w", len(key), job.ErrStorage)
	}
	return job.IDFromKey(key), nil
}

// Get decodes a record. It returns nil where there is no such job.
func Get(tx *kv.ReadTx, id job.ID) (*storev1.Record, error) {
	raw := tx.Get(Jobs, id.Key())
	if raw == nil {
		return nil, nil
	}
	return Decode(id, raw)
}

// GetHeader decodes the header of a record. It returns nil where there is no such job.
func GetHeader(tx *kv.ReadTx, id job.ID) (*storev1.Header, error) {
	raw := tx.Get(Jobs, id.Key())
	if raw == nil {
		return nil, nil
	}
	return DecodeHeader(id, raw)
}

// What the values of the buckets Jobs, Specs and Issues encode.
var (
	wholeRecord = (*storev1.Record)(nil).ProtoReflect().Descriptor()
	basicRecord = (*storev1.BasicRecord)(nil).ProtoReflect().Descriptor()
	specRecord  = (*storev1.Spec)(nil).ProtoReflect().Descriptor()
	issueRecord = (*storev1.Issue)(nil).ProtoReflect().Descriptor()
)

// Stored returns what is decoded for a job in a view. It dies with the transaction.
func Stored(tx *kv.ReadTx, id job.ID, view jobsv1.JobView) []weight.Encoded {
	raw := tx.Get(Jobs, id.Key())
	if view == jobsv1.JobView_JOB_VIEW_FULL {
		return []weight.Encoded{{Bytes: raw, Message: wholeRecord}, {Bytes: tx.Get(Specs, id.Key()), Message: specRecord}}
	}
	return []weight.Encoded{{Bytes: raw, Message: basicRecord}}
}

// GetJob decodes a job. It returns nil where there is no such job.
func GetJob(tx *kv.ReadTx, id job.ID, view jobsv1.JobView) (*jobsv1.Job, error) {
	raw := tx.Get(Jobs, id.Key())
	if raw == nil {
		return nil, nil
	}
	if view != jobsv1.JobView_JOB_VIEW_FULL {
		return DecodeBasic(id, raw)
	}
	rec, err := Decode(id, raw)
	if err != nil {
		return nil, err
	}
	var spec storev1.Spec
	if err := proto.Unmarshal(tx.Get(Specs, id.Key()), &spec); err != nil {
		return nil, damaged(id, err)
	}
	rec.Job.Parameters = spec.GetParameters()
	return rec.GetJob(), nil
}

// ShareKey returns the key of what a user was given of a job.
func ShareKey(id job.ID, user string) []byte { return append(id.Key(), user...) }

// SplitShareKey returns the job and the user of a key of the bucket Shares.
func SplitShareKey(key []byte) (job.ID, string, error) {
	if len(key) <= 8 {
		return 0, "", fmt.Errorf("a share's key has %d bytes: %w", len(key), job.ErrStorage)
	}
	return job.IDFromKey(key[:8]), string(key[8:]), nil
}

// DecodeShare reads a value of the bucket Shares.
func DecodeShare(id job.ID, raw []byte) (*storev1.Share, error) {
	return decode(raw, &storev1.Share{}, "a share of job %s", id)
}

// SharesOf returns the keys and values of the shares of a job, in the order of users behind after.
func SharesOf(tx *kv.ReadTx, id job.ID, after string) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		for k, raw := range tx.Ascend(Shares, ShareKey(id, after+"\x00")) {
			if !bytes.HasPrefix(k, id.Key()) || !yield(k, raw) {
				return
			}
		}
	}
}

// decode reads a stored message. what names it.
func decode[M proto.Message](raw []byte, m M, what string, args ...any) (M, error) {
	if err := proto.Unmarshal(raw, m); err != nil {
		return m, fmt.Errorf("read %s: %w: the record is damaged: %w", fmt.Sprintf(what, args...), job.ErrStorage, err)
	}
	return m, nil
}

// RequestKey returns the key of a request in the bucket Requests. An owner has no zero byte.
func RequestKey(owner, id string) []byte { return slices.Concat([]byte(owner), []byte{0}, []byte(id)) }

// SplitRequestKey returns the owner and the id of a request. ok is whether the key has both.
func SplitRequestKey(key []byte) (owner, id string, ok bool) {
	o, r, ok := bytes.Cut(key, []byte{0})
	return string(o), string(r), ok && len(o) > 0 && len(r) > 0
}

// GetDeletedRequest returns the record of a request whose jobs were deleted. It returns nil where there is none.
func GetDeletedRequest(tx *kv.ReadTx, key []byte) (*storev1.DeletedRequest, error) {
	raw := tx.Get(Requests, key)
	if raw == nil {
		return nil, nil
	}
	return decode(raw, &storev1.DeletedRequest{}, "the deleted request %q", key)
}
