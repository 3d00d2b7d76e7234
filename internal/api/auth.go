package api

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
	"github.com/stint-jobs/stint/internal/api/call"
)

// signIn is the AuthService.
type signIn struct {
	authv1.UnimplementedAuthServiceServer

	options *authv1.GetSignInOptionsResponse
}

// GetSignInOptions answers how users can sign in.
func (s *signIn) GetSignInOptions(context.Context, *authv1.GetSignInOptionsRequest) (*authv1.GetSignInOptionsResponse, error) {
	if s.options == nil {
		return &authv1.GetSignInOptionsResponse{}, nil
	}
	return s.options, nil
}

// WhoAmI answers who the caller is and what their credential may be used for.
func (s *signIn) WhoAmI(ctx context.Context, _ *authv1.WhoAmIRequest) (*authv1.WhoAmIResponse, error) {
	p, err := call.Caller(ctx)
	if err != nil {
		return nil, err
	}
	return &authv1.WhoAmIResponse{
		User: p.User, Roles: words(p.Roles), Scopes: words(p.Scopes), How: string(p.How), Actor: p.Actor, ExpireTime: timeOrNil(p.Expires),
	}, nil
}

func words[W ~string](in []W) []string {
	out := make([]string, len(in))
	for i, w := range in {
		out[i] = string(w)
	}
	return out
}

func timeOrNil(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}
