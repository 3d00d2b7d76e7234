package request

import (
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/index"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// Batch stages what one commit does to requests. It sees what was staged before.
type Batch struct {
	ix     *index.Index
	tx     *kv.Tx
	now    time.Time
	staged map[string]span // by Key
}

// span is some ids. Those of an operation that was taken back are no jobs of the request.
type span struct {
	first job.ID
	n     int
}

// NewBatch returns a batch on an index, which may be behind what is staged.
func NewBatch(ix *index.Index) *Batch { return &Batch{ix: ix, staged: make(map[string]span)} }

// Begin starts a commit of that time.
func (b *Batch) Begin(tx *kv.Tx, now time.Time) {
	clear(b.staged)
	b.tx, b.now = tx, now
}

// Find is Find of the jobs so far. It drops the record of a request that is not known any more.
func (b *Batch) Find(r Request) (jobs []*jobsv1.Job, found bool, err error) {
	jobs, found, err = Find(&b.tx.ReadTx, b.jobs(r.Owner, r.ID), r, b.now)
	if key := Key(r.Owner, r.ID); !found && err == nil && b.tx.Get(Bucket, key) != nil {
		err = b.tx.Delete(Bucket, key)
	}
	return jobs, found, err
}

// Add notes that n jobs with ids from first on came with the request.
func (b *Batch) Add(r Request, first job.ID, n int) {
	b.staged[string(Key(r.Owner, r.ID))] = span{first, n}
}

// jobs returns the jobs that may be of a request, those that this batch stages among them, in the order of ids.
func (b *Batch) jobs(owner, id string) []job.ID {
	ids := b.ix.FindRequest(owner, id)
	s := b.staged[string(Key(owner, id))]
	for i := range s.n {
		ids = append(ids, s.first+job.ID(i))
	}
	return ids
}

// Keep stages records of the requests whose last job this batch deleted before Life was over. submitted has, by Key, when
// the jobs of each were submitted.
func (b *Batch) Keep(submitted map[string]int64) error {
	for _, key := range slices.Sorted(maps.Keys(submitted)) {
		if !lives(submitted[key], b.now) {
			continue
		}
		left, err := b.any([]byte(key))
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
		if err := b.tx.Put(Bucket, []byte(key), raw); err != nil {
			return err
		}
	}
	return nil
}

// any reports whether there is a job of the request.
func (b *Batch) any(key []byte) (bool, error) {
	owner, id, _ := SplitKey(key)
	for _, i := range b.jobs(owner, id) {
		if of, err := isOf(&b.tx.ReadTx, i, owner, id); of || err != nil {
			return of, err
		}
	}
	return false, nil
}

// Expire stages that deleted requests are dropped, unless they were renewed meanwhile, and returns how many those are.
func (b *Batch) Expire(keys [][]byte) (dropped int, _ error) {
	for _, key := range keys {
		d, err := deleted(&b.tx.ReadTx, key)
		if err != nil {
			return 0, err
		}
		if d == nil || lives(d.GetSubmitTimeNs(), b.now) {
			continue
		}
		if err := b.tx.Delete(Bucket, key); err != nil {
			return 0, err
		}
		dropped++
	}
	return dropped, nil
}
