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
	// RoleAuditor sees everybody's jobs and what was done, and changes nothing of it.
	RoleAuditor Role = "auditor"
	// RoleService is a service account: it may act for users, as each of them alone.
	RoleService Role = "service"
	// RoleJob is a job's own command. It has no other role, and only tells of itself.
	RoleJob Role = "job"
)

// grantable are the roles that a token may carry beyond RoleUser.
var grantable = []Role{RoleOperator, RoleAuditor, RoleService}

// Scope is a part of what a user may do that a credential can be narrowed to.
type Scope string

// The scopes. The table in table.go says which one each method needs.
const (
	// ScopeJobsRead sees jobs, with their logs and results.
	ScopeJobsRead Scope = "jobs:read"
	// ScopeJobsWrite submits, cancels and shares jobs.
	ScopeJobsWrite Scope = "jobs:write"
	// ScopeFilesRead reads the workspace.
	ScopeFilesRead Scope = "files:read"
	// ScopeFilesWrite changes the workspace.
	ScopeFilesWrite Scope = "files:write"
	// ScopeTokens lists, makes and revokes API tokens.
	ScopeTokens Scope = "tokens"
	// ScopeAdmin does what the roles operator and auditor are for.
	ScopeAdmin Scope = "admin"
)

// scopes are all there are.
var scopes = []Scope{ScopeJobsRead, ScopeJobsWrite, ScopeFilesRead, ScopeFilesWrite, ScopeTokens, ScopeAdmin}

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
	// HowOIDC is a token of the configured issuer.
	HowOIDC How = "oidc"
	// HowSession is a browser that signed in.
	HowSession How = "session"
	// HowCertificate is a client certificate.
	HowCertificate How = "certificate"
	// HowJob is the token in the environment of a job's command.
	HowJob How = "job"
)

// Principal is who calls. It is read-only.
type Principal struct {
	// User is the name that jobs and files belong to.
	User string
	// Roles include RoleUser, but for a job's command.
	Roles []Role
	// Groups are what the issuer's claim of groups says of them. Only tokens of the issuer and sessions have any.
	Groups []string
	// Scopes narrow what the credential may be used for. Empty means that nothing does.
	Scopes []Scope
	// How they signed in.
	How How
	// Actor is the service account that acts for User; empty when they act themselves.
	Actor string
	// Address is the network address that the call came from, without port; empty where there is none.
	Address string
	// TokenID is the public id of their credential: a token, a session or a certificate. Empty without one.
	TokenID string
	// Job is the job whose command calls, with RoleJob. Zero for everybody else.
	Job job.ID
	// Attempt is which run of Job it is. Zero for everybody else.
	Attempt int
	// Issued is when the issuer signed their token. Zero for credentials of other kinds, and where the token does not say.
	Issued time.Time
	// Expires is when their credential stops working; zero means never.
	Expires time.Time
}

// Has reports whether the principal has a role.
func (p Principal) Has(r Role) bool { return slices.Contains(p.Roles, r) }

// InScope reports whether the credential may be used for what needs s. A service
// account that acts for a user does not manage the user's credentials, nor the server.
func (p Principal) InScope(s Scope) bool {
	if p.Actor != "" && (s == ScopeTokens || s == ScopeAdmin) {
		return false
	}
	return s == "" || len(p.Scopes) == 0 || slices.Contains(p.Scopes, s)
}

// actFor makes p the user whom a call names that p makes for somebody else:
// that user alone, without a role or a group of theirs or of p's.
func (p *Principal) actFor(users []string) error {
	switch {
	case len(users) == 0:
		return nil
	case !p.Has(RoleService):
		return refuse(errActFor)
	case len(users) > 1:
		return job.Invalid(actForHeader, "must be given once")
	case !job.ValidOwner(users[0]):
		return job.Invalid(actForHeader, "is no user name: letters, digits and . _ @ + - only, at most 128")
	}
	p.Actor, p.User, p.Roles, p.Groups = p.User, users[0], []Role{RoleUser}, nil
	return nil
}

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

// LocalAdmin is who uses the operator's socket, or the database without a server.
func LocalAdmin() Principal {
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
	return withPrincipal(ctx, &p)
}

func withPrincipal(ctx context.Context, p *Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// FromContext is the principal of a call. It is false only for methods that are open to everybody.
func FromContext(ctx context.Context) (Principal, bool) {
	p, ok := ctx.Value(principalKey{}).(*Principal)
	if !ok {
		return Principal{}, false
	}
	return *p, true
}
