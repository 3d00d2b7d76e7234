package server

import (
	"time"

	"google.golang.org/grpc"

	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/limit"
)

// boundedUpload bounds how large an upload is and how fast it comes. One that
// comes too fast is not refused but read more slowly, and flow control slows its sender down.
type boundedUpload struct {
	grpc.ServerStream

	limits *limits
	rate   *limit.Rates[who]
	key    who
	got    int64
}

// RecvMsg receives the next part of the upload.
func (u *boundedUpload) RecvMsg(m any) error {
	if err := u.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	paid(u.Context(), m)
	part, ok := m.(*workspacev1.UploadRequest)
	if !ok {
		return nil
	}
	u.got += int64(len(part.GetData()))
	if most := u.limits.maxUpload; most > 0 && max(u.got, part.GetTarget().GetSizeBytes()) > most {
		return u.limits.refuse(uploadSize, job.ErrExhausted, 0, "A file may have at most "+bytesValue{&most}.String()+" here.")
	}
	return u.pace(u.rate.Reserve(u.key, len(part.GetData())))
}

// pace waits, as long as the stream goes on.
func (u *boundedUpload) pace(wait time.Duration) error {
	if wait <= 0 {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-u.Context().Done():
		return u.Context().Err()
	}
}
