package auth

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
	"github.com/stint-jobs/stint/internal/api/call"
	"github.com/stint-jobs/stint/internal/api/page"
	"github.com/stint-jobs/stint/internal/auth"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// tokens is the TokenService.
type tokens struct {
	authv1.UnimplementedTokenServiceServer
	tokens  *auth.Tokens
	pages   page.Sealer
	maxLife time.Duration
}

// CreateToken makes an API token and returns its secret, this once.
func (s *tokens) CreateToken(ctx context.Context, req *authv1.CreateTokenRequest) (*authv1.CreateTokenResponse, error) {
	p, err := call.Caller(ctx)
	if err != nil {
		return nil, err
	}
	grant := auth.Grant{User: req.GetUser(), Roles: req.GetRoles(), Scopes: req.GetScopes(), Description: req.GetDescription()}
	if e := req.GetExpireTime(); e != nil {
		if e.CheckValid() != nil {
			return nil, job.Invalid("expireTime", "is no time")
		}
		grant.Expires = e.AsTime()
	}
	if grant.User == "" && p.How != auth.HowSocket { // the local admin is nobody whom a token could stand for
		grant.User = p.User
	}
	if grant.User != p.User {
		if err := call.Named(ctx); err != nil {
			return nil, err
		}
	}
	if grant, err = grant.Within(p, s.maxLife); err != nil {
		return nil, err
	}
	t, secret, err := s.tokens.Create(ctx, grant)
	if err != nil {
		return nil, err
	}
	return &authv1.CreateTokenResponse{Token: publicToken(t), Secret: secret}, nil
}

// ListTokens returns the API tokens of the caller, for operators all or those of one user, without their secrets.
func (s *tokens) ListTokens(ctx context.Context, req *authv1.ListTokensRequest) (*authv1.ListTokensResponse, error) {
	p, err := call.Caller(ctx)
	if err != nil {
		return nil, err
	}
	user := req.GetUser()
	switch mayAll := call.Named(ctx); {
	case user == "" && mayAll != nil:
		user = p.User
	case user != p.User && mayAll != nil:
		return nil, mayAll
	case user != "" && user != p.User && !job.ValidOwner(user):
		return nil, job.Invalid("user", "is no user name")
	}
	return s.pageOf(user, req)
}

// pageOf returns a page of the tokens of a user, or of all.
func (s *tokens) pageOf(user string, req *authv1.ListTokensRequest) (*authv1.ListTokensResponse, error) {
	limit, err := page.Size(req.GetPageSize(), page.Max, page.Max)
	if err != nil {
		return nil, err
	}
	after, err := s.pages.OpenKey(req.GetPageToken(), "tokens", user)
	if err != nil {
		return nil, err
	}
	all, err := s.tokens.List(user)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b *storev1.Token) int { return strings.Compare(ageOf(a), ageOf(b)) })
	part, next := page.Cut(all, ageOf, after, limit)
	resp := &authv1.ListTokensResponse{NextPageToken: s.pages.SealKey(next, "tokens", user)}
	for _, t := range part {
		resp.Tokens = append(resp.Tokens, publicToken(t))
	}
	return resp, nil
}

// ageOf is what tokens are sorted by: when they were made, and then their ids.
func ageOf(t *storev1.Token) string {
	return t.GetCreateTime().AsTime().Format("2006-01-02T15:04:05.000000000 ") + t.GetId()
}

// RevokeToken makes an API token stop working, also for streams that are open.
func (s *tokens) RevokeToken(ctx context.Context, req *authv1.RevokeTokenRequest) (*authv1.RevokeTokenResponse, error) {
	p, err := call.Caller(ctx)
	if err != nil {
		return nil, err
	}
	user := p.User
	if call.Foreign(ctx, p) {
		user = ""
	}
	if err := s.tokens.Revoke(ctx, req.GetId(), user); err != nil {
		return nil, err
	}
	return &authv1.RevokeTokenResponse{}, nil
}

func publicToken(t *storev1.Token) *authv1.Token {
	return &authv1.Token{
		Id: t.GetId(), User: t.GetUser(), Roles: t.GetRoles(), Description: t.GetDescription(), CreateTime: t.GetCreateTime(),
		ExpireTime: t.GetExpireTime(), Scopes: t.GetScopes(), LastUseTime: t.GetLastUseTime(),
	}
}

// NewOfflineTokens returns a TokenService for the tools that use a database without a server. Whoever can open the file is
// its operator.
func NewOfflineTokens(t *auth.Tokens) authv1.TokenServiceServer {
	var key [32]byte
	_, _ = rand.Read(key[:]) // never fails: crypto/rand ends the program instead
	pages, err := page.NewSealer(key[:], "")
	if err != nil {
		panic(err) // the key has a length that AES takes
	}
	return &offlineTokens{tokens: tokens{tokens: t, pages: pages}}
}

// offlineTokens gives calls what the interceptors and gRPC itself would give them.
type offlineTokens struct{ tokens }

// CreateToken makes an API token in the file.
func (o *offlineTokens) CreateToken(ctx context.Context, req *authv1.CreateTokenRequest) (*authv1.CreateTokenResponse, error) {
	return o.tokens.CreateToken(asLocalAdmin(ctx, authv1.TokenService_CreateToken_FullMethodName), req)
}

// ListTokens returns the API tokens of the file.
func (o *offlineTokens) ListTokens(ctx context.Context, req *authv1.ListTokensRequest) (*authv1.ListTokensResponse, error) {
	return o.tokens.ListTokens(asLocalAdmin(ctx, authv1.TokenService_ListTokens_FullMethodName), req)
}

// RevokeToken makes an API token of the file stop working.
func (o *offlineTokens) RevokeToken(ctx context.Context, req *authv1.RevokeTokenRequest) (*authv1.RevokeTokenResponse, error) {
	return o.tokens.RevokeToken(asLocalAdmin(ctx, authv1.TokenService_RevokeToken_FullMethodName), req)
}

func asLocalAdmin(ctx context.Context, method string) context.Context {
	return auth.NewContext(grpc.NewContextWithServerTransportStream(ctx, offlineCall(method)), auth.LocalAdmin())
}

// offlineCall is the name of a method in the place of a call.
type offlineCall string

// Method returns the full name.
func (c offlineCall) Method() string { return string(c) }

// SetHeader does nothing: nobody reads headers.
func (offlineCall) SetHeader(metadata.MD) error { return nil }

// SendHeader does nothing: nobody reads headers.
func (offlineCall) SendHeader(metadata.MD) error { return nil }

// SetTrailer does nothing: nobody reads trailers.
func (offlineCall) SetTrailer(metadata.MD) error { return nil }
