package server

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
	catalogv1 "github.com/stint-jobs/stint/gen/stint/catalog/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/layers"
	"github.com/stint-jobs/stint/internal/workspace"
)

const (
	// lookEvery is how often the disk is looked at.
	lookEvery = time.Second
	// steadyFor is how long a disk must be above the floor without a break to count as having room
	// again. A disk that cannot have an eighth more than the floor has room again after that.
	steadyFor = 10 * time.Second
)

// room is what a disk has: blocks, counted in bytes, and inodes.
type room struct{ bytes, inodes int64 }

// under reports whether there is less of one of them than of the other room.
func (r room) under(floor room) bool { return r.bytes < floor.bytes || r.inodes < floor.inodes }

// space keeps some of the disk free for what must be written: the ends of the
// jobs that run. While less than the floor is free, no attempt starts and no call that makes the disk fuller is taken.
type space struct {
	floor room
	free  func() (room, error)
	log   *slog.Logger
	low   atomic.Bool
	words atomic.Pointer[string] // for owners of waiting jobs, while low
	above time.Time              // since when there is more than the floor, while low; of run alone
	back  chan struct{}          // yields when there is room again

	mu       sync.Mutex
	reserved int64 // bytes that copies under way may still take
}

// newSpace watches the file systems of folders. A floor of 0 is always kept.
func newSpace(folders []string, floor room, log *slog.Logger) *space {
	return &space{floor: floor, log: log, back: make(chan struct{}, 1), free: func() (room, error) {
		least := room{math.MaxInt64, math.MaxInt64}
		for _, folder := range folders {
			free, err := freeOn(folder)
			if err != nil {
				return room{}, err
			}
			least = room{min(least.bytes, free.bytes), min(least.inodes, free.inodes)}
		}
		return least, nil
	}}
}

// freeOn is the room on the file system of a folder. Some file systems have no fixed number of inodes, and so no end of them.
func freeOn(folder string) (room, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(folder, &st); err != nil {
		return room{}, &fs.PathError{Op: "statfs", Path: folder, Err: err}
	}
	free := room{int64(st.Bavail) * st.Bsize, int64(st.Ffree)} //nolint:gosec // a disk has fewer than 2^63 of both
	if st.Files == 0 {
		free.inodes = math.MaxInt64
	}
	return free, nil
}

// freeBytes is the room on the file system of a folder in bytes.
func freeBytes(folder string) (int64, error) {
	free, err := freeOn(folder)
	return free.bytes, err
}

// room refuses what would take so many bytes and not leave the floor.
func (s *space) room(bytes int64) error {
	free, err := s.free()
	if err != nil {
		return fmt.Errorf("look for room: %w", err)
	}
	if free.bytes-bytes < s.floor.bytes {
		return fmt.Errorf("%d bytes of %d that are free would not leave %d: %w", bytes, free.bytes, s.floor.bytes, job.ErrNoSpace)
	}
	return nil
}

// reserve reserves room for copies on the file system of a folder until release is called. Without room for them and
// the floor its error is job.ErrNoSpace, and job.ErrExhausted where the whole file system is too small.
func (s *space) reserve(folder string, bytes int64) (release func(), err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(folder, &st); err != nil {
		return nil, &fs.PathError{Op: "statfs", Path: folder, Err: err}
	}
	size, free := int64(st.Blocks)*st.Bsize, int64(st.Bavail)*st.Bsize //nolint:gosec // as in freeOn
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case size-bytes < s.floor.bytes:
		return nil, job.Userf(job.ErrExhausted,
			"The copies of its inputs take %s, which is more than the disk of the server can have free. Use smaller inputs, or ask the operators for a larger disk.",
			workspace.FormatSize(bytes))
	case free-s.reserved-bytes < s.floor.bytes:
		return nil, job.Userf(job.ErrNoSpace, "Waiting for room on the server's disk: the copies of its inputs take %s.", workspace.FormatSize(bytes))
	}
	s.reserved += bytes
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.reserved -= bytes
	}, nil
}

// run looks at the disk until ctx ends.
func (s *space) run(ctx context.Context) error {
	if s.floor == (room{}) {
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

// look decides anew. A disk has room again once it has an eighth more than the floor, or has had
// more than the floor for a while, so that it does not flicker.
func (s *space) look() {
	free, err := s.free()
	switch low := s.low.Load(); {
	case err != nil:
		s.log.Warn("cannot see how much room the disk has", "error", err)
	case !low && free.under(s.floor):
		s.say(free)
		s.above = time.Time{}
		s.low.Store(true)
		s.log.Error("the disk is nearly full; nothing new is taken or started until there is room",
			"free_bytes", free.bytes, "floor_bytes", s.floor.bytes, "free_inodes", free.inodes, "floor_inodes", s.floor.inodes)
	case low && s.recovered(free):
		s.low.Store(false)
		s.log.Info("the disk has room again", "free_bytes", free.bytes, "free_inodes", free.inodes)
		select {
		case s.back <- struct{}{}:
		default:
		}
	case low:
		s.say(free)
	}
}

// recovered reports whether a disk that was low has room again.
func (s *space) recovered(free room) bool {
	switch {
	case free.under(s.floor):
		s.above = time.Time{}
		return false
	case !free.under(room{s.floor.bytes + s.floor.bytes/8, s.floor.inodes + s.floor.inodes/8}):
		return true
	case s.above.IsZero():
		s.above = time.Now()
	}
	return time.Since(s.above) >= steadyFor
}

// say puts the figures into the words for owners of waiting jobs.
func (s *space) say(free room) {
	words := fmt.Sprintf("Waiting for room on the server's disk: %s are free, and jobs start when there are %s. Nothing is to be done about the job.",
		mebibytes(free.bytes), mebibytes(s.floor.bytes))
	if free.bytes >= s.floor.bytes && free.inodes < s.floor.inodes {
		words = fmt.Sprintf("Waiting for room on the server's disk: it can take %d more files, and jobs start when it can take %d. Nothing is to be done about the job.",
			free.inodes, s.floor.inodes)
	}
	s.words.Store(&words)
}

func mebibytes(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }

// held returns why no attempt starts. It is empty while they may.
func (s *space) held() string {
	if words := s.words.Load(); words != nil && s.low.Load() {
		return *words
	}
	return ""
}

// diskUse is what a method does to the disk.
type diskUse int

const (
	grows diskUse = iota // it leaves more on the disk; also what is not in the table
	reads                // it leaves nothing but perhaps an entry of the audit, of operators and auditors
	ends                 // it ends or removes something, which must be possible on a full disk, too
	owned                // it looks for its own room
)

// diskUses is the table of all methods. A test fails when one of the contract is missing.
var diskUses = map[string]diskUse{
	jobsv1.JobService_Submit_FullMethodName:           grows,
	jobsv1.JobService_BatchSubmit_FullMethodName:      grows,
	jobsv1.JobService_Rerun_FullMethodName:            grows,
	jobsv1.JobService_ReportIssue_FullMethodName:      grows,
	jobsv1.JobService_Share_FullMethodName:            grows,
	jobsv1.JobService_Get_FullMethodName:              reads,
	jobsv1.JobService_BatchGet_FullMethodName:         reads,
	jobsv1.JobService_List_FullMethodName:             reads,
	jobsv1.JobService_WatchStatus_FullMethodName:      reads,
	jobsv1.JobService_Summarize_FullMethodName:        reads,
	jobsv1.JobService_StreamLogs_FullMethodName:       reads,
	jobsv1.JobService_ListResults_FullMethodName:      reads,
	jobsv1.JobService_ReadResult_FullMethodName:       reads,
	jobsv1.JobService_ListShares_FullMethodName:       reads,
	jobsv1.JobService_ListSharedWithMe_FullMethodName: reads,
	jobsv1.JobService_Cancel_FullMethodName:           ends,
	jobsv1.JobService_BatchCancel_FullMethodName:      ends,
	jobsv1.JobService_Unshare_FullMethodName:          ends,
	jobsv1.JobService_Report_FullMethodName:           ends, // of a job that runs, whose record the scheduler writes
	jobsv1.JobService_Keep_FullMethodName:             grows,
	jobsv1.JobService_Unkeep_FullMethodName:           ends,

	catalogv1.CatalogService_List_FullMethodName:   reads,
	catalogv1.CatalogService_Get_FullMethodName:    reads,
	catalogv1.CatalogService_Advise_FullMethodName: reads,

	workspacev1.WorkspaceService_Upload_FullMethodName:   grows,
	workspacev1.WorkspaceService_List_FullMethodName:     reads,
	workspacev1.WorkspaceService_GetUsage_FullMethodName: reads,
	workspacev1.WorkspaceService_Download_FullMethodName: reads,
	workspacev1.WorkspaceService_Delete_FullMethodName:   ends,

	workspacev1.WorkspaceService_Stat_FullMethodName:       reads,
	workspacev1.WorkspaceService_MakeFolder_FullMethodName: grows,
	workspacev1.WorkspaceService_Move_FullMethodName:       grows, // it may make folders
	workspacev1.WorkspaceService_Copy_FullMethodName:       grows,

	workspacev1.WorkspaceService_CreateUpload_FullMethodName: grows,
	workspacev1.WorkspaceService_AppendUpload_FullMethodName: grows,
	workspacev1.WorkspaceService_GetUpload_FullMethodName:    reads,
	workspacev1.WorkspaceService_ListUploads_FullMethodName:  reads,
	workspacev1.WorkspaceService_EndUpload_FullMethodName:    ends,

	authv1.AuthService_GetSignInOptions_FullMethodName: reads,
	authv1.AuthService_WhoAmI_FullMethodName:           reads,
	authv1.TokenService_CreateToken_FullMethodName:     grows,
	authv1.TokenService_ListTokens_FullMethodName:      reads,
	authv1.TokenService_RevokeToken_FullMethodName:     ends,

	authv1.SessionService_ListSessions_FullMethodName:      reads,
	authv1.SessionService_RevokeSession_FullMethodName:     ends,
	authv1.SessionService_SignOutEverywhere_FullMethodName: ends,

	adminv1.UserService_ListUsers_FullMethodName:   reads,
	adminv1.UserService_GetUser_FullMethodName:     reads,
	adminv1.UserService_DisableUser_FullMethodName: ends,
	adminv1.UserService_EnableUser_FullMethodName:  ends, // it may have to be taken back on a full disk, too
	adminv1.UserService_EraseUser_FullMethodName:   ends,

	adminv1.StatusService_GetServerStatus_FullMethodName: reads,
	adminv1.AdminService_SetSubmissions_FullMethodName:   ends, // closing them is what an operator may want now
	adminv1.AdminService_Backup_FullMethodName:           owned,
	adminv1.AdminService_ListIssues_FullMethodName:       reads,
	adminv1.AdminService_DeleteIssue_FullMethodName:      ends,
	adminv1.AdminService_ListOrphans_FullMethodName:      reads,
	adminv1.AdminService_CancelOrphan_FullMethodName:     ends,
	adminv1.AdminService_ListAudit_FullMethodName:        reads,
	adminv1.AdminService_Diagnose_FullMethodName:         reads,
	adminv1.QueueService_ListQueue_FullMethodName:        reads,
}

func (s *space) check(method string) error {
	if !s.low.Load() || diskUses[method] != grows || !strings.HasPrefix(method, "/stint.") {
		return nil
	}
	return &job.UserError{
		Sentinel: job.ErrNoSpace, RetryAfter: time.Minute,
		Message: "The server's disk is nearly full. Nothing new is taken until there is room; tell its operators.",
	}
}

// layer refuses calls that need more room than there is.
func (s *space) layer(c *layers.Call) (end func(error) error, err error) {
	return nil, s.check(c.Method)
}
