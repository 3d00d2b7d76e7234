package page

import (
	"context"
	"errors"
	"io"

	"github.com/stint-jobs/stint/internal/job"
)

// frameBytes is the most bytes of a file in one frame. gRPC takes buffers of 32 KiB, or else of 1 MiB, for the messages that wait for
// their reader.
const frameBytes = 31 << 10

// CheckRange refuses a part of a file that cannot be: one from before its beginning, or of less than nothing.
func CheckRange(offset, limit int64) error {
	var v job.Violations
	if offset < 0 {
		v.Add("offset", "must not be negative")
	}
	if limit < 0 {
		v.Add("limitBytes", "must not be negative")
	}
	return v.Err()
}

// SectionLength returns how long a part of a file from offset on is at most. A limit of 0 is none.
func SectionLength(offset, limit int64) int64 {
	const most = 1<<63 - 1
	if limit == 0 || limit > most-offset {
		return most - offset
	}
	return limit
}

// SendFile hands over what r yields in frames. offset is where in the file r begins.
func SendFile(ctx context.Context, r io.Reader, offset int64, send func(int64, []byte) error) error {
	for ctx.Err() == nil {
		buf := make([]byte, frameBytes) // gRPC may keep what was sent
		n, err := io.ReadFull(r, buf)
		if n > 0 {
			if err := send(offset, buf[:n]); err != nil {
				return err
			}
			offset += int64(n)
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		case err != nil:
			return err
		}
	}
	return ctx.Err()
}
