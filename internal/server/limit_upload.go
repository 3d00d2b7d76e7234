package server

import (
	"time"

	"google.golang.org/grpc"

	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/layers"
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
	var data []byte
	announced := int64(0)
	switch part := m.(type) {
	case *workspacev1.UploadRequest:
		data, announced = part.GetData(), part.GetTarget().GetSizeBytes()
	case *workspacev1.AppendUploadRequest:
		data = part.GetData()
		u.got += part.GetPart().GetOffset() // what other appends brought
	}
	u.got += int64(len(data))
	if err := u.limits.uploadSize(max(u.got, announced)); err != nil {
		return err
	}
	return u.pace(u.rate.Reserve(u.key, len(data)))
}

// uploadSize refuses a file that is larger than files may be.
func (l *limits) uploadSize(bytes int64) error {
	if most := l.maxUpload; most > 0 && bytes > most {
		return l.refuse(uploadSize, job.ErrExhausted, 0, "A file may have at most "+bytesValue{&most}.String()+" here.")
	}
	return nil
}

// announced refuses an upload that is begun with a size that files may not have. It goes behind the layer that decodes it.
func (l *limits) announced(c *layers.Call) (end func(error) error, err error) {
	if req, ok := c.Request.(*workspacev1.CreateUploadRequest); ok {
		return nil, l.uploadSize(req.GetSizeBytes())
	}
	return nil, nil
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
