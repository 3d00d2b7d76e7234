package api

import (
	"context"
	"encoding/binary"

	"google.golang.org/protobuf/proto"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// admin is the AdminService. The interceptor lets only those in whom the table gives a reason to come.
type admin struct {
	adminv1.UnimplementedAdminServiceServer
	Config
	pages  pageSealer
	copies chan struct{} // holds one for each copy of the database that is being read
}

// SetSubmissions opens or closes the server for new jobs.
func (s *admin) SetSubmissions(ctx context.Context, req *adminv1.SetSubmissionsRequest) (*adminv1.SetSubmissionsResponse, error) {
	if err := job.CheckText("message", req.GetMessage(), job.MaxReason).Err(); err != nil {
		return nil, err
	}
	set := proto.CloneOf(s.Store.Settings())
	set.SubmissionsClosed, set.Message = !req.GetOpen(), req.GetMessage()
	if err := s.Store.SetSettings(ctx, set); err != nil {
		return nil, err
	}
	return &adminv1.SetSubmissionsResponse{}, nil
}

// ListIssues answers the problem reports of users, newest first.
func (s *admin) ListIssues(_ context.Context, req *adminv1.ListIssuesRequest) (*adminv1.ListIssuesResponse, error) {
	limit, err := pageSize(req.GetPageSize(), defaultPage, maxPage)
	if err != nil {
		return nil, err
	}
	var before uint64
	if req.GetPageToken() != "" {
		plain, err := s.pages.openBytes(req.GetPageToken(), "issues")
		if err != nil {
			return nil, err
		}
		if len(plain) != 8 {
			return nil, errPageToken
		}
		before = binary.BigEndian.Uint64(plain)
	}
	issues, more, err := s.Store.Issues(before, limit)
	if err != nil {
		return nil, err
	}
	resp := &adminv1.ListIssuesResponse{}
	for _, i := range issues {
		resp.Issues = append(resp.Issues, &adminv1.Issue{
			Id: i.ID.String(), Reporter: i.Report.GetReporter(), Description: i.Report.GetDescription(),
			CreateTime: i.Report.GetCreateTime(), Job: i.Report.GetJob(),
		})
	}
	if more {
		last := issues[len(issues)-1].ID.Seq
		resp.NextPageToken = s.pages.sealBytes(binary.BigEndian.AppendUint64(nil, last), "issues")
	}
	return resp, nil
}
