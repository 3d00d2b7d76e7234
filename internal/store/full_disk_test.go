package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/types/known/structpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/store/storetest"
)

// smallDisk mounts a file system of 8 MiB.
func smallDisk(t *testing.T) string {
	t.Helper()
	path := t.TempDir()
	if err := unix.Mount("tmpfs", path, "tmpfs", 0, "size=8m"); err != nil {
		if slices.Contains(strings.Split(os.Getenv("STINT_TEST_REQUIRE"), ","), "fuse") {
			t.Fatalf("mount: %v", err)
		}
		t.Skipf("mount: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(path, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return path
}

// What deletes makes room, so a full disk refuses it to nobody: it is the server's own.
func TestAFullDiskRefusesNoDeletion(t *testing.T) {
	folder, now := smallDisk(t), time.Unix(1_700_000_000, 0)
	s := storetest.OpenConfig(t, store.Config{
		Path: filepath.Join(folder, "jobs.db"), Reserve: 1 << 20, Now: func() time.Time { return now },
		Retention: store.Retention{failed: {AtMost: 1}},
	})
	if _, _, err := s.Submit(t.Context(), []*jobsv1.Job{newJob("A", "a"), newJob("A", "b"), newJob("A", "c")}, store.SubmitOptions{Owner: "ada"}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Submit(t.Context(), []*jobsv1.Job{newJob("A", "z")}, store.SubmitOptions{Owner: "bob", RequestID: "r"}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []job.ID{1, 4} {
		become(t, s, id, failed)
		if _, err := s.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	filler, err := os.Create(filepath.Join(folder, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer filler.Close()
	for err == nil {
		_, err = filler.Write(make([]byte, 4096))
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	large := newJob("A", "large")
	large.Parameters = &structpb.Struct{Fields: map[string]*structpb.Value{"p": structpb.NewStringValue(strings.Repeat("x", 1<<20))}}
	if _, _, err := s.Submit(t.Context(), []*jobsv1.Job{large}, store.SubmitOptions{Owner: "ada"}); !errors.Is(err, job.ErrNoSpace) {
		t.Fatalf("a job: %v, want no space", err)
	}
	if _, err := s.Delete(t.Context(), 2); !errors.Is(err, job.ErrNoSpace) {
		t.Fatalf("a client's deletion: %v, want no space", err)
	}
	for _, id := range []job.ID{2, 3} { // by the scheduler
		if _, err := s.Update(store.Internal(t.Context()), store.Everyone, id, into(failed)); err != nil {
			t.Fatal(err)
		}
	}
	if gone, err := s.ApplyRetention(t.Context(), now); err != nil || len(gone) != 1 {
		t.Errorf("retention: %v, %v", gone, err)
	}
	if doomed, err := s.Doomed(0, 10); err != nil || len(doomed) != 3 {
		t.Errorf("doomed: %v, %v", doomed, err)
	} else if err := s.FoldersRemoved(t.Context(), doomed...); err != nil {
		t.Errorf("the janitor: %v", err)
	}
	now = now.Add(store.RequestLife)
	if n, err := s.ExpireRequests(t.Context()); err != nil || n != 1 {
		t.Errorf("%d requests were dropped, %v", n, err)
	}
	if err := s.Healthy(); !errors.Is(err, job.ErrNoSpace) {
		t.Errorf("the disk is not full any more: %v", err)
	}
}
