package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/credential"
	"github.com/stint-jobs/stint/internal/store/file"
	"github.com/stint-jobs/stint/internal/store/index"
)

// SubmitOptions is what goes with the jobs of one request.
type SubmitOptions struct {
	// Owner of the jobs. Required.
	Owner string
	// RequestID makes the submission idempotent for this owner; empty means that it is not. It is known as long as any
	// job of the request is there, and at least for RequestLife.
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
// are still there and true. It is job.ErrRequestIDReused when the hash differs, or when all of these jobs were
// deleted less than RequestLife after they were submitted. A bound that would be passed is job.ErrExhausted.
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
		j.Etag = file.Etag(j.GetRevision())
	}
	return jobs, false, nil
}

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
		var known bool
		var err error
		if s.earlier, known, err = b.findRequest(&s.SubmitOptions); known || err != nil {
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
		if err := b.tx.Put(file.Jobs, id.Key(), raw); err != nil {
			return err
		}
		if err := b.tx.Put(file.Specs, id.Key(), s.specs[i]); err != nil {
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
	file.AppendHistory(j, b.stamp)
	rec := &storev1.Record{Job: j}
	if s.RequestID != "" { // in each of them, as any may be the last that is left
		rec.RequestId, rec.RequestHash = s.RequestID, s.RequestHash
		rec.BatchSize = int32(len(s.jobs))
	}
	return rec
}

func (s *submission) note(b *batch, first job.ID) {
	for i := range s.jobs {
		b.changes = append(b.changes, index.ChangedJob{ID: first + job.ID(i), Owner: s.Owner})
	}
	if s.RequestID != "" {
		b.requests[string(file.RequestKey(s.Owner, s.RequestID))] = span{first, len(s.jobs)}
	}
	b.countActive(s.Owner, int64(len(s.jobs)))
}

func (s *submission) checkBounds(b *batch) error {
	if credential.Disabled(&b.tx.ReadTx, s.Owner) {
		return job.Userf(job.ErrUserDisabled, "%s is disabled by the operators, so no jobs are taken for them.", s.Owner)
	}
	n := int64(len(s.jobs))
	have := b.active[s.Owner] + b.s.activeIn(OwnedBy(s.Owner))
	if bound := int64(s.MaxActivePerOwner); bound > 0 && have+n > bound {
		e := s.full(bound, "You have %d jobs that are queued or running, and each user may have %d at a time. "+job.RowOf(job.QuotaActiveJobs).WayOut, have, bound)
		e.Reached = &job.Reached{Quota: job.QuotaActiveJobs, Subject: "user:" + s.Owner, Limit: bound}
		return e
	}
	all := b.activeAll + b.s.activeIn(Everyone)
	if bound := int64(s.MaxActive); bound > 0 && all+n > bound {
		return s.full(bound, "The server has %d jobs that are queued or running, and takes %d at a time.", all, bound)
	}
	return nil
}

func (s *Store) activeIn(scope Scope) int64 {
	queued, running := s.mem.index.Load(scope)
	return int64(queued + running)
}

// roomEvery is how long to wait for the end of a job that makes room for another.
const roomEvery = time.Minute

// full returns the refusal of a request that passes a bound. It asks to wait, unless its jobs are more than there may ever be.
func (s *submission) full(bound int64, format string, args ...any) *job.UserError {
	e := &job.UserError{Sentinel: job.ErrExhausted, Message: fmt.Sprintf(format, args...), RetryAfter: roomEvery}
	if int64(len(s.jobs)) > bound {
		e.RetryAfter = 0
	}
	return e
}
