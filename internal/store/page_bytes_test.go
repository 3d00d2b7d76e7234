package store_test

import (
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/structpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/store/storetest"
	"github.com/stint-jobs/stint/internal/weight"
)

// large returns a job whose parameters have so many bytes.
func large(bytes int) *jobsv1.Job {
	j := newJob("Sleep", "large")
	j.Parameters = &structpb.Struct{Fields: map[string]*structpb.Value{"text": structpb.NewStringValue(strings.Repeat("x", bytes))}}
	return j
}

func TestPageEndsByBytesAndIsContinuedInEveryOrder(t *testing.T) {
	s := storetest.OpenConfig(t, store.Config{}.WithoutSync())
	const jobs, size = 20, 10_000
	for range jobs {
		submit(t, s, "ada", large(size))
	}
	for _, f := range fields {
		q := store.Query{
			Scope: store.OwnedBy("ada"), Limit: 100, Bound: weight.Bound{Bytes: 3*size + 5000}, View: jobsv1.JobView_JOB_VIEW_FULL, Order: []store.Order{{Field: f}},
		}
		seen := make(map[string]bool)
		for {
			page, err := s.Page(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			if len(page.Jobs) > 3 || page.Total != jobs {
				t.Fatalf("by %v: a page of %d jobs, total %d", f, len(page.Jobs), page.Total)
			}
			for _, j := range page.Jobs {
				if seen[j.GetId()] {
					t.Errorf("by %v: job %s is on two pages", f, j.GetId())
				}
				seen[j.GetId()] = true
			}
			if q.After = page.Next; q.After == nil {
				break
			}
		}
		if len(seen) != jobs {
			t.Errorf("by %v: %d of %d jobs", f, len(seen), jobs)
		}
	}
}

func TestPageHasOneJobHoweverLarge(t *testing.T) {
	s := storetest.OpenConfig(t, store.Config{}.WithoutSync())
	submit(t, s, "ada", large(5000), large(5000))
	page, err := s.Page(t.Context(), store.Query{Scope: store.OwnedBy("ada"), Limit: 2, Bound: weight.Bound{Bytes: 1}, View: jobsv1.JobView_JOB_VIEW_FULL})
	if err != nil || len(page.Jobs) != 1 || page.Next == nil {
		t.Errorf("%d jobs, next %v, %v", len(page.Jobs), page.Next, err)
	}
}

func TestTheViewBasicHasTheLastEntryOfTheHistoryAlone(t *testing.T) {
	s := storetest.OpenConfig(t, store.Config{}.WithoutSync())
	submit(t, s, "ada", large(100))
	page, err := s.Page(t.Context(), store.Query{Scope: store.OwnedBy("ada"), Limit: 1, View: jobsv1.JobView_JOB_VIEW_BASIC})
	if err != nil || len(page.Jobs) != 1 || page.Jobs[0].GetParameters() != nil || len(page.Jobs[0].GetHistory()) != 0 {
		t.Errorf("%v, %v", page, err)
	}
	change(t, s, 1, func(r *storev1.Record) { r.Job.Attempts = []*jobsv1.Attempt{{Number: 1}} })
	full, err := s.Get(store.Everyone, 1)
	if err != nil {
		t.Fatal(err)
	}
	basic, _, err := s.GetMany(store.Everyone, []job.ID{1}, jobsv1.JobView_JOB_VIEW_BASIC, weight.Bound{})
	if err != nil {
		t.Fatal(err)
	}
	last := full.GetHistory()[1]
	for _, j := range []*jobsv1.Job{full, basic[0]} {
		if j.GetAttempt() != 1 || j.GetChangeTime().AsTime() != last.GetTime().AsTime() || last.GetAttempt() != 1 {
			t.Errorf("attempt %d of %v, in the history %v", j.GetAttempt(), j.GetChangeTime(), last)
		}
	}
}

func TestGetManyRefusesWhatIsTooLarge(t *testing.T) {
	s := storetest.OpenConfig(t, store.Config{}.WithoutSync())
	var ids []job.ID
	for _, j := range submit(t, s, "ada", large(5000), large(5000)) {
		ids = append(ids, idOf(t, j))
	}
	get := func(view jobsv1.JobView) error {
		_, _, err := s.GetMany(store.OwnedBy("ada"), ids, view, weight.Bound{Bytes: 8000})
		return err
	}
	if err := get(jobsv1.JobView_JOB_VIEW_FULL); !errors.Is(err, job.ErrTooLarge) {
		t.Errorf("in full: %v", err)
	}
	if err := get(jobsv1.JobView_JOB_VIEW_BASIC); err != nil {
		t.Errorf("without parameters: %v", err)
	}
}
