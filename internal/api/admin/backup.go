package admin

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"google.golang.org/grpc"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	"github.com/stint-jobs/stint/internal/job"
)

const (
	// backupFrame is the most bytes of a backup in one frame.
	backupFrame = 1 << 20
	// maxCopies is how many copies of the database may wait for their clients at a time. Each takes room on the disk.
	maxCopies = 2
)

// Backup streams a consistent copy of the database while the server runs. The copy is made first, in a file without
// a name: a client that reads slowly would keep the database from reusing what is freed.
func (s *admin) Backup(_ *adminv1.BackupRequest, stream grpc.ServerStreamingServer[adminv1.BackupResponse]) error {
	select {
	case s.copies <- struct{}{}:
		defer func() { <-s.copies }()
	default:
		return &job.UserError{Sentinel: job.ErrOverloaded, Message: fmt.Sprintf("%d backups are being read already; try again when one of them has ended.", maxCopies)}
	}
	f, size, err := s.copyDatabase()
	if err != nil {
		return err
	}
	defer f.Close()
	for buf := make([]byte, min(backupFrame, size)); ; {
		n, err := io.ReadFull(f, buf)
		if n > 0 {
			frame := &adminv1.BackupResponse{Data: append([]byte(nil), buf[:n]...), SizeBytes: size}
			if err := stream.Send(frame); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		case err != nil:
			return fmt.Errorf("read the copy of the database: %w", err)
		}
	}
}

// copyDatabase returns a copy, to be read from its beginning, and its size. It is gone when it is closed.
func (s *admin) copyDatabase() (f *os.File, size int64, err error) {
	if s.cfg.Room != nil {
		if err := s.cfg.Room(s.cfg.Store.Size()); err != nil {
			return nil, 0, err
		}
	}
	folder, err := os.MkdirTemp(s.cfg.Scratch, ".backup-*")
	if err != nil {
		return nil, 0, fmt.Errorf("copy the database: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	path := filepath.Join(folder, "copy.db")
	if size, err = s.cfg.Store.Backup(path); err != nil {
		return nil, 0, err
	}
	if f, err = os.Open(path); err != nil {
		return nil, 0, fmt.Errorf("read the copy of the database: %w", err)
	}
	return f, size, nil
}
