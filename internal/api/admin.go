package api

import (
	"context"
	"encoding/binary"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	storev1 "github.com/stint-jobs/stint/gen/stint/store/v1"
	stintv1 "github.com/stint-jobs/stint/gen/stint/v1"
	"github.com/stint-jobs/stint/internal/auth"
	"github.com/stint-jobs/stint/internal/job"
)

// backupFrame is the most bytes of a backup in one frame.
const backupFrame = 1 << 20

// admin is the AdminService. The interceptor lets operators in only, but for GetServerStatus and ListQueue.
type admin struct {
	stintv1.UnimplementedAdminServiceServer
	Config
	pages pageSealer
}

// GetServerStatus answers what users should know of the server.
func (s *admin) GetServerStatus(ctx context.Context, _ *stintv1.GetServerStatusRequest) (*stintv1.GetServerStatusResponse, error) {
	p, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	set := s.Store.Settings()
	resp := &stintv1.GetServerStatusResponse{
		SubmissionsOpen: !set.GetSubmissionsClosed(), Message: set.GetMessage(), Version: s.Version,
		User: p.User, Revision: s.Store.Revision(), Executors: s.Scheduler.Status(),
	}
	for _, r := range p.Roles {
		resp.Roles = append(resp.Roles, string(r))
	}
	return resp, nil
}

// SetSubmissions opens or closes the server for new jobs.
func (s *admin) SetSubmissions(ctx context.Context, req *stintv1.SetSubmissionsRequest) (*stintv1.SetSubmissionsResponse, error) {
	if err := job.CheckText("message", req.GetMessage(), job.MaxReason).Err(); err != nil {
		return nil, err
	}
	set := proto.CloneOf(s.Store.Settings())
	set.SubmissionsClosed, set.Message = !req.GetOpen(), req.GetMessage()
	if err := s.Store.SetSettings(ctx, set); err != nil {
		return nil, err
	}
	return &stintv1.SetSubmissionsResponse{}, nil
}

// Backup streams a consistent copy of the database while the server runs.
func (s *admin) Backup(_ *stintv1.BackupRequest, stream grpc.ServerStreamingServer[stintv1.BackupResponse]) error {
	snap, err := s.Store.Snapshot()
	if err != nil {
		return err
	}
	defer snap.Close()
	_, err = snap.WriteTo(&backupWriter{stream: stream, size: snap.Size()})
	return err
}

// backupWriter sends what is written to it as frames.
type backupWriter struct {
	stream grpc.ServerStreamingServer[stintv1.BackupResponse]
	size   int64
}

// Write sends p.
func (w *backupWriter) Write(p []byte) (int, error) {
	sent := 0
	for sent < len(p) {
		end := min(sent+backupFrame, len(p))
		if err := w.stream.Send(&stintv1.BackupResponse{Data: append([]byte(nil), p[sent:end]...), SizeBytes: w.size}); err != nil {
			return sent, err
		}
		sent = end
	}
	return sent, nil
}

// CreateToken makes an API token and answers its secret, this once.
func (s *admin) CreateToken(ctx context.Context, req *stintv1.CreateTokenRequest) (*stintv1.CreateTokenResponse, error) {
	grant := auth.Grant{User: req.GetUser(), Roles: req.GetRoles(), Description: req.GetDescription()}
	if e := req.GetExpireTime(); e != nil {
		if e.CheckValid() != nil {
			return nil, job.Invalid("expireTime", "is no time")
		}
		grant.Expires = e.AsTime()
	}
	t, secret, err := s.Tokens.Create(ctx, grant)
	if err != nil {
		return nil, err
	}
	return &stintv1.CreateTokenResponse{Token: publicToken(t), Secret: secret}, nil
}

// ListTokens answers all API tokens, without their secrets.
func (s *admin) ListTokens(context.Context, *stintv1.ListTokensRequest) (*stintv1.ListTokensResponse, error) {
	all, err := s.Tokens.List()
	if err != nil {
		return nil, err
	}
	resp := &stintv1.ListTokensResponse{}
	for _, t := range all {
		resp.Tokens = append(resp.Tokens, publicToken(t))
	}
	return resp, nil
}

// RevokeToken makes an API token stop working, also for streams that are open.
func (s *admin) RevokeToken(ctx context.Context, req *stintv1.RevokeTokenRequest) (*stintv1.RevokeTokenResponse, error) {
	if err := s.Tokens.Revoke(ctx, req.GetId()); err != nil {
		return nil, err
	}
	return &stintv1.RevokeTokenResponse{}, nil
}

// ListIssues answers the problem reports of users, newest first.
func (s *admin) ListIssues(_ context.Context, req *stintv1.ListIssuesRequest) (*stintv1.ListIssuesResponse, error) {
	limit, err := pageSize(req.GetPageSize(), defaultPage, maxPage)
	if err != nil {
		return nil, err
	}
	var before uint64
	if req.GetPageToken() != "" {
		plain, err := s.pages.openBytes(req.GetPageToken(), "issues")
		if err != nil || len(plain) != 8 {
			return nil, errPageToken
		}
		before = binary.BigEndian.Uint64(plain)
	}
	issues, more, err := s.Store.Issues(before, limit)
	if err != nil {
		return nil, err
	}
	resp := &stintv1.ListIssuesResponse{}
	for _, i := range issues {
		resp.Issues = append(resp.Issues, &stintv1.Issue{
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

func publicToken(t *storev1.Token) *stintv1.Token {
	return &stintv1.Token{
		Id: t.GetId(), User: t.GetUser(), Roles: t.GetRoles(), Description: t.GetDescription(),
		CreateTime: t.GetCreateTime(), ExpireTime: t.GetExpireTime(),
	}
}

// NewTokenAdmin is an AdminService of which only the calls for tokens work, for
// the tools that use a database without a server.
func NewTokenAdmin(t *auth.Tokens) stintv1.AdminServiceServer {
	return &admin{Config: Config{Tokens: t}}
}
