package server

import (
	"errors"
	"log/slog"
	"testing"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// Below the floor nothing new is taken and no attempt starts; what is there can be seen and ended. With room again all goes on.
func TestLittleRoomHoldsWhatIsNew(t *testing.T) {
	s := newSpace([]string{t.TempDir(), t.TempDir()}, 800, slog.New(slog.DiscardHandler))
	if free, err := s.free(); err != nil || free <= 0 {
		t.Fatalf("%d bytes are free: %v", free, err)
	}
	for n, step := range []struct {
		free int64
		err  error
		low  bool
		woke bool
	}{
		{1000, nil, false, false},
		{800, nil, false, false},
		{799, nil, true, false},
		{899, nil, true, false}, // not yet an eighth more
		{0, errors.New("cannot say"), true, false},
		{900, nil, false, true},
		{850, nil, false, false},
		{0, errors.New("cannot say"), false, false},
	} {
		s.free = func() (int64, error) { return step.free, step.err }
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
