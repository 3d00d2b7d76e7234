// Package record is the form of a job in the file: every fact of it stands there once, and its
// history follows its status.
package record

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// A value of the bucket Jobs is an encoded storev1.Record, in which every fact stands once: Encode moves what the
// header has from the job into it, and the decoders move it back. So the job of a record in memory is whole, and its
// header is empty. What the key and the revision say, id and etag, is stored nowhere.

// headerField is the number of Record.header, which is the first field of a value.
const headerField protowire.Number = 9

var errRecord = errors.New("not a job record")

// Encode appends the value of a record. The record is changed while it runs, and is as before when it returns.
func Encode(buf []byte, rec *storev1.Record) ([]byte, error) {
	if rec.GetJob() == nil {
		return nil, errRecord
	}
	h := HeaderOf(rec)
	f := factsOf(rec)
	defer f.putBack(rec)
	(&facts{}).putBack(rec)
	rec.Attempts, rec.History = f.attempts, f.history
	buf = protowire.AppendTag(buf, headerField, protowire.BytesType)
	buf = protowire.AppendVarint(buf, uint64(proto.Size(h)))
	buf, err := proto.MarshalOptions{Deterministic: true, UseCachedSize: true}.MarshalAppend(buf, h)
	if err != nil {
		return nil, err
	}
	return proto.MarshalOptions{Deterministic: true}.MarshalAppend(buf, rec)
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
	rec.Phase, rec.NotBefore, rec.RequestId = h.GetPhase(), timestampOf(h.GetNotBeforeNs()), h.GetRequestId()
	rec.Granted = h.GetGranted()
	j.Attempts, j.History = rec.GetAttempts(), rec.GetHistory()
	rec.Header, rec.Attempts, rec.History = nil, nil, nil
	complete(id, j, h)
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
	complete(id, rec.GetJob(), rec.GetHeader())
	return rec.GetJob(), nil
}

// DecodeHeader reads the header of a value into h and looks at nothing else.
func DecodeHeader(id job.ID, raw []byte, h *storev1.Header) error {
	number, kind, n := protowire.ConsumeTag(raw)
	if n < 0 || number != headerField || kind != protowire.BytesType {
		return damaged(id, errRecord)
	}
	b, n := protowire.ConsumeBytes(raw[n:])
	if n < 0 {
		return damaged(id, errRecord)
	}
	if err := proto.Unmarshal(b, h); err != nil {
		return damaged(id, err)
	}
	return nil
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
	}
	for k, v := range j.GetLabels() {
		h.Labels = append(h.Labels, &storev1.Label{Key: k, Value: v})
	}
	if len(h.Labels) > 1 {
		slices.SortFunc(h.Labels, func(a, b *storev1.Label) int { return strings.Compare(a.GetKey(), b.GetKey()) })
	}
	return h
}

// complete sets what of a job is not stored with it: what its key and its header say.
func complete(id job.ID, j *jobsv1.Job, h *storev1.Header) {
	j.Id, j.Etag = id.String(), Etag(h.GetRevision())
	j.Owner, j.Service, j.Executor = h.GetOwner(), h.GetService(), h.GetExecutor()
	j.OutputName, j.OutputFolder, j.ParentId, j.RerunOf = h.GetOutputName(), h.GetOutputFolder(), h.GetParentId(), h.GetRerunOf()
	j.Priority, j.State, j.Reason, j.ExitCode, j.Revision = h.GetPriority(), h.GetState(), h.GetReason(), h.ExitCode, h.GetRevision()
	j.SubmitTime, j.StartTime = timestampOf(h.GetSubmitTimeNs()), timestampOf(h.GetStartTimeNs())
	j.CompleteTime, j.CancelTime = timestampOf(h.GetCompleteTimeNs()), timestampOf(h.GetCancelTimeNs())
	j.Resources, j.InputBytes, j.ServiceVersion = h.GetResources(), h.GetInputBytes(), h.GetServiceVersion()
	if len(h.GetLabels()) == 0 {
		return
	}
	j.Labels = make(map[string]string, len(h.GetLabels()))
	for _, l := range h.GetLabels() {
		j.Labels[l.GetKey()] = l.GetValue()
	}
}

// facts are what Encode takes out of a record while it encodes the rest.
type facts struct {
	id, etag, owner, service, executor, name, folder, parent, rerun, request string
	labels                                                                   map[string]string
	priority                                                                 int32
	state                                                                    jobsv1.State
	reason                                                                   jobsv1.Reason
	exit                                                                     *int32
	revision                                                                 uint64
	phase                                                                    storev1.Phase
	submit, start, complete, cancel, notBefore                               *timestamppb.Timestamp
	attempts                                                                 []*jobsv1.Attempt
	history                                                                  []*jobsv1.StatusChange
	resources, granted                                                       *jobsv1.Resources
	inputBytes                                                               int64
	version                                                                  string
}

func factsOf(rec *storev1.Record) facts {
	j := rec.GetJob()
	return facts{
		id: j.Id, etag: j.Etag, owner: j.Owner, service: j.Service, executor: j.Executor, name: j.OutputName, folder: j.OutputFolder,
		parent: j.ParentId, rerun: j.RerunOf, labels: j.Labels, priority: j.Priority, state: j.State, reason: j.Reason,
		exit: j.ExitCode, revision: j.Revision, submit: j.SubmitTime, start: j.StartTime, complete: j.CompleteTime,
		cancel: j.CancelTime, attempts: j.Attempts, history: j.History, resources: j.Resources,
		inputBytes: j.InputBytes, version: j.ServiceVersion,
		phase: rec.Phase, notBefore: rec.NotBefore, request: rec.RequestId, granted: rec.Granted,
	}
}

// putBack sets the facts of a record in memory.
func (f *facts) putBack(rec *storev1.Record) {
	j := rec.GetJob()
	j.Id, j.Etag, j.Owner, j.Service, j.Executor, j.OutputName, j.OutputFolder = f.id, f.etag, f.owner, f.service, f.executor, f.name, f.folder
	j.ParentId, j.RerunOf, j.Labels, j.Priority, j.State, j.Reason = f.parent, f.rerun, f.labels, f.priority, f.state, f.reason
	j.ExitCode, j.Revision, j.SubmitTime, j.StartTime, j.CompleteTime = f.exit, f.revision, f.submit, f.start, f.complete
	j.CancelTime, j.Attempts, j.History, j.Resources = f.cancel, f.attempts, f.history, f.resources
	j.InputBytes, j.ServiceVersion = f.inputBytes, f.version
	rec.Phase, rec.NotBefore, rec.RequestId, rec.Granted = f.phase, f.notBefore, f.request, f.granted
	rec.Attempts, rec.History = nil, nil
}

// Etag returns another text for each change of a job, as each has a revision of its own. That holds across incarnations:
// the revisions of a restored database go on behind a gap (see file.BeginIncarnation), so an etag that a client has of a
// change which was lost is never given to another one, and one from before the backup stands for what it stood for.
func Etag(revision uint64) string { return strconv.FormatUint(revision, 36) }

// Nanos returns a time in nanoseconds since 1970; 0 when it is not set.
func Nanos(t *timestamppb.Timestamp) int64 {
	if t == nil {
		return 0
	}
	return t.GetSeconds()*1e9 + int64(t.GetNanos())
}

// timestampOf returns the time of which Nanos returns this.
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
