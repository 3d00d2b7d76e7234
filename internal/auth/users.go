package auth

import (
	"context"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
)

// UserStore keeps what is known of users. Its methods may be called from several goroutines.
type UserStore interface {
	// EndCredentials changes what is stored of a user and deletes their sessions and, where that is wanted, their
	// API tokens, in one commit. It returns the public ids of what it deleted.
	EndCredentials(ctx context.Context, user string, tokens bool, change func(*storev1.User)) (ofSessions, ofTokens []string, _ error)
	// ChangeUser changes what is stored of a user.
	ChangeUser(ctx context.Context, user string, change func(*storev1.User)) error
}

// Ended are the public ids of credentials that were deleted.
type Ended struct {
	// Sessions of browsers.
	Sessions []string
	// Tokens of the API.
	Tokens []string
}

// Users ends the credentials of users and says who may come in.
type Users struct {
	store UserStore
	auth  *Authenticator
}

// NewUsers works on a store. What it ends stops working for a at once.
func NewUsers(store UserStore, a *Authenticator) *Users { return &Users{store: store, auth: a} }

// SignOut ends all sessions of a user and, where that is wanted, their API tokens, and refuses what the issuer signed
// before. When it returns, none of them is served any more and their streams are ending.
func (u *Users) SignOut(ctx context.Context, user string, tokens bool) (Ended, error) {
	return u.end(ctx, user, tokens, func(s *storev1.User) { s.SignOutTime = timestamppb.Now() })
}

// Disable lets a user in no more, and ends their sessions and tokens. When it returns, nothing of theirs is served any more
// and their streams are ending.
func (u *Users) Disable(ctx context.Context, user, by, reason string) (Ended, error) {
	return u.end(ctx, user, true, func(s *storev1.User) {
		now := timestamppb.New(time.Now())
		if s.DisableTime == nil {
			s.DisableTime = now
		}
		s.DisableReason, s.DisabledBy, s.SignOutTime = reason, by, now
	})
}

// Enable lets a user in again.
func (u *Users) Enable(ctx context.Context, user string) error {
	return u.store.ChangeUser(ctx, user, func(s *storev1.User) {
		s.DisableTime, s.DisableReason, s.DisabledBy = nil, "", ""
	})
}

// end deletes credentials and has their streams end.
func (u *Users) end(ctx context.Context, user string, tokens bool, change func(*storev1.User)) (ended Ended, err error) {
	if ended.Sessions, ended.Tokens, err = u.store.EndCredentials(ctx, user, tokens, change); err != nil {
		return Ended{}, err
	}
	for _, id := range slices.Concat(ended.Sessions, ended.Tokens) {
		u.auth.Revoked(id)
	}
	u.auth.SignedOut(user)
	return ended, nil
}
