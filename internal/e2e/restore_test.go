package e2e_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// submitted submits a job and returns it.
func submitted(t *testing.T, s *server) *jobsv1.Job {
	t.Helper()
	resp, err := s.jobs().Submit(t.Context(), &jobsv1.SubmitRequest{Job: appendJob(0)})
	if err != nil {
		t.Fatal(err)
	}
	return resp.GetJob()
}

// first returns the first frame of a watch that resumes.
func first(t *testing.T, s *server, after string) *jobsv1.WatchStatusResponse {
	t.Helper()
	stream, err := s.jobs().WatchStatus(t.Context(), &jobsv1.WatchStatusRequest{AfterCursor: after})
	if err != nil {
		t.Fatal(err)
	}
	m, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// After a restore nothing is given out again: no id, no revision, no etag. Who has seen what is gone is told so.
func TestARestoredServerIsAnotherIncarnation(t *testing.T) {
	s := newServer(t)
	for range 3 {
		submitted(t, s)
	}
	s.untilFinal(time.Minute)
	copied := filepath.Join(t.TempDir(), "jobs.db")
	stintd(t, "backup", "--data", s.data, "--to", copied)
	list, err := s.jobs().List(t.Context(), &jobsv1.ListRequest{PageSize: 1})
	if err != nil || list.GetNextPageToken() == "" {
		t.Fatalf("no page token: %v", err)
	}
	lost := submitted(t, s)
	s.untilFinal(time.Minute)
	got, err := s.jobs().Get(t.Context(), &jobsv1.GetRequest{Id: lost.GetId()})
	if err != nil {
		t.Fatal(err)
	}
	lost = got.GetJob()
	if m := first(t, s, list.GetCursor()); m.GetJob().GetId() != lost.GetId() {
		t.Errorf("before the restore a watcher that resumes gets %v", m)
	}
	s.stop()
	stintd(t, "restore", copied, "--data", s.data, "--replace")
	s.check()
	s.start()
	anew, err := s.jobs().List(t.Context(), &jobsv1.ListRequest{PageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	fresh := submitted(t, s)
	s.untilFinal(time.Minute)
	if fresh.GetId() == lost.GetId() || fresh.GetRevision() <= lost.GetRevision()+1<<35 || fresh.GetEtag() == lost.GetEtag() || s.runs()[fresh.GetId()] != 1 {
		t.Errorf("the new job %s has revision %d and etag %s, and ran %d times; the lost one %s had %d and %s",
			fresh.GetId(), fresh.GetRevision(), fresh.GetEtag(), s.runs()[fresh.GetId()], lost.GetId(), lost.GetRevision(), lost.GetEtag())
	}
	for what, cursor := range map[string]string{"what is lost": got.GetCursor(), "what was in the backup": list.GetCursor()} {
		if m := first(t, s, cursor); m.GetRestarted() == nil {
			t.Errorf("a watcher that resumes behind %s gets %v", what, m)
		}
	}
	if m := first(t, s, anew.GetCursor()); m.GetJob().GetId() != fresh.GetId() {
		t.Errorf("a watcher that has seen the restored database gets %v", m)
	}
	_, err = s.jobs().List(t.Context(), &jobsv1.ListRequest{PageSize: 1, PageToken: list.GetNextPageToken()})
	if status.Code(err) != codes.InvalidArgument || !strings.Contains(status.Convert(err).Message(), "restored from a backup") {
		t.Errorf("a page token from before: %v", err)
	}
}

// A backup that is damaged is not put in place, and what is there stays.
func TestADamagedBackupIsNotPutInPlace(t *testing.T) {
	s := newServer(t)
	for range 50 {
		submitted(t, s)
	}
	s.untilFinal(time.Minute)
	copied := filepath.Join(t.TempDir(), "jobs.db")
	stintd(t, "backup", "--data", s.data, "--to", copied)
	s.stop()
	b, err := os.ReadFile(copied)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range [][]byte{b[:len(b)/2], b[:100], nil, append(b[:2*4096:2*4096], make([]byte, len(b)-2*4096)...)} {
		if err := os.WriteFile(copied, part, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, code := run(t, "stintd", "restore", copied, "--data", s.data, "--replace"); code != 1 && code != exitStorage {
			t.Errorf("%d bytes of %d: exit code %d", len(part), len(b), code)
		}
	}
	left, err := filepath.Glob(filepath.Join(s.data, "state", "jobs.db*"))
	if err != nil || len(left) != 2 { // the database and the room that is reserved for it
		t.Errorf("left are %v, %v", left, err)
	}
	s.check()
	s.start()
}

// The server makes backups by itself, and they are good ones.
func TestBackupsAreMade(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "backups")
	s := newServer(t, "--backup-dir", dir)
	submitted(t, s)
	var names []string
	for n := 0; len(names) == 0; n++ {
		if n == 20_000 {
			t.Fatal("no backup was made")
		}
		moment()
		var err error
		if names, err = filepath.Glob(filepath.Join(dir, "stint-*.db")); err != nil {
			t.Fatal(err)
		}
	}
	s.untilFinal(time.Minute)
	s.stop()
	stintd(t, "restore", names[0], "--data", s.data, "--replace")
	s.check()
	if _, err := os.Stat(names[0]); errors.Is(err, os.ErrNotExist) {
		t.Error("the backup is gone")
	}
	s.start()
}
