package auth

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stint-jobs/stint/internal/job"
)

// Within is what becomes of a grant that p asks for: never more than p's own
// credential carries. What p leaves open is what p has; what p asks for beyond it
// is refused, with the field named. Whether p may make tokens for the user at all is for the table to say.
func (g Grant) Within(p Principal) (Grant, error) {
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
	switch {
	case p.How != HowToken || p.Expires.IsZero(): // sessions and the like are short, and their users sign in for longer
	case g.Expires.IsZero():
		g.Expires = p.Expires
	case g.Expires.After(p.Expires):
		v.Add("expireTime", "is later than the end of the token that you use, %s", p.Expires.UTC().Format("2006-01-02T15:04:05Z"))
	}
	return g, v.Err()
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
