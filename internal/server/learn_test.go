package server

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/catalog"
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

// An attempt grows no further than its service and the server let any job.
func TestTheMostOfAServiceIsWithinThatOfTheServer(t *testing.T) {
	folder := t.TempDir()
	for name, resources := range map[string]string{"Free": "{cpus: 1}", "Short": "{max_memory: 1G, max_time_limit: 10m}", "Long": "{max_memory: 2G, max_time_limit: 90m}"} {
		text := "label: L\ncommand: ['true']\nprograms: [{name: 'true'}]\nresources: " + resources + "\n"
		err := errors.Join(os.MkdirAll(filepath.Join(folder, name), 0o750), os.WriteFile(filepath.Join(folder, name, "service.yaml"), []byte(text), 0o600))
		if err != nil {
			t.Fatal(err)
		}
	}
	live, problems, err := catalog.Open(folder, catalog.Options{})
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	for _, c := range []struct {
		service       string
		longest, want time.Duration
		memory        int64
	}{
		{"Free", 0, 0, 0},
		{"Free", time.Hour, time.Hour, 0},
		{"Gone", time.Hour, time.Hour, 0},
		{"Short", time.Hour, 10 * time.Minute, 1 << 30},
		{"Long", time.Hour, time.Hour, 2 << 30},
		{"Long", 0, 90 * time.Minute, 2 << 30},
	} {
		s := &server{catalog: live, cfg: Config{MaxTimeLimit: c.longest}}
		if most := s.maximum(c.service); most.GetTimeLimit().AsDuration() != c.want || most.GetMemoryBytes() != c.memory {
			t.Errorf("%s on a server with %s: at most %v, want %s", c.service, c.longest, most, c.want)
		}
	}
}
