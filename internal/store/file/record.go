package file

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// A value of the bucket Jobs is an encoded storev1.Record, in which every fact stands once: Encode moves what the
// header has from the job into it, and the decoders move it back. So the job of a record in memory is whole, and its
// header is empty. What the key and the revision say, id and etag, is stored nowhere. The header comes before all other
// fields: a value is two messages in a row, which protobuf reads as one.

var errRecord = errors.New("not a job record")

// Encode appends the value of a record. The record is changed while it runs, and is as before when it returns.
func Encode(buf []byte, rec *storev1.Record) (_ []byte, err error) {
	j := rec.GetJob()
	if j == nil {
		return nil, errRecord
	}
	h := HeaderOf(rec)
	id, etag, labels, attempts, history := j.GetId(), j.GetEtag(), j.GetLabels(), j.GetAttempts(), j.GetHistory()
	defer func() {
		setHeader(rec, h)
		j.Id, j.Etag, j.Labels, j.Attempts, j.History = id, etag, labels, attempts, history
		rec.Attempts, rec.History = nil, nil
	}()
	setHeader(rec, &storev1.Header{})
	j.Id, j.Etag, j.Labels, j.Attempts, j.History = "", "", nil, nil, nil
	rec.Attempts, rec.History = attempts, history
	o := proto.MarshalOptions{Deterministic: true}
	if buf, err = o.MarshalAppend(buf, &storev1.HeaderRecord{Header: h}); err != nil {
		return nil, err
	}
	return o.MarshalAppend(buf, rec)
}

// Decode returns the record of a value.
func Decode(id job.ID, raw []byte) (*storev1.Record, error) {
	rec := &storev1.Record{}
	if err := proto.Unmarshal(raw, rec); err != nil {
		return nil, damaged(id, err)
	}
	if rec.GetJob() == nil || rec.GetHeader() == nil {
		return nil, damaged(id, errRecord)
	}
	h, j := rec.GetHeader(), rec.GetJob()
	setHeader(rec, h)
	complete(id, j, h)
	j.Attempts, j.History = rec.GetAttempts(), rec.GetHistory()
	rec.Header, rec.Attempts, rec.History = nil, nil, nil
	return rec, nil
}

// DecodeBasic returns the job of a value without attempts and history, which are more than half of the work.
func DecodeBasic(id job.ID, raw []byte) (*jobsv1.Job, error) {
	rec := &storev1.BasicRecord{}
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(raw, rec); err != nil {
		return nil, damaged(id, err)
	}
	if rec.GetJob() == nil || rec.GetHeader() == nil {
		return nil, damaged(id, errRecord)
	}
	setJob(rec.GetJob(), rec.GetHeader())
	complete(id, rec.GetJob(), rec.GetHeader())
	return rec.GetJob(), nil
}

// DecodeHeader returns the header of a value and looks at nothing else.
func DecodeHeader(id job.ID, raw []byte) (*storev1.Header, error) {
	var rec storev1.HeaderRecord
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(raw, &rec); err != nil {
		return nil, damaged(id, err)
	}
	if rec.GetHeader() == nil {
		return nil, damaged(id, errRecord)
	}
	return rec.GetHeader(), nil
}

// HeaderOf returns the header of a record in memory.
func HeaderOf(rec *storev1.Record) *storev1.Header {
	j := rec.GetJob()
	h := &storev1.Header{
		Owner: j.GetOwner(), Service: j.GetService(), Executor: j.GetExecutor(),
		OutputName: j.GetOutputName(), OutputFolder: j.GetOutputFolder(), ParentId: j.GetParentId(), RerunOf: j.GetRerunOf(),
		Priority: j.GetPriority(), State: j.GetState(), Reason: j.GetReason(), ExitCode: j.ExitCode, Revision: j.GetRevision(),
		SubmitTimeNs: Nanos(j.GetSubmitTime()), StartTimeNs: Nanos(j.GetStartTime()),
		CompleteTimeNs: Nanos(j.GetCompleteTime()), CancelTimeNs: Nanos(j.GetCancelTime()),
		Phase: rec.GetPhase(), NotBeforeNs: Nanos(rec.GetNotBefore()), RequestId: rec.GetRequestId(), Resources: j.GetResources(),
		InputBytes: j.GetInputBytes(), ServiceVersion: j.GetServiceVersion(), Granted: rec.GetGranted(),
		KeepTimeNs: Nanos(j.GetKeepTime()), KeptBytes: j.GetKeptBytes(),
	}
	for k, v := range j.GetLabels() {
		h.Labels = append(h.Labels, &storev1.Label{Key: k, Value: v})
	}
	if len(h.Labels) > 1 {
		slices.SortFunc(h.Labels, func(a, b *storev1.Label) int { return strings.Compare(a.GetKey(), b.GetKey()) })
	}
	return h
}

func setHeader(rec *storev1.Record, h *storev1.Header) {
	rec.Phase, rec.NotBefore, rec.RequestId, rec.Granted = h.GetPhase(), timestampOf(h.GetNotBeforeNs()), h.GetRequestId(), h.GetGranted()
	setJob(rec.GetJob(), h)
}

func setJob(j *jobsv1.Job, h *storev1.Header) {
	j.Owner, j.Service, j.Executor = h.GetOwner(), h.GetService(), h.GetExecutor()
	j.OutputName, j.OutputFolder, j.ParentId, j.RerunOf = h.GetOutputName(), h.GetOutputFolder(), h.GetParentId(), h.GetRerunOf()
	j.Priority, j.State, j.Reason, j.ExitCode, j.Revision = h.GetPriority(), h.GetState(), h.GetReason(), h.ExitCode, h.GetRevision()
	j.SubmitTime, j.StartTime = timestampOf(h.GetSubmitTimeNs()), timestampOf(h.GetStartTimeNs())
	j.CompleteTime, j.CancelTime = timestampOf(h.GetCompleteTimeNs()), timestampOf(h.GetCancelTimeNs())
	j.Resources, j.InputBytes, j.ServiceVersion = h.GetResources(), h.GetInputBytes(), h.GetServiceVersion()
	j.KeepTime, j.KeptBytes = timestampOf(h.GetKeepTimeNs()), h.GetKeptBytes()
}

// complete sets what of a decoded job is not stored with it: what its key says, the etag, and the labels.
func complete(id job.ID, j *jobsv1.Job, h *storev1.Header) {
	j.Id, j.Etag = id.String(), Etag(h.GetRevision())
	if len(h.GetLabels()) == 0 {
		return
	}
	j.Labels = make(map[string]string, len(h.GetLabels()))
	for _, l := range h.GetLabels() {
		j.Labels[l.GetKey()] = l.GetValue()
	}
}

// Etag returns another text for each change of a job, as each has a revision of its own. That holds across incarnations:
// the revisions of a restored database go on behind a gap (see BeginIncarnation), so an etag that a client has of a
// change which was lost is never given to another one, and one from before the backup stands for what it stood for.
func Etag(revision uint64) string { return strconv.FormatUint(revision, 36) }

// Nanos returns a time in nanoseconds since 1970; 0 when it is not set.
func Nanos(t *timestamppb.Timestamp) int64 {
	if t == nil {
		return 0
	}
	return t.GetSeconds()*1e9 + int64(t.GetNanos())
}

func timestampOf(ns int64) *timestamppb.Timestamp {
	if ns == 0 {
		return nil
	}
	return timestamppb.New(time.Unix(0, ns))
}

// ErrDamaged is for a record that is there and cannot be decoded. Reading it again gives the same until somebody changes it.
var ErrDamaged = errors.New("the record is damaged")

func damaged(id job.ID, err error) error {
	return fmt.Errorf("read job %s: %w: %w: %w", id, job.ErrStorage, ErrDamaged, err)
}

// How much of the past of a job is kept, as job.proto says.
const (
	MaxHistory  = 1 + 40 // the first entry and the last ones
	MaxAttempts = 20
)

// Status is what a change of which makes an entry in the history.
type Status struct {
	// State of the job.
	State jobsv1.State
	// Reason for the state.
	Reason jobsv1.Reason
	// Attempt is the number of the latest attempt.
	Attempt int32
}

// StatusOf returns the status of a job.
func StatusOf(j *jobsv1.Job) Status {
	return Status{j.GetState(), j.GetReason(), AttemptOf(j)}
}

// AttemptOf returns the number of the latest attempt; 0 before the first.
func AttemptOf(j *jobsv1.Job) int32 {
	if n := len(j.GetAttempts()); n > 0 {
		return j.GetAttempts()[n-1].GetNumber()
	}
	return 0
}

// AppendHistory appends the present status of a job to its history, and notes in the job what lists show of that entry.
func AppendHistory(j *jobsv1.Job, now *timestamppb.Timestamp) {
	j.Attempt, j.ChangeTime = AttemptOf(j), now
	j.History = append(j.History, &jobsv1.StatusChange{
		Revision: j.GetRevision(), Time: now,
		State: j.GetState(), Reason: j.GetReason(), Message: j.GetMessage(), Attempt: AttemptOf(j),
	})
	if n := len(j.History); n > MaxHistory {
		j.History = append(j.History[:1], j.History[n-MaxHistory+1:]...)
	}
}

// BoundAttempts drops the oldest attempts.
func BoundAttempts(j *jobsv1.Job) {
	if n := len(j.GetAttempts()); n > MaxAttempts {
		j.Attempts = j.Attempts[n-MaxAttempts:]
	}
}
