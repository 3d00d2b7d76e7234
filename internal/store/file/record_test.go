package file

import (
	"bytes"
	"errors"
	"slices"
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
	rec.Job.Id, rec.Job.Etag = "9", Etag(rec.GetJob().GetRevision())
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
	raw, err := Encode(nil, rec)
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
		got, err := Decode(9, raw)
		if diff := cmp.Diff(was, got, protocmp.Transform()); err != nil || diff != "" {
			t.Errorf("%s: %v %s", name, err, diff)
		}
		basic, err := DecodeBasic(9, raw)
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
	h, err := DecodeHeader(9, raw)
	if diff := cmp.Diff(HeaderOf(rec), h, protocmp.Transform()); err != nil || diff != "" {
		t.Error(err, diff)
	}
	header, err := proto.Marshal(&storev1.HeaderRecord{Header: HeaderOf(rec)})
	if err != nil || !bytes.HasPrefix(raw, header) {
		t.Errorf("the header does not come first, or %v", err)
	}
	bad := []byte{0x0a, 3, 0xb2, 1, 0xff} // a job of which nothing can be read
	if _, err := DecodeHeader(9, slices.Concat(header, bad)); err != nil {
		t.Errorf("what is in the job was read: %v", err)
	}
	for what, raw := range map[string][]byte{"nothing": nil, "no header": raw[len(header):], "a tag alone": raw[:1], "a part": raw[:len(raw)-1]} {
		if _, err := DecodeHeader(9, raw); !errors.Is(err, job.ErrStorage) || !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func FuzzRecord(f *testing.F) {
	raw, err := Encode(nil, fullRecord())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = DecodeHeader(9, b) // whatever it is, it must not panic
		_, _ = DecodeBasic(9, b)
		rec, err := Decode(9, b)
		if err != nil {
			return
		}
		raw, err := Encode(nil, rec)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Decode(9, raw)
		if diff := cmp.Diff(rec, again, protocmp.Transform()); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
		if h, err := DecodeHeader(9, raw); err != nil || !proto.Equal(h, HeaderOf(rec)) {
			t.Errorf("%v: the header is %v, want %v", err, h, HeaderOf(rec))
		}
	})
}

func TestABriefSaysWhatTheNextAttemptGets(t *testing.T) {
	rec := fullRecord()
	b := Brief{Header: HeaderOf(rec)}
	if got := b.NextResources(); !proto.Equal(got, rec.GetJob().GetResources()) {
		t.Errorf("the next attempt gets %v", got)
	}
	rec.Granted = &jobsv1.Resources{Cpus: 1, MemoryBytes: 77}
	b.Header = HeaderOf(rec)
	if got := b.NextResources(); got.GetMemoryBytes() != 77 {
		t.Errorf("the next attempt gets %v", got)
	}
}
