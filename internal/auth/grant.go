package auth

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stint-jobs/stint/internal/job"
)

// Within is what becomes of a grant that p asks for: never more than p's own
// credential carries. What p leaves open is what p has; what p asks for beyond it
// is refused, with the field named. maxLife is how long any token may live, and zero is
// for ever; the operator's socket is not bound by it. Whether p may make tokens for the user at all is for the table to say.
func (g Grant) Within(p Principal, maxLife time.Duration) (Grant, error) {
	if len(beyondUser(g.Roles)) > 0 && !p.Has(RoleOperator) {
		return Grant{}, job.Userf(job.ErrDenied, "Only operators give roles to tokens.")
	}
	narrowed := len(p.Scopes) > 0 || p.How == HowToken && !p.Expires.IsZero()
	var v job.Violations
	for i, r := range g.Roles {
		if narrowed && !p.Has(Role(r)) {
			v.Add(fmt.Sprintf("roles[%d]", i), "is not a role of the credential that you use, which is narrowed; use one that is not")
		}
	}
	switch {
	case len(p.Scopes) == 0:
	case len(g.Scopes) == 0:
		g.Scopes = scopeWords(p.Scopes)
	default:
		for i, s := range g.Scopes {
			if !slices.Contains(p.Scopes, Scope(s)) {
				v.Add(fmt.Sprintf("scopes[%d]", i), "is not among the scopes of the credential that you use: %s", strings.Join(scopeWords(p.Scopes), ", "))
			}
		}
	}
	latest, why := g.latest(p, maxLife)
	switch {
	case latest.IsZero():
	case g.Expires.IsZero():
		g.Expires = latest
	case g.Expires.After(latest):
		v.Add("expireTime", "is later than %s, %s", latest.UTC().Format("2006-01-02T15:04:05Z"), why)
	}
	return g, v.Err()
}

// MaxRoleLife is how long a token with roles lasts at most that is made by somebody whom the issuer gave theirs: who loses a
// role there does not keep it here.
const MaxRoleLife = 90 * 24 * time.Hour

// latest is when a token that p makes must end, and why. It is zero where it need not.
func (g Grant) latest(p Principal, maxLife time.Duration) (latest time.Time, why string) {
	earlier := func(at time.Time, words string) {
		if latest.IsZero() || at.Before(latest) {
			latest, why = at, words
		}
	}
	now := time.Now()
	if maxLife > 0 && p.How != HowSocket {
		earlier(now.Add(maxLife), "which is as long as tokens may live on this server")
	}
	switch p.How {
	case HowToken, HowCertificate:
		if !p.Expires.IsZero() {
			earlier(p.Expires, "the end of the credential that you use")
		}
	case HowSession, HowOIDC: // they are short, and their users sign in for longer
		if len(beyondUser(g.Roles)) > 0 {
			earlier(now.Add(MaxRoleLife), "which is as long as a token with roles may live that is made by who signed in at the issuer")
		}
	case HowDev, HowSocket, HowJob:
	}
	return latest, why
}

func scopeWords(in []Scope) []string {
	words := make([]string, len(in))
	for i, s := range in {
		words[i] = string(s)
	}
	return words
}

// allScopes are the words for a message.
func allScopes() string { return strings.Join(scopeWords(scopes), ", ") }

// checkNames finds what is wrong with the words of a grant.
func (g Grant) checkNames() job.Violations {
	var v job.Violations
	if !job.ValidOwner(g.User) {
		v.Add("user", "is no user name: letters, digits and . _ @ + - only, at most 128")
	}
	for i, r := range g.Roles {
		if Role(r) != RoleUser && !slices.Contains(grantable, Role(r)) {
			v.Add(fmt.Sprintf("roles[%d]", i), "is no role; there are: user, operator, auditor, service")
		}
	}
	for i, s := range g.Scopes {
		if !slices.Contains(scopes, Scope(s)) {
			v.Add(fmt.Sprintf("scopes[%d]", i), "is no scope; there are: %s", allScopes())
		}
	}
	return v
}
