package store

import (
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// Fields of record.proto and job.proto that only a Brief has.
const (
	recordPhase     tag = 2<<3 | varintType
	recordNotBefore tag = 7<<3 | bytesType
	jobCancelTime   tag = 27<<3 | bytesType
)

// Brief is what of a job's record says where the job waits.
type Brief struct {
	// ID of the job.
	ID job.ID
	// Err is job.ErrNotFound when there is no such job, or why its record cannot be read. Then nothing else is set.
	Err error
	// Owner and Executor of the job.
	Owner, Executor string
	// State of the job.
	State jobsv1.State
	// Priority of the job.
	Priority int32
	// Cancelled is whether somebody wishes the job cancelled.
	Cancelled bool
	// Phase of its latest attempt.
	Phase storev1.Phase
	// NotBefore is the earliest time of the next attempt. Zero when nothing is waited for.
	NotBefore time.Time
}

// BriefOf is the brief of a whole record.
func BriefOf(id job.ID, rec *storev1.Record) Brief {
	j := rec.GetJob()
	b := Brief{
		ID: id, Owner: j.GetOwner(), Executor: j.GetExecutor(), State: j.GetState(), Priority: j.GetPriority(),
		Cancelled: j.GetCancelTime() != nil, Phase: rec.GetPhase(),
	}
	if rec.GetNotBefore() != nil {
		b.NotBefore = rec.GetNotBefore().AsTime()
	}
	return b
}

// Briefs reads several jobs in the order of ids, in one transaction and without decoding records whole.
func (s *Store) Briefs(ids []job.ID) ([]Brief, error) {
	briefs := make([]Brief, len(ids))
	err := s.read(func(r *reader) error {
		var last Brief // jobs that come together are often of one owner: one copy of a text will do
		for i, id := range ids {
			raw := r.jobs.Get(id.Key())
			switch {
			case raw == nil:
				briefs[i] = Brief{ID: id, Err: notFound(id)}
				continue
			case !decodeBrief(raw, &briefs[i], &last):
				briefs[i] = Brief{ID: id, Err: damaged(id, errRecord)}
				continue
			}
			briefs[i].ID, last = id, briefs[i]
		}
		return nil
	})
	return briefs, err
}

// decodeBrief reads an encoded record into b; false when it is malformed. Texts that last has are shared with it.
func decodeBrief(raw []byte, b, last *Brief) bool {
	hasJob := false
	for len(raw) > 0 {
		f, rest, ok := nextField(raw)
		if !ok {
			return false
		}
		raw = rest
		switch f.tag {
		case recordJob:
			if !b.decodeJob(f.bytes, last) {
				return false
			}
			hasJob = true
		case recordPhase:
			b.Phase = storev1.Phase(f.value)
		case recordNotBefore:
			t, ok := decodeTime(f.bytes)
			if !ok {
				return false
			}
			b.NotBefore = time.Unix(0, t).UTC()
		default: // says nothing about where the job waits
		}
	}
	return hasJob
}

func (b *Brief) decodeJob(raw []byte, last *Brief) bool {
	for len(raw) > 0 {
		f, rest, ok := nextField(raw)
		if !ok {
			return false
		}
		raw = rest
		switch f.tag {
		case jobOwner:
			b.Owner = textLike(f.bytes, last.Owner)
		case jobExecutor:
			b.Executor = textLike(f.bytes, last.Executor)
		case jobState:
			b.State = jobsv1.State(f.value)
		case jobPriority:
			b.Priority = int32(f.value)
		case jobCancelTime:
			b.Cancelled = true
		default:
		}
	}
	return true
}

// textLike is b as a string: s itself when it says the same, else a copy.
func textLike(b []byte, s string) string {
	if string(b) == s {
		return s
	}
	return string(b)
}
