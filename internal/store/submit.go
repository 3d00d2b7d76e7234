package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/index"
	"github.com/stint-jobs/stint/internal/store/kv"
	"github.com/stint-jobs/stint/internal/store/record"
)

// SubmitOptions is what goes with the jobs of one request.
type SubmitOptions struct {
	// Owner of the jobs. Required.
	Owner string
	// RequestID makes the submission idempotent for this owner; empty means that it is not.
	RequestID string
	// RequestHash tells requests of the same id apart.
	RequestHash []byte
	// MaxActivePerOwner bounds the queued and running jobs of the owner, MaxActive those of all. Zero is no bound.
	MaxActivePerOwner, MaxActive int
}

// Submit stores the jobs of one request in one commit, all or none, and returns
// them complete: id, owner, state, submit_time, revision, etag, history and, where
// it was empty, output_name. The messages become the store's: the caller gives
// them up and uses what is returned. A request id that came before returns the jobs of then that
// are still there and true, or job.ErrRequestIDReused when the hash differs. A bound that would be passed is job.ErrExhausted.
func (s *Store) Submit(ctx context.Context, jobs []*jobsv1.Job, o SubmitOptions) (_ []*jobsv1.Job, deduplicated bool, _ error) {
	if o.Owner == "" || len(jobs) == 0 {
		return nil, false, fmt.Errorf("submit: %w", errors.New("an owner and at least one job are required"))
	}
	sub := &submission{SubmitOptions: o, jobs: jobs}
	if err := sub.encodeSpecs(); err != nil {
		return nil, false, fmt.Errorf("submit: %w", err)
	}
	if err := s.doBytes(ctx, len(jobs), sub.bytes(), sub.stage); err != nil {
		return nil, false, fmt.Errorf("submit: %w", err)
	}
	if sub.earlier != nil {
		return sub.earlier, true, nil
	}
	for i, j := range jobs {
		j.Parameters = sub.parameters[i]
		j.Etag = record.Etag(j.GetRevision())
	}
	return jobs, false, nil
}

// submission is a request on its way through the writer.
type submission struct {
	SubmitOptions
	jobs       []*jobsv1.Job
	parameters []*structpb.Struct
	specs      [][]byte      // encoded, by job
	names      []string      // output names as asked for; empty where the id makes one
	earlier    []*jobsv1.Job // what the same request stored before
}

// encodeSpecs takes the parameters out of the jobs and encodes them, in the caller's goroutine.
func (s *submission) encodeSpecs() error {
	s.parameters, s.specs, s.names = make([]*structpb.Struct, len(s.jobs)), make([][]byte, len(s.jobs)), make([]string, len(s.jobs))
	for i, j := range s.jobs {
		s.names[i] = j.GetOutputName()
		raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(&storev1.Spec{Parameters: j.GetParameters()})
		if err != nil {
			return fmt.Errorf("encode the parameters: %w", err)
		}
		s.parameters[i], s.specs[i], j.Parameters = j.GetParameters(), raw, nil
	}
	return nil
}

// bytes returns about how many bytes the request stores.
func (s *submission) bytes() int {
	n := len(s.jobs) * jobBytes
	for _, spec := range s.specs {
		n += len(spec)
	}
	return n
}

// stage decides in the writer whether the request is new and allowed, and stages its jobs.
func (s *submission) stage(b *batch) error {
	if s.RequestID != "" {
		first, rec, err := b.findRequest(s.Owner, s.RequestID)
		if err != nil {
			return err
		}
		if rec != nil {
			s.earlier, err = jobsOfRequest(&b.tx.ReadTx, first, rec, s.RequestHash)
			return err
		}
	}
	if err := s.checkBounds(b); err != nil {
		return err
	}
	before := b.counters
	raws := make([][]byte, len(s.jobs))
	for i := range s.jobs {
		raw, err := b.encode(s.record(b, i))
		if err != nil {
			b.counters = before
			return fmt.Errorf("encode the job: %w", err)
		}
		raws[i] = raw
	}
	for i, raw := range raws {
		id := before.NextID + job.ID(i)
		if err := b.tx.Put(record.Jobs, id.Key(), raw); err != nil {
			return err
		}
		if err := b.tx.Put(record.Specs, id.Key(), s.specs[i]); err != nil {
			return err
		}
	}
	s.note(b, before.NextID)
	return nil
}

// record makes job i of the request into a record, with the next id and revision.
func (s *submission) record(b *batch, i int) *storev1.Record {
	j := s.jobs[i]
	id := b.counters.NextID
	b.counters.NextID++
	j.Id, j.Owner, j.State = id.String(), s.Owner, jobsv1.State_STATE_QUEUED
	j.SubmitTime, j.Revision = b.stamp, b.nextRevision()
	if j.OutputName = s.names[i]; j.OutputName == "" {
		j.OutputName = job.DefaultOutputName(j.GetService(), id)
	}
	j.Attempts, j.History = nil, nil
	record.AppendHistory(j, b.stamp)
	rec := &storev1.Record{Job: j}
	if i == 0 { // the first of a request stands for it
		rec.RequestId, rec.RequestHash = s.RequestID, s.RequestHash
		rec.BatchSize = int32(len(s.jobs))
	}
	return rec
}

// note tells the batch what was staged.
func (s *submission) note(b *batch, first job.ID) {
	for i := range s.jobs {
		b.changes = append(b.changes, index.ChangedJob{ID: first + job.ID(i), Owner: s.Owner})
	}
	if s.RequestID != "" {
		b.requests[s.Owner+"\x00"+s.RequestID] = first
	}
	b.countActive(s.Owner, int64(len(s.jobs)))
}

// checkBounds refuses what would pass a bound on active jobs.
func (s *submission) checkBounds(b *batch) error {
	n := int64(len(s.jobs))
	have := b.active[s.Owner] + b.s.activeIn(OwnedBy(s.Owner))
	if bound := int64(s.MaxActivePerOwner); bound > 0 && have+n > bound {
		return s.full("You have %d jobs that are queued or running, and each user may have %d at a time.", have, bound)
	}
	all := b.activeAll + b.s.activeIn(Everyone)
	if bound := int64(s.MaxActive); bound > 0 && all+n > bound {
		return s.full("The server has %d jobs that are queued or running, and takes %d at a time.", all, bound)
	}
	return nil
}

// activeIn returns how many committed jobs of the scope are not final.
func (s *Store) activeIn(scope Scope) int64 {
	queued, running := s.state.Index.Load(scope)
	return int64(queued + running)
}

// roomEvery is how long to wait for the end of a job that makes room for another.
const roomEvery = time.Minute

// full returns the refusal of a request that passes a bound. It asks to wait, unless its jobs are more than there may ever be.
func (s *submission) full(format string, have, bound int64) error {
	e := &job.UserError{Sentinel: job.ErrExhausted, Message: fmt.Sprintf(format, have, bound), RetryAfter: roomEvery}
	for _, limit := range []int{s.MaxActivePerOwner, s.MaxActive} {
		if limit > 0 && len(s.jobs) > limit {
			e.RetryAfter = 0
		}
	}
	return e
}

// findRequest returns the first job of a request of the owner; nil when there is none.
func (b *batch) findRequest(owner, request string) (job.ID, *storev1.Record, error) {
	firsts := b.s.state.Index.FindRequest(owner, request)
	if id, ok := b.requests[owner+"\x00"+request]; ok {
		firsts = append(firsts, id)
	}
	return firstOfRequest(&b.tx.ReadTx, firsts, owner, request)
}

// Submitted returns the jobs that an earlier Submit with the same owner and
// request id stored, as Submit itself would, and whether there was one. It lets a caller
// reply to a repeated request before it checks whether it would still be accepted; that
// a request is new is decided by Submit alone.
func (s *Store) Submitted(o SubmitOptions) (jobs []*jobsv1.Job, found bool, err error) {
	if o.RequestID == "" {
		return nil, false, nil
	}
	firsts := s.state.Index.FindRequest(o.Owner, o.RequestID)
	err = s.view(func(tx *kv.ReadTx) error {
		first, rec, err := firstOfRequest(tx, firsts, o.Owner, o.RequestID)
		if err != nil || rec == nil {
			return err
		}
		found = true
		jobs, err = jobsOfRequest(tx, first, rec, o.RequestHash)
		return err
	})
	if err != nil {
		return nil, false, fmt.Errorf("look for request %q: %w", o.RequestID, err)
	}
	return jobs, found, nil
}

// firstOfRequest returns which of the jobs is the first of the request; nil when none is.
func firstOfRequest(tx *kv.ReadTx, firsts []job.ID, owner, request string) (job.ID, *storev1.Record, error) {
	for _, id := range firsts {
		rec, err := record.Get(tx, id)
		if err != nil {
			return 0, nil, err
		}
		if rec != nil && rec.GetRequestId() == request && rec.GetJob().GetOwner() == owner {
			return id, rec, nil
		}
	}
	return 0, nil, nil
}

// jobsOfRequest returns the jobs of a request that are still there, by its
// first one. Another hash is job.ErrRequestIDReused.
func jobsOfRequest(tx *kv.ReadTx, first job.ID, rec *storev1.Record, hash []byte) ([]*jobsv1.Job, error) {
	if !bytes.Equal(rec.GetRequestHash(), hash) {
		return nil, job.ErrRequestIDReused
	}
	jobs := []*jobsv1.Job{}
	for i := range max(1, rec.GetBatchSize()) {
		j, err := record.GetJob(tx, first+job.ID(i), jobsv1.JobView_JOB_VIEW_FULL)
		if err != nil {
			return nil, err
		}
		if j != nil {
			jobs = append(jobs, j)
		}
	}
	return jobs, nil
}
