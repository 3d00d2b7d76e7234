package server

import (
	"context"
	"time"
)

// uploadsEvery is how often uploads are looked for that nobody goes on with.
const uploadsEvery = 10 * time.Minute

// dropUploads drops uploads that were broken off long ago, until ctx ends. What fails is tried
// again.
func (s *server) dropUploads(ctx context.Context) {
	tick := time.NewTicker(uploadsEvery)
	defer tick.Stop()
	for {
		n, err := s.workspace.ExpireUploads(ctx, time.Now())
		if err != nil {
			s.log.Warn("old uploads cannot be dropped now", "error", err)
		}
		if n > 0 {
			s.log.Info("uploads that nobody went on with were dropped", "uploads", n)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
