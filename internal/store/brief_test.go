package store

import (
	"errors"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

func TestABriefSaysWhatTheRecordSays(t *testing.T) {
	rec := fullRecord()
	rec.NotBefore, rec.Job.CancelTime = timestamppb.New(testTime), timestamppb.New(testTime)
	raw, err := proto.Marshal(rec)
	if err != nil {
		t.Fatal(err)
	}
	var got Brief
	if !decodeBrief(raw, &got, &Brief{}) {
		t.Fatal("it cannot be read")
	}
	got.ID = 9
	if diff := cmp.Diff(BriefOf(9, rec), got); diff != "" {
		t.Errorf("read otherwise than it is: %s", diff)
	}
	for i, v := 0, reflect.ValueOf(got); i < v.NumField(); i++ {
		if name := v.Type().Field(i).Name; v.Field(i).IsZero() && name != "Err" {
			t.Errorf("%s was not read", name)
		}
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
	for i, want := range []Brief{{ID: 2, Owner: "bob"}, {ID: 7}, {ID: 1, Owner: "ada"}} {
		if want.Owner == "" {
			if !errors.Is(got[i].Err, job.ErrNotFound) {
				t.Errorf("job %d: %v, want not found", want.ID, got[i].Err)
			}
			continue
		}
		want.Executor, want.State, want.Priority = "local", jobsv1.State_STATE_QUEUED, -3
		if diff := cmp.Diff(want, got[i]); diff != "" {
			t.Errorf("job %d: %s", want.ID, diff)
		}
	}
}

func FuzzABriefSaysWhatTheRecordSays(f *testing.F) {
	raw, err := proto.Marshal(fullRecord())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, b []byte) {
		var got Brief
		_ = decodeBrief(b, &got, &Brief{}) // whatever it is, it must not panic
		rec := &storev1.Record{}
		if proto.Unmarshal(b, rec) != nil {
			return
		}
		raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(rec)
		if err != nil || rec.GetJob() == nil {
			return
		}
		got = Brief{}
		if !decodeBrief(raw, &got, &Brief{}) {
			t.Fatal("a record that the generated code reads is refused")
		}
		want := BriefOf(0, rec)
		if got.NotBefore.IsZero() != want.NotBefore.IsZero() {
			t.Errorf("waits until %v, want %v", got.NotBefore, want.NotBefore)
		}
		got.NotBefore, want.NotBefore = testTime, testTime // beyond the year 2262 they differ
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("read otherwise than the generated code does: %s", diff)
		}
	})
}
