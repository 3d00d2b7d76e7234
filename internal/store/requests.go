package store

import (
	"context"
	"fmt"
	"slices"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/store/kv"
	"github.com/stint-jobs/stint/internal/store/request"
)

// RequestLife is how long a request id is known at least, from the submission of its jobs.
const RequestLife = request.Life

func (o *SubmitOptions) request() request.Request {
	return request.Request{Owner: o.Owner, ID: o.RequestID, Hash: o.RequestHash}
}

// Submitted returns the jobs that an earlier Submit with the same owner and
// request id stored, as Submit itself would, and whether there was one. It lets a caller
// reply to a repeated request before it checks whether it would still be accepted; that
// a request is new is decided by Submit alone.
func (s *Store) Submitted(o SubmitOptions) (jobs []*jobsv1.Job, found bool, err error) {
	if o.RequestID == "" {
		return nil, false, nil
	}
	ids := s.state.Index.FindRequest(o.Owner, o.RequestID)
	err = s.view(func(tx *kv.ReadTx) (err error) {
		jobs, found, err = request.Find(tx, ids, o.request(), s.cfg.Now())
		return err
	})
	if err != nil {
		return nil, false, fmt.Errorf("look for request %q: %w", o.RequestID, err)
	}
	return jobs, found, nil
}

// maxExpired is how many deleted requests ExpireRequests drops at most.
const maxExpired = 20 * deleteBatch

// ExpireRequests drops what is kept of requests whose jobs were deleted, once RequestLife is over, and returns how many it
// dropped. There may be more of them. On an error it returns those dropped before.
func (s *Store) ExpireRequests(ctx context.Context) (int, error) {
	var expired [][]byte
	now := s.cfg.Now()
	err := s.view(func(tx *kv.ReadTx) (err error) {
		expired, err = request.Expired(tx, now, maxExpired)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("look for expired requests: %w", err)
	}
	dropped := 0
	for keys := range slices.Chunk(expired, deleteBatch) {
		n := 0
		err := s.do(ctx, len(keys), func(b *batch) (err error) {
			n, err = b.requests.Expire(keys)
			return err
		})
		if err != nil {
			return dropped, fmt.Errorf("drop %d expired requests: %w", len(keys), err)
		}
		dropped += n
	}
	return dropped, nil
}
