package api_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/structpb"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/api"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
)

// fillStore makes the database larger than what a connection sends ahead of its reader.
func fillStore(w *world) {
	w.Helper()
	for range 4 {
		big := &jobsv1.Job{Service: "Copy", Executor: "local", Parameters: &structpb.Struct{Fields: map[string]*structpb.Value{
			"source": structpb.NewStringValue(strings.Repeat("x", 1<<20)),
		}}}
		_, _, err := w.store.Submit(w.Context(), []*jobsv1.Job{big}, store.SubmitOptions{Owner: "ann"})
		must(w, err)
	}
}

// A client that reads slowly does not keep a transaction of the database open, for which Close would wait.
func TestASlowBackupHoldsNoTransaction(t *testing.T) {
	scratch := t.TempDir()
	w := newWorld(t, func(c *api.Config) { c.Scratch = scratch })
	fillStore(w)
	s, err := w.admin().Backup(w.as("root", "operator"), &adminv1.BackupRequest{})
	must(t, err)
	m, err := s.Recv()
	must(t, err)
	must(t, w.store.Close())
	got := int64(len(m.GetData()))
	for {
		next, err := s.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		must(t, err)
		got += int64(len(next.GetData()))
	}
	if got != m.GetSizeBytes() {
		t.Errorf("%d of %d bytes", got, m.GetSizeBytes())
	}
	if left, err := os.ReadDir(scratch); err != nil || len(left) > 0 {
		t.Errorf("left in the folder: %v, %v", left, err)
	}
}

func TestBackupsThatAreReadAreBounded(t *testing.T) {
	w := newWorld(t)
	fillStore(w)
	op := w.as("root", "operator")
	for range 2 {
		s, err := w.admin().Backup(op, &adminv1.BackupRequest{})
		must(t, err)
		_, err = s.Recv()
		must(t, err)
	}
	s, err := w.admin().Backup(op, &adminv1.BackupRequest{})
	refusal(t, drain(s, err), codes.ResourceExhausted, "OVERLOADED")
}

func TestABackupWithoutRoomIsRefused(t *testing.T) {
	w := newWorld(t, func(c *api.Config) {
		c.Room = func(int64) error { return job.ErrNoSpace }
	})
	s, err := w.admin().Backup(w.as("root", "operator"), &adminv1.BackupRequest{})
	refusal(t, drain(s, err), codes.ResourceExhausted, "NO_SPACE")
	w = newWorld(t, func(c *api.Config) { c.Scratch = filepath.Join(t.TempDir(), "missing") })
	s, err = w.admin().Backup(w.as("root", "operator"), &adminv1.BackupRequest{})
	refusal(t, drain(s, err), codes.Internal, "INTERNAL")
}
