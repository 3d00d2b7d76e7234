// Package auth is the AuthService, the TokenService and the SessionService: no user gets a
// token that may do more than the user may.
package auth

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
	"github.com/stint-jobs/stint/internal/api/call"
	"github.com/stint-jobs/stint/internal/api/page"
	"github.com/stint-jobs/stint/internal/auth"
)

// Config is what the services need.
type Config struct {
	// Tokens makes and revokes API tokens. It is required.
	Tokens *auth.Tokens
	// Pages makes the tokens of pages. It is required.
	Pages page.Sealer
	// MaxTokenLife is how long an API token may live. Zero is for ever.
	MaxTokenLife time.Duration
	// Users ends what users have to sign in with. It is required.
	Users *auth.Users
	// Sessions are the browsers that are signed in. Nil where they cannot sign in.
	Sessions *auth.Sessions
	// SignIn is how users can sign in. Nil means by API tokens alone.
	SignIn *authv1.GetSignInOptionsResponse
}

// Services are those of the domain.
type Services struct {
	// Auth is the AuthService.
	Auth authv1.AuthServiceServer
	// Tokens is the TokenService.
	Tokens authv1.TokenServiceServer
	// Sessions is the SessionService.
	Sessions authv1.SessionServiceServer
}

// New returns the services.
func New(cfg Config) Services {
	return Services{
		Auth: &signIn{options: cfg.SignIn}, Tokens: &tokens{tokens: cfg.Tokens, pages: cfg.Pages, maxLife: cfg.MaxTokenLife},
		Sessions: &sessions{sessions: cfg.Sessions, users: cfg.Users},
	}
}

// signIn is the AuthService.
type signIn struct {
	authv1.UnimplementedAuthServiceServer

	options *authv1.GetSignInOptionsResponse
}

// GetSignInOptions returns how users can sign in.
func (s *signIn) GetSignInOptions(context.Context, *authv1.GetSignInOptionsRequest) (*authv1.GetSignInOptionsResponse, error) {
	if s.options == nil {
		return &authv1.GetSignInOptionsResponse{}, nil
	}
	return s.options, nil
}

// WhoAmI returns who the caller is and what their credential may be used for.
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
