package store

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/record"
)

var testTime = time.Unix(1_700_000_000, 5)

// fullRecord has about what the record of a job has that failed.
func fullRecord() *storev1.Record {
	code := int32(3)
	return &storev1.Record{
		RequestId: "request", RequestHash: []byte("hash"), Handle: "pid 7", Phase: storev1.Phase_PHASE_STARTED,
		Job: &jobsv1.Job{
			Owner: "ada", Service: "Date", OutputName: "out", OutputFolder: "/jobs", ParentId: "7", RerunOf: "8", Executor: "local",
			Labels: map[string]string{"b": "2", "a": "1", "c": ""}, Priority: -5, Resources: &jobsv1.Resources{Cpus: 2},
			State: jobsv1.State_STATE_FAILED, Reason: jobsv1.Reason_REASON_DISK_FULL, Message: "full",
			SubmitTime: timestamppb.New(testTime), StartTime: timestamppb.New(testTime.Add(1)), CompleteTime: timestamppb.New(testTime.Add(2)),
			Attempts: []*jobsv1.Attempt{{Number: 1}}, History: []*jobsv1.StatusChange{{Revision: 3}}, ExitCode: &code, Revision: 1 << 40,
		},
	}
}

// everyField returns a record in memory in which every field has a value, however deep it is.
func everyField(t *testing.T) *storev1.Record {
	t.Helper()
	rec := &storev1.Record{}
	fill(t, rec.ProtoReflect(), 1)
	rec.Header, rec.Attempts, rec.History = nil, nil, nil
	rec.Job.Id, rec.Job.Etag = "9", record.Etag(rec.GetJob().GetRevision())
	return rec
}

// fill sets every field of a message to a value that depends on its number.
func fill(t *testing.T, m protoreflect.Message, depth int) {
	t.Helper()
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		switch {
		case f.ContainingOneof() != nil && !f.HasOptionalKeyword() && f.Index() != f.ContainingOneof().Fields().Get(0).Index():
		case f.Kind() == protoreflect.MessageKind && depth > 4:
		case f.IsMap():
			if f.MapValue().Kind() == protoreflect.StringKind {
				m.Mutable(f).Map().Set(protoreflect.ValueOfString("key").MapKey(), protoreflect.ValueOfString("value"))
			}
		case f.IsList() && f.Kind() == protoreflect.MessageKind:
			fill(t, m.Mutable(f).List().AppendMutable().Message(), depth+1)
		case f.IsList():
			m.Mutable(f).List().Append(scalar(t, f))
		case f.Kind() == protoreflect.MessageKind:
			fill(t, m.Mutable(f).Message(), depth+1)
		default:
			m.Set(f, scalar(t, f))
		}
	}
}

func scalar(t *testing.T, f protoreflect.FieldDescriptor) protoreflect.Value {
	t.Helper()
	n := int(f.Number()) + 1
	switch f.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(strings.Repeat("x", n))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes(make([]byte, n))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(1)
	case protoreflect.Int32Kind, protoreflect.Sint32Kind:
		return protoreflect.ValueOfInt32(int32(n))
	case protoreflect.Int64Kind, protoreflect.Sfixed64Kind:
		return protoreflect.ValueOfInt64(int64(n))
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(uint32(n))
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(uint64(n))
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(float64(n))
	default:
		t.Fatalf("no value for %v", f.FullName())
		return protoreflect.Value{}
	}
}

func encoded(t *testing.T, rec *storev1.Record) []byte {
	t.Helper()
	raw, err := record.Encode(nil, rec)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestARecordIsReadAsItWasWritten(t *testing.T) {
	for name, rec := range map[string]*storev1.Record{"every field": everyField(t), "a job": {Job: &jobsv1.Job{Id: "9", Etag: "0"}}} {
		was := proto.CloneOf(rec)
		raw := encoded(t, rec)
		if diff := cmp.Diff(was, rec, protocmp.Transform()); diff != "" {
			t.Errorf("%s: encoding changed it: %s", name, diff)
		}
		got, err := record.Decode(9, raw)
		if diff := cmp.Diff(was, got, protocmp.Transform()); err != nil || diff != "" {
			t.Errorf("%s: %v %s", name, err, diff)
		}
		basic, err := record.DecodeBasic(9, raw)
		was.Job.Attempts, was.Job.History = nil, nil
		if diff := cmp.Diff(was.GetJob(), basic, protocmp.Transform()); err != nil || diff != "" {
			t.Errorf("%s without attempts and history: %v %s", name, err, diff)
		}
	}
}

// A fact that stands twice could contradict itself.
func TestEveryFactStandsOnceInAValue(t *testing.T) {
	stored := &storev1.Record{}
	if err := proto.Unmarshal(encoded(t, everyField(t)), stored); err != nil {
		t.Fatal(err)
	}
	inHeader := make(map[string]bool)
	fields := stored.GetHeader().ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if !stored.GetHeader().ProtoReflect().Has(f) {
			t.Errorf("the header lacks %s", f.Name())
		}
		inHeader[strings.TrimSuffix(string(f.Name()), "_ns")] = true
	}
	for _, m := range []protoreflect.Message{stored.ProtoReflect(), stored.GetJob().ProtoReflect()} {
		m.Range(func(f protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
			if inHeader[string(f.Name())] {
				t.Errorf("%s is in the header, too", f.FullName())
			}
			return true
		})
	}
	if len(stored.GetJob().GetAttempts()) > 0 || len(stored.GetJob().GetHistory()) > 0 || stored.GetJob().GetId() != "" {
		t.Error("attempts, history or id are in the job, too")
	}
}

func TestAHeaderIsReadAlone(t *testing.T) {
	rec := fullRecord()
	raw := encoded(t, rec)
	var h storev1.Header
	if err := record.DecodeHeader(9, raw, &h); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(record.HeaderOf(rec), &h, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	n := 0
	for n < len(raw) && record.DecodeHeader(9, raw[:n], &h) != nil {
		n++
	}
	if err := record.DecodeHeader(9, append(raw[:n:n], 0xff, 0xff), &h); err != nil {
		t.Errorf("what is behind the header was read: %v", err)
	}
	for what, raw := range map[string][]byte{"nothing": nil, "another field first": raw[n:], "a tag alone": raw[:1]} {
		if err := record.DecodeHeader(9, raw, &h); !errors.Is(err, job.ErrStorage) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func FuzzRecord(f *testing.F) {
	raw, err := record.Encode(nil, fullRecord())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		var h storev1.Header
		_ = record.DecodeHeader(9, b, &h) // whatever it is, it must not panic
		_, _ = record.DecodeBasic(9, b)
		rec, err := record.Decode(9, b)
		if err != nil {
			return
		}
		raw, err := record.Encode(nil, rec)
		if err != nil {
			t.Fatal(err)
		}
		again, err := record.Decode(9, raw)
		if diff := cmp.Diff(rec, again, protocmp.Transform()); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
		if err := record.DecodeHeader(9, raw, &h); err != nil || !proto.Equal(&h, record.HeaderOf(rec)) {
			t.Errorf("%v: the header is %v, want %v", err, &h, record.HeaderOf(rec))
		}
	})
}

func TestABriefSaysWhatTheRecordSays(t *testing.T) {
	rec := fullRecord()
	rec.Job.ServiceVersion, rec.Job.InputBytes = "1.2", 12345
	rec.NotBefore, rec.Job.CancelTime = timestamppb.New(testTime), timestamppb.New(testTime)
	want := Brief{
		ID: 9, Owner: "ada", Executor: "local", State: jobsv1.State_STATE_FAILED, Priority: -5,
		Service: rec.GetJob().GetService(), ServiceVersion: "1.2", InputBytes: 12345, SubmitTime: rec.GetJob().GetSubmitTime().AsTime(),
		Resources: rec.GetJob().GetResources(), Cancelled: true, Phase: storev1.Phase_PHASE_STARTED, NotBefore: testTime.UTC(),
	}
	if diff := cmp.Diff(want, BriefOf(9, rec), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	rec.Granted = &jobsv1.Resources{Cpus: 1, MemoryBytes: 77}
	if got := BriefOf(9, rec).Resources; got.GetMemoryBytes() != 77 {
		t.Errorf("the next attempt gets %v", got)
	}
}

func TestBriefsTellWhichJobsAreNotThere(t *testing.T) {
	s, err := Open(Config{Path: filepath.Join(t.TempDir(), "jobs.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	for _, owner := range []string{"ada", "bob"} {
		j := &jobsv1.Job{Service: "Date", Executor: "local", Priority: -3}
		if _, _, err := s.Submit(t.Context(), []*jobsv1.Job{j}, SubmitOptions{Owner: owner}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Briefs([]job.ID{2, 7, 1})
	if err != nil || len(got) != 3 {
		t.Fatalf("%d briefs, %v", len(got), err)
	}
	if !errors.Is(got[1].Err, job.ErrNotFound) {
		t.Errorf("job 7: %v, want not found", got[1].Err)
	}
	for i, owner := range map[int]string{0: "bob", 2: "ada"} {
		want := Brief{ID: got[i].ID, Owner: owner, Service: "Date", SubmitTime: got[i].SubmitTime, Executor: "local", State: jobsv1.State_STATE_QUEUED, Priority: -3}
		if diff := cmp.Diff(want, got[i]); diff != "" {
			t.Error(diff)
		}
	}
}
