package cli

import (
	"context"
	"fmt"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/timestamppb"

	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
)

// WhoAmI knows one user, or whom they act for.
func (f *fake) WhoAmI(ctx context.Context, _ *authv1.WhoAmIRequest) (*authv1.WhoAmIResponse, error) {
	me := &authv1.WhoAmIResponse{User: "tester", Roles: []string{"user"}, How: "token"}
	if users := metadata.ValueFromIncomingContext(ctx, "stint-act-for"); len(users) == 1 {
		me.User, me.Actor, me.Scopes = users[0], "tester", []string{"jobs:read"}
		me.ExpireTime = &timestamppb.Timestamp{Seconds: 4102444800}
	}
	return me, nil
}

// CreateToken keeps what was asked for.
func (f *fake) CreateToken(_ context.Context, req *authv1.CreateTokenRequest) (*authv1.CreateTokenResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if req.GetUser() == "" {
		req.User = "tester"
	}
	t := &authv1.Token{
		Id: fmt.Sprintf("t%d", len(f.granted)+1), User: req.GetUser(), Roles: req.GetRoles(), Scopes: req.GetScopes(),
		Description: req.GetDescription(), ExpireTime: req.GetExpireTime(),
	}
	f.granted = append(f.granted, t)
	return &authv1.CreateTokenResponse{Token: t, Secret: "stint_secret_of_" + t.GetId()}, nil
}

// ListTokens answers those of a user, or all.
func (f *fake) ListTokens(_ context.Context, req *authv1.ListTokensRequest) (*authv1.ListTokensResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	resp := &authv1.ListTokensResponse{}
	for _, t := range f.granted {
		if req.GetUser() == "" || req.GetUser() == t.GetUser() {
			resp.Tokens = append(resp.Tokens, t)
		}
	}
	return resp, nil
}

// RevokeToken forgets one.
func (f *fake) RevokeToken(_ context.Context, req *authv1.RevokeTokenRequest) (*authv1.RevokeTokenResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := slices.IndexFunc(f.granted, func(t *authv1.Token) bool { return t.GetId() == req.GetId() })
	if at < 0 {
		return nil, refuse(codes.NotFound, "NOT_FOUND", "There is no token with that id.")
	}
	f.granted = slices.Delete(f.granted, at, at+1)
	return &authv1.RevokeTokenResponse{}, nil
}
