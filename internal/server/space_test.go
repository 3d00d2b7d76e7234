package server

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// Below the floor nothing new is taken and no attempt starts; what is there can be seen and ended. With room again all goes on.
func TestLittleRoomHoldsWhatIsNew(t *testing.T) {
	s := newSpace([]string{t.TempDir(), t.TempDir()}, room{800, 80}, slog.New(slog.DiscardHandler))
	if free, err := s.free(); err != nil || free.bytes <= 0 || free.inodes <= 0 {
		t.Fatalf("%+v are free: %v", free, err)
	}
	for n, step := range []struct {
		free room
		err  error
		low  bool
		woke bool
	}{
		{room{1000, 90}, nil, false, false},
		{room{800, 90}, nil, false, false},
		{room{799, 90}, nil, true, false},
		{room{899, 90}, nil, true, false}, // not yet an eighth more
		{room{0, 90}, errors.New("cannot say"), true, false},
		{room{900, 90}, nil, false, true},
		{room{850, 90}, nil, false, false},
		{room{0, 90}, errors.New("cannot say"), false, false},
		{room{1000, 79}, nil, true, false},
		{room{1000, 89}, nil, true, false}, // nor of inodes
		{room{1000, 90}, nil, false, true},
	} {
		s.free = func() (room, error) { return step.free, step.err }
		s.look()
		woke := false
		select {
		case <-s.back:
			woke = true
		default:
		}
		err := s.check(jobsv1.JobService_Submit_FullMethodName)
		if (s.held() != "") != step.low || errors.Is(err, job.ErrNoSpace) != step.low || woke != step.woke {
			t.Errorf("step %d: held %q, refused %v, woke %v", n, s.held(), err, woke)
		}
		for _, method := range []string{jobsv1.JobService_Cancel_FullMethodName, jobsv1.JobService_List_FullMethodName, workspacev1.WorkspaceService_Delete_FullMethodName} {
			if err := s.check(method); err != nil {
				t.Errorf("step %d: %s: %v", n, method, err)
			}
		}
	}
}

// A disk that is smaller than the floor and an eighth has room again once it stays above the floor.
//
//nolint:forbidigo // fake time: a synctest bubble
func TestASmallDiskRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpace(nil, room{800 << 20, 0}, slog.New(slog.DiscardHandler))
		free := room{799 << 20, 1}
		s.free = func() (room, error) { return free, nil }
		look := func(bytes int64, times int) {
			free.bytes = bytes << 20
			for range times {
				s.look()
				time.Sleep(lookEvery)
			}
		}
		look(799, 1)
		if held := s.held(); !strings.Contains(held, "799 MiB are free") || !strings.Contains(held, "800 MiB") {
			t.Errorf("held %q", held)
		}
		look(820, 9)
		look(799, 1) // begins the wait anew
		look(820, 10)
		if s.held() == "" {
			t.Error("it has room again too soon")
		}
		if look(820, 1); s.held() != "" {
			t.Errorf("held %q", s.held())
		}
	})
}

func TestEachMethodIsInTheTableOfWhatFillsTheDisk(t *testing.T) {
	methods := make(map[string]bool)
	protoregistry.GlobalFiles.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			for k := range f.Services().Get(i).Methods().Len() {
				m := f.Services().Get(i).Methods().Get(k)
				if name := fmt.Sprintf("/%s/%s", m.Parent().FullName(), m.Name()); strings.HasPrefix(name, "/stint.") {
					methods[name] = true
				}
			}
		}
		return true
	})
	if len(methods) < 30 {
		t.Fatalf("%d methods are found", len(methods))
	}
	for m := range methods {
		if _, ok := diskUses[m]; !ok {
			t.Errorf("%s is not in the table", m)
		}
	}
	for m := range diskUses {
		if !methods[m] {
			t.Errorf("%s is in the table and no method", m)
		}
	}
	s := newSpace(nil, room{1, 1}, slog.New(slog.DiscardHandler))
	s.low.Store(true)
	for _, m := range []string{
		jobsv1.JobService_ReportIssue_FullMethodName, jobsv1.JobService_Share_FullMethodName, "/stint.jobs.v1.JobService/OfALaterContract",
	} {
		if err := s.check(m); !errors.Is(err, job.ErrNoSpace) {
			t.Errorf("%s below the floor: %v", m, err)
		}
	}
	if err := s.check("/grpc.health.v1.Health/Check"); err != nil {
		t.Errorf("health: %v", err)
	}
}

// Copies that are under way count as if they were made, so that two of them do not share the same room.
func TestCopiesKeepTheFloor(t *testing.T) {
	dir := t.TempDir()
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	size, free := int64(st.Blocks)*st.Bsize, int64(st.Bavail)*st.Bsize
	s := newSpace([]string{dir}, room{bytes: free / 2}, slog.New(slog.DiscardHandler))
	first, err := s.reserve(dir, free/3)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.reserve(dir, free/3); !errors.Is(err, job.ErrNoSpace) || !strings.Contains(err.Error(), "Waiting for room on the server's disk: the copies of its inputs take ") {
		t.Errorf("beside the first: %v", err)
	}
	first()
	second, err := s.reserve(dir, free/3)
	if err != nil {
		t.Fatal(err)
	}
	second()
	if _, err := s.reserve(dir, size-free/4); !errors.Is(err, job.ErrExhausted) {
		t.Errorf("more than the disk: %v", err)
	}
	if _, err := s.reserve(dir+"/gone", 1); err == nil {
		t.Error("there is room in a folder that is not there")
	}
}
