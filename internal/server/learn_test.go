package server

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/estimate"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/store/storetest"
)

// A start learns from what completed before, and from nothing else.
func TestAStartLearnsFromCompletedJobs(t *testing.T) {
	s := &server{store: storetest.OpenConfig(t, store.Config{Path: filepath.Join(t.TempDir(), "jobs.db")}), log: slog.New(slog.DiscardHandler)}
	for n := range 60 {
		j := &jobsv1.Job{Service: "GenomeAssembly", ServiceVersion: "2", InputBytes: 1000, State: jobsv1.State_STATE_QUEUED}
		if n%2 == 0 {
			j.Service = "BLAST"
		}
		stored, _, err := s.store.Submit(t.Context(), []*jobsv1.Job{j}, store.SubmitOptions{Owner: "ann"})
		if err != nil {
			t.Fatal(err)
		}
		id, err := job.ParseID(stored[0].GetId())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.store.Update(t.Context(), store.Everyone, id, func(r *storev1.Record) error {
			usage := &jobsv1.Usage{MaxRssBytes: 1 << 20, Elapsed: durationpb.New(time.Duration(n+1) * time.Second)}
			r.Job.Attempts = []*jobsv1.Attempt{{Number: 1, Usage: usage}}
			r.Job.State = jobsv1.State_STATE_COMPLETED
			if n >= 50 {
				r.Job.State = jobsv1.State_STATE_FAILED
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	h, err := s.learn()
	if err != nil {
		t.Fatal(err)
	}
	kind := estimate.Kind{Service: "GenomeAssembly", Version: "2"}
	if n := h.Count(kind); n != 25 {
		t.Errorf("learned from %d jobs of GenomeAssembly", n)
	}
	if n := h.Count(estimate.Kind{Service: "BLAST", Version: "2"}); n != 25 {
		t.Errorf("learned from %d jobs of BLAST", n)
	}
	if a, ok := h.Like(kind, 1000).Advice(); !ok || a.Median != 26*time.Second || a.MemoryBytes == 0 {
		t.Errorf("advice %+v, %v", a, ok)
	}
}
