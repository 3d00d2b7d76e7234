package auth

import (
	"context"
	"os/user"
	"slices"
	"time"

	"github.com/stint-jobs/stint/internal/job"
)

// Role is what a principal may be beyond themselves.
type Role string

// The roles. The table in table.go says what each may do.
const (
	// RoleUser is everybody: they have jobs and files of their own.
	RoleUser Role = "user"
	// RoleOperator runs the server: they see and act on everybody's jobs.
	RoleOperator Role = "operator"
)

// grantable are the roles that a token may carry beyond RoleUser.
var grantable = []Role{RoleOperator}

// How is the way in which a principal signed in.
type How string

// The ways to sign in.
const (
	// HowToken is an API token.
	HowToken How = "token"
	// HowDev is the development mode: whoever reaches the server is the local user.
	HowDev How = "dev"
	// HowSocket is the operator's unix socket.
	HowSocket How = "socket"
)

// Principal is who calls. It is read-only.
type Principal struct {
	// User is the name that jobs and files belong to.
	User string
	// Roles include RoleUser.
	Roles []Role
	// How they signed in.
	How How
	// TokenID is the public id of their token; empty without one.
	TokenID string
	// Expires is when their credential stops working; zero means never.
	Expires time.Time
}

// Has reports whether the principal has a role.
func (p Principal) Has(r Role) bool { return slices.Contains(p.Roles, r) }

// Ownership says whose a thing of owner is to the principal. For an owner that
// the caller named in a request instead, see Named.
func (p Principal) Ownership(owner string) Ownership {
	if p.User == owner {
		return Own
	}
	return Foreign
}

// adminUser is the name of whoever uses the unix socket. It is no valid name of
// an owner, so that it cannot be taken and has no jobs of its own.
const adminUser = "local admin"

func localAdmin() Principal {
	return Principal{User: adminUser, Roles: []Role{RoleUser, RoleOperator}, How: HowSocket}
}

// LocalUser is the name of the system's user that this process runs as, or
// `local` when that cannot be the name of an owner.
func LocalUser() string {
	if u, err := user.Current(); err == nil && job.ValidOwner(u.Username) {
		return u.Username
	}
	return "local"
}

type principalKey struct{}

// NewContext carries p. The interceptors call it; so do tests and handlers outside of gRPC.
func NewContext(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// FromContext is the principal of a call. It is false only for methods that are open to everybody.
func FromContext(ctx context.Context) (Principal, bool) {
	p, ok := ctx.Value(principalKey{}).(Principal)
	return p, ok
}
