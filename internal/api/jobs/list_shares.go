package jobs

import (
	"context"
	"encoding/binary"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/api/call"
	"github.com/stint-jobs/stint/internal/api/page"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
)

// ListShares returns with whom a job is shared.
func (s *Service) ListShares(ctx context.Context, req *jobsv1.ListSharesRequest) (*jobsv1.ListSharesResponse, error) {
	list, next, err := s.pageOfShares(ctx, req, req.GetId(), func(after []byte, limit int) ([]*jobsv1.Share, []byte, error) {
		return s.sharesOf(ctx, req.GetId(), after, limit)
	})
	if err != nil {
		return nil, err
	}
	return &jobsv1.ListSharesResponse{Shares: list, NextPageToken: next}, nil
}

// ListSharedWithMe returns what others share with the caller, newest first.
func (s *Service) ListSharedWithMe(ctx context.Context, req *jobsv1.ListSharedWithMeRequest) (*jobsv1.ListSharedWithMeResponse, error) {
	p, err := call.Caller(ctx)
	if err != nil {
		return nil, err
	}
	list, next, err := s.pageOfShares(ctx, req, "", func(after []byte, limit int) ([]*jobsv1.Share, []byte, error) {
		return s.sharedWith(p.User, after, limit)
	})
	if err != nil {
		return nil, err
	}
	return &jobsv1.ListSharedWithMeResponse{Shares: list, NextPageToken: next}, nil
}

// paged is a request for a page.
type paged interface {
	GetPageSize() int32
	GetPageToken() string
}

// pageOfShares reads a page of shares, and returns the token of the next one.
func (s *Service) pageOfShares(
	ctx context.Context, req paged, id string, read func(after []byte, limit int) ([]*jobsv1.Share, []byte, error),
) (list []*jobsv1.Share, token string, err error) {
	p, err := call.Caller(ctx)
	if err != nil {
		return nil, "", err
	}
	limit, err := page.Size(req.GetPageSize(), page.Default, page.Max)
	if err != nil {
		return nil, "", err
	}
	bound := []string{"shares", p.User, id}
	var after []byte
	if req.GetPageToken() != "" {
		if after, err = s.cfg.Pages.OpenBytes(req.GetPageToken(), bound...); err != nil {
			return nil, "", err
		}
	}
	list, next, err := read(after, limit)
	if err != nil || next == nil {
		return list, "", err
	}
	return list, s.cfg.Pages.SealBytes(next, bound...), nil
}

// sharesOf is with whom a job of the caller is shared, in the order of users. A page goes on behind a user.
func (s *Service) sharesOf(ctx context.Context, text string, after []byte, limit int) ([]*jobsv1.Share, []byte, error) {
	scope, err := call.Reach(ctx)
	if err != nil {
		return nil, nil, err
	}
	id, err := job.ParseID(text)
	if err != nil {
		return nil, nil, noJob(text)
	}
	list, more, err := s.cfg.Store.Shares(scope, id, string(after), limit)
	if err != nil {
		return nil, nil, orNoJob(err, text)
	}
	if !more {
		return list, nil, nil
	}
	return list, []byte(list[len(list)-1].GetUser()), nil
}

// sharedWith is what others share with a user, newest first. A page goes on behind a time and a job.
func (s *Service) sharedWith(user string, after []byte, limit int) ([]*jobsv1.Share, []byte, error) {
	var from store.SharePosition
	switch len(after) {
	case 0:
	case 16:
		from = store.SharePosition{Time: int64(binary.BigEndian.Uint64(after)), Job: job.IDFromKey(after[8:])}
	default:
		return nil, nil, page.ErrToken
	}
	list, place, err := s.cfg.Store.SharedWith(user, from, limit)
	if err != nil || place == nil {
		return list, nil, err
	}
	return list, append(binary.BigEndian.AppendUint64(nil, uint64(place.Time)), place.Job.Key()...), nil
}
