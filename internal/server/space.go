package server

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/layers"
)

// lookEvery is how often the disk is looked at.
const lookEvery = time.Second

// space keeps some of the disk free for what must be written: the ends of the
// jobs that run. While less than the floor is free, no attempt starts and nothing new is taken.
type space struct {
	floor int64
	free  func() (int64, error)
	log   *slog.Logger
	low   atomic.Bool
	back  chan struct{} // yields when there is room again
}

// newSpace watches the file systems of folders. A floor of 0 is always kept.
func newSpace(folders []string, floor int64, log *slog.Logger) *space {
	return &space{floor: floor, log: log, back: make(chan struct{}, 1), free: func() (int64, error) {
		least := int64(math.MaxInt64)
		for _, folder := range folders {
			free, err := freeBytes(folder)
			if err != nil {
				return 0, err
			}
			least = min(least, free)
		}
		return least, nil
	}}
}

// freeBytes is the room on the file system of a folder.
func freeBytes(folder string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(folder, &st); err != nil {
		return 0, &fs.PathError{Op: "statfs", Path: folder, Err: err}
	}
	return int64(st.Bavail) * st.Bsize, nil //nolint:gosec // a disk has fewer than 2^63 bytes
}

// room refuses what would take so many bytes and not leave the floor.
func (s *space) room(bytes int64) error {
	free, err := s.free()
	if err != nil {
		return fmt.Errorf("look for room: %w", err)
	}
	if free-bytes < s.floor {
		return fmt.Errorf("%d bytes of %d that are free would not leave %d: %w", bytes, free, s.floor, job.ErrNoSpace)
	}
	return nil
}

// run looks at the disk until ctx ends.
func (s *space) run(ctx context.Context) error {
	if s.floor <= 0 {
		return nil
	}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		s.look()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// look decides anew. Coming back takes an eighth more than the floor, so that it does not flicker.
func (s *space) look() {
	free, err := s.free()
	switch low := s.low.Load(); {
	case err != nil:
		s.log.Warn("cannot see how much room the disk has", "error", err)
	case !low && free < s.floor:
		s.low.Store(true)
		s.log.Error("the disk is nearly full; no jobs are taken or started until there is room", "free_bytes", free, "floor_bytes", s.floor)
	case low && free >= s.floor+s.floor/8:
		s.low.Store(false)
		s.log.Info("the disk has room again", "free_bytes", free)
		select {
		case s.back <- struct{}{}:
		default:
		}
	}
}

// held is why no attempt starts; empty while they may.
func (s *space) held() string {
	if s.low.Load() {
		return "Waiting for room on the server's disk."
	}
	return ""
}

// filling are the methods that take something new.
var filling = map[string]bool{
	jobsv1.JobService_Submit_FullMethodName:            true,
	jobsv1.JobService_BatchSubmit_FullMethodName:       true,
	jobsv1.JobService_Rerun_FullMethodName:             true,
	workspacev1.WorkspaceService_Upload_FullMethodName: true,
}

func (s *space) check(method string) error {
	if !s.low.Load() || !filling[method] {
		return nil
	}
	return &job.UserError{
		Sentinel: job.ErrNoSpace, RetryAfter: time.Minute,
		Message: "The server's disk is nearly full. Nothing new is taken until there is room; its operators have been told.",
	}
}

// layer refuses calls that need more room than there is.
func (s *space) layer(c *layers.Call) (end func(error) error, err error) {
	return nil, s.check(c.Method)
}
