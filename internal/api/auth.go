package api

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	stintv1 "github.com/stint-jobs/stint/gen/stint/v1"
)

// signIn is the AuthService.
type signIn struct {
	stintv1.UnimplementedAuthServiceServer

	options *stintv1.GetSignInOptionsResponse
}

// GetSignInOptions answers how users can sign in.
func (s *signIn) GetSignInOptions(context.Context, *stintv1.GetSignInOptionsRequest) (*stintv1.GetSignInOptionsResponse, error) {
	if s.options == nil {
		return &stintv1.GetSignInOptionsResponse{}, nil
	}
	return s.options, nil
}

// WhoAmI answers who the caller is and what their credential may be used for.
func (s *signIn) WhoAmI(ctx context.Context, _ *stintv1.WhoAmIRequest) (*stintv1.WhoAmIResponse, error) {
	p, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	return &stintv1.WhoAmIResponse{
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
