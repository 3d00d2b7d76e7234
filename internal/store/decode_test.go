package store

import (
	"reflect"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
)

var testTime = time.Unix(1_700_000_000, 5)

// fullRecord has every field that an index may read.
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

func TestTheQuickHeaderIsTheRecords(t *testing.T) {
	rec := fullRecord()
	raw, err := proto.Marshal(rec)
	if err != nil {
		t.Fatal(err)
	}
	var got header
	if err := decodeHeader(9, raw, &got); err != nil {
		t.Fatal(err)
	}
	if want := headerOf(9, rec); !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, want %+v", got, want)
	}
	whole := reflect.ValueOf(got)
	for _, part := range []reflect.Value{whole.FieldByName("origin"), whole.FieldByName("seen")} {
		for i := range part.NumField() {
			if part.Field(i).IsZero() {
				t.Errorf("%s was not read", part.Type().Field(i).Name)
			}
		}
	}
}

func TestATruncatedRecordIsRefused(t *testing.T) {
	raw, err := proto.Marshal(fullRecord())
	if err != nil {
		t.Fatal(err)
	}
	var h header
	refused := 0
	for n := range raw {
		if decodeHeader(1, raw[:n], &h) != nil {
			refused++
		}
	}
	// What is left may be well-formed only where the job has ended: before one of the four fields behind it.
	if refused < len(raw)-5 {
		t.Errorf("%d of %d truncated records were refused", refused, len(raw))
	}
}

func FuzzTheQuickHeaderIsTheRecords(f *testing.F) {
	raw, err := proto.Marshal(fullRecord())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		var got header
		_ = decodeHeader(1, b, &got) // whatever it is, it must not panic
		rec := &storev1.Record{}
		if proto.Unmarshal(b, rec) != nil || rec.GetJob() == nil {
			return
		}
		raw, err := proto.Marshal(rec) // as the store writes it
		if err != nil {
			t.Fatal(err)
		}
		if err := decodeHeader(1, raw, &got); err != nil {
			t.Fatalf("%v: %v", rec, err)
		}
		want := headerOf(1, rec)
		if len(want.labels) == 0 {
			want.labels = got.labels[:0:0]
			got.labels = want.labels
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("read %+v, want %+v", got, want)
		}
	})
}

func FuzzCursor(f *testing.F) {
	for _, c := range []Cursor{{place{id: 1}}, {place{id: 300, keys: []sortKey{{number: -1}, {text: "phage"}}}}} {
		b, err := c.MarshalBinary()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var c, again Cursor
		if c.UnmarshalBinary(b) != nil {
			return
		}
		out, err := c.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		if err := again.UnmarshalBinary(out); err != nil || !reflect.DeepEqual(c, again) {
			t.Errorf("%x became %+v and then %+v: %v", b, c, again, err)
		}
		c.fits(normalOrder([]Order{{Field: ByOutputName}, {Field: ByState}}))
	})
}
