// Package call tells handlers who calls, what they may reach and what of it is
// audited: always what the table of roles and ownership in package auth says.
package call

import (
	"context"
	"errors"
	"strings"

	"google.golang.org/grpc"

	"github.com/stint-jobs/stint/internal/auth"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
)

// Caller returns who calls. The interceptor has put them there; without one the call fails.
func Caller(ctx context.Context) (auth.Principal, error) {
	p, ok := auth.FromContext(ctx)
	if !ok {
		return p, errors.New("a call reached the API without a caller")
	}
	return p, nil
}

// Reach returns the jobs that the caller may address by id with the RPC of ctx, as
// the table of roles and ownership says: their own, with those that were shared
// with them with the right that the RPC needs, and for an operator all.
func Reach(ctx context.Context) (store.Scope, error) {
	p, err := Caller(ctx)
	if err != nil {
		return store.Scope{}, err
	}
	method, _ := grpc.Method(ctx)
	if Foreign(ctx, p) {
		return store.Everyone, nil
	}
	return store.OwnedBy(p.User).With(auth.SharedBy(method)), nil
}

// Foreign reports whether the RPC of ctx reaches what others own for p.
func Foreign(ctx context.Context, p auth.Principal) bool {
	method, _ := grpc.Method(ctx)
	return auth.Allow(p, method, auth.Foreign) == auth.Allowed
}

// Wanted returns the jobs that a list, a watch or a summary is about: by default the
// caller's own, also for an operator, who may ask for one owner's or, with `*`, for everybody's.
func Wanted(ctx context.Context, owner string) (store.Scope, error) {
	p, err := Caller(ctx)
	if err != nil {
		return store.Scope{}, err
	}
	if owner == "" || owner == p.User {
		return store.OwnedBy(p.User), nil
	}
	if err := Named(ctx); err != nil {
		return store.Scope{}, err
	}
	switch {
	case owner == "*":
		return store.Everyone, nil
	case !job.ValidOwner(owner):
		return store.Scope{}, job.Invalid("owner", "is no user name")
	default:
		return store.OwnedBy(owner), nil
	}
}

// Named refuses those who may not do what the RPC of ctx does for somebody else by name.
func Named(ctx context.Context) error {
	method, _ := grpc.Method(ctx)
	return auth.Authorize(ctx, method, auth.Named)
}

// Short returns a text of the caller, cut so that it does not fill an error.
func Short(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..." // a letter may have been cut in two
}
