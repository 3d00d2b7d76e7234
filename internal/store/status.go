package store

import (
	"cmp"
	"slices"

	"google.golang.org/protobuf/types/known/timestamppb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/index"
)

// StatusOf returns the part of a job that a watch shows. The result shares the job's messages.
func StatusOf(j *jobsv1.Job) *jobsv1.JobStatus {
	s := identity(j)
	s.State, s.Reason, s.Message, s.EngineState = j.GetState(), j.GetReason(), j.GetMessage(), j.GetEngineState()
	s.StartTime, s.CompleteTime, s.CancelTime = j.GetStartTime(), j.GetCompleteTime(), j.GetCancelTime()
	s.Progress, s.ExitCode = j.GetProgress(), j.ExitCode
	s.Attempt = attemptOf(j)
	s.QueuePosition, s.ExpectedStartTime, s.ExpectedCompleteTime = j.GetQueuePosition(), j.GetExpectedStartTime(), j.GetExpectedCompleteTime()
	if n := len(j.GetHistory()); n > 0 {
		s.ChangeTime = j.GetHistory()[n-1].GetTime()
	}
	return s
}

// identity returns what of a status never changes.
func identity(j *jobsv1.Job) *jobsv1.JobStatus {
	return &jobsv1.JobStatus{
		Id: j.GetId(), Owner: j.GetOwner(), Service: j.GetService(), OutputName: j.GetOutputName(),
		SubmitTime: j.GetSubmitTime(),
	}
}

// statusAt returns the status as of entry i of the history, as far as the history
// and the attempts tell: words of the engine and progress are not kept.
func statusAt(j *jobsv1.Job, i int) *jobsv1.JobStatus {
	h := j.GetHistory()[i]
	s := identity(j)
	s.State, s.Reason, s.Message, s.Attempt, s.ChangeTime = h.GetState(), h.GetReason(), h.GetMessage(), h.GetAttempt(), h.GetTime()
	if c := j.GetCancelTime(); c != nil && nanos(c) <= nanos(h.GetTime()) {
		s.CancelTime = c
	}
	if h.GetState() == jobsv1.State_STATE_QUEUED {
		return s
	}
	s.StartTime = startOf(j, h.GetAttempt())
	if job.Terminal(h.GetState()) {
		s.CompleteTime, s.ExitCode = j.GetCompleteTime(), j.ExitCode
	}
	return s
}

// startOf returns when the command of an attempt started, if that is still known.
func startOf(j *jobsv1.Job, attempt int32) *timestamppb.Timestamp {
	for _, a := range j.GetAttempts() {
		if a.GetNumber() == attempt && a.GetStartTime() != nil {
			return a.GetStartTime()
		}
	}
	if attempt == attemptOf(j) {
		return j.GetStartTime()
	}
	return nil
}

// jobID returns the id of a job that complete has seen to.
func jobID(j *jobsv1.Job) job.ID {
	id, _ := job.ParseID(j.GetId())
	return id
}

// How much of a job's past is kept, as job.proto says.
const (
	maxHistory  = 1 + 40 // the first entry and the last ones
	maxAttempts = 20
)

// status is what a change of which makes an entry in the history.
type status struct {
	state   jobsv1.State
	reason  jobsv1.Reason
	attempt int32
}

func statusOf(j *jobsv1.Job) status {
	return status{j.GetState(), j.GetReason(), attemptOf(j)}
}

// attemptOf returns the number of the latest attempt; 0 before the first.
func attemptOf(j *jobsv1.Job) int32 {
	if n := len(j.GetAttempts()); n > 0 {
		return j.GetAttempts()[n-1].GetNumber()
	}
	return 0
}

// noteStatus appends the job's present status to its history.
func noteStatus(j *jobsv1.Job, now *timestamppb.Timestamp) {
	j.History = append(j.History, &jobsv1.StatusChange{
		Revision: j.GetRevision(), Time: now,
		State: j.GetState(), Reason: j.GetReason(), Message: j.GetMessage(), Attempt: attemptOf(j),
	})
	if n := len(j.History); n > maxHistory {
		j.History = append(j.History[:1], j.History[n-maxHistory+1:]...)
	}
}

// boundAttempts drops the oldest attempts.
func boundAttempts(j *jobsv1.Job) {
	if n := len(j.GetAttempts()); n > maxAttempts {
		j.Attempts = j.Attempts[n-maxAttempts:]
	}
}

// merge reads the jobs that changed and puts their changes into the order of
// revisions. gap means that a history may lack some of them.
func (s *Store) merge(c *index.Changes) (list []*Change, gap bool, _ error) {
	for _, r := range c.Removed {
		list = append(list, &Change{Revision: r.Revision, ID: r.ID})
	}
	const some = 512
	for ids := c.IDs; len(ids) > 0; {
		n := min(some, len(ids))
		err := s.read(func(r *reader) error {
			for _, id := range ids[:n] {
				rec, err := r.record(id)
				if err != nil {
					return err
				}
				if rec == nil {
					continue // deleted a moment ago; its removal comes next
				}
				gap = gap || mayLack(c, rec)
				list = appendChanges(list, c, rec)
			}
			return nil
		})
		if err != nil || gap {
			return nil, gap, err
		}
		ids = ids[n:]
	}
	slices.SortFunc(list, func(a, b *Change) int {
		return cmp.Or(cmp.Compare(a.Revision, b.Revision), cmp.Compare(a.ID, b.ID))
	})
	return list, false, nil
}

// within reports whether a change of that revision is asked for.
func within(c *index.Changes, revision uint64) bool { return revision > c.After && revision <= c.UpTo }

// appendChanges appends a job's changes. The record may be newer than the
// index was: what came after UpTo is for the next time.
func appendChanges(list []*Change, c *index.Changes, rec *storev1.Record) []*Change {
	j := rec.GetJob()
	id := jobID(j)
	for i, h := range j.GetHistory() {
		if !within(c, h.GetRevision()) || h.GetRevision() == j.GetRevision() {
			continue
		}
		list = append(list, &Change{Revision: h.GetRevision(), ID: id, Status: statusAt(j, i)})
	}
	if within(c, j.GetRevision()) {
		list = append(list, &Change{Revision: j.GetRevision(), ID: id, Status: StatusOf(j)})
	}
	return list
}

// mayLack reports whether changes that are asked for may have been dropped from
// a full history. Those dropped stood between its first entry and its second.
func mayLack(c *index.Changes, rec *storev1.Record) bool {
	h := rec.GetJob().GetHistory()
	if len(h) < maxHistory {
		return false
	}
	first := max(h[0].GetRevision(), c.After) + 1
	last := min(h[1].GetRevision()-1, c.UpTo)
	return first <= last
}
