// Package allowlist decides what of a cluster the owners of jobs may name for them: accounts,
// partitions, qualities of service and constraints. What is neither a default nor allowed by a rule
// is refused, so that without rules nothing but the defaults can be named.
package allowlist

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// All stands for every user in Users, and for every name in the lists of names.
const All = "*"

// Rule lets some users name something.
type Rule struct {
	// Users that it holds for, by name. All means everybody.
	Users []string
	// Groups of the issuer's claim that it holds for.
	Groups []string
	// Accounts, Partitions and QOS are the names that these users may give. All allows every one.
	Accounts, Partitions, QOS []string
	// Constraints are names of features, which may then be combined, or whole expressions. All allows every one.
	Constraints []string
}

// check finds what is wrong with a rule.
func (r Rule) check() error {
	names := slices.Concat(r.Accounts, r.Partitions, r.QOS, r.Constraints)
	switch {
	case len(r.Users) == 0 && len(r.Groups) == 0:
		return fmt.Errorf("it is for nobody: give users or groups; users: [%q] is everybody", All)
	case slices.Contains(r.Groups, All):
		return fmt.Errorf("%q is no group: users: [%q] is everybody", All, All)
	case len(names) == 0:
		return errors.New("it allows nothing: give accounts, partitions, qos or constraints")
	case slices.Contains(slices.Concat(names, r.Users, r.Groups), ""):
		return errors.New("it has an empty name")
	default:
		return nil
	}
}

func (r Rule) holdsFor(q Request) bool {
	return slices.Contains(r.Users, All) || slices.Contains(r.Users, q.Owner) ||
		slices.ContainsFunc(q.Groups, func(g string) bool { return slices.Contains(r.Groups, g) })
}

// Names are names of a cluster's. An empty one is none.
type Names struct {
	Account, Partition, QOS, Constraint string
}

// NamesOf are those in a job's resources.
func NamesOf(r *jobsv1.Resources) Names {
	return Names{Account: r.GetAccount(), Partition: r.GetPartition(), QOS: r.GetQos(), Constraint: r.GetConstraint()}
}

// List is what may be named of one cluster.
type List struct {
	cluster  string
	rules    []Rule
	defaults func(owner, service string) (Names, error)
}

// New makes the list of a cluster. Defaults returns what a job of an owner gets that names nothing; its error
// says why the owner can have no such job. An error of New has the number of the rule that is wrong.
func New(cluster string, rules []Rule, defaults func(owner, service string) (Names, error)) (*List, error) {
	for i, r := range rules {
		if err := r.check(); err != nil {
			return nil, fmt.Errorf("rule %d: %w", i+1, err)
		}
	}
	return &List{cluster: cluster, rules: rules, defaults: defaults}, nil
}

// Request is what a job's owner named.
type Request struct {
	// Executor that the job is for.
	Executor string
	// Owner of the job.
	Owner string
	// Groups of the owner, as far as they are known.
	Groups []string
	// Service of the job.
	Service string
	// Asked is what was named, and OfService what the service has for jobs that name nothing.
	Asked, OfService Names
}

// kinds are what can be named.
var kinds = []struct {
	field, noun, plural string
	of                  func(*Names) *string
	allowed             func(Rule) []string
}{
	{"partition", "a partition", "partitions", func(n *Names) *string { return &n.Partition }, func(r Rule) []string { return r.Partitions }},
	{"account", "an account", "accounts", func(n *Names) *string { return &n.Account }, func(r Rule) []string { return r.Accounts }},
	{"constraint", "a constraint", "constraints", func(n *Names) *string { return &n.Constraint }, func(r Rule) []string { return r.Constraints }},
	{"qos", "a quality of service", "qualities of service", func(n *Names) *string { return &n.QOS }, func(r Rule) []string { return r.QOS }},
}

// Check returns what of a request is not allowed, by the fields of Resources.
func (l *List) Check(q Request) job.Violations {
	var wrong job.Violations
	defaults, err := l.defaults(q.Owner, q.Service)
	if err != nil && q.Asked.Account == "" && q.OfService.Account == "" {
		wrong.Add("account", "is missing: %s", err)
	}
	for _, k := range kinds {
		asked := *k.of(&q.Asked)
		if asked == "" || asked == *k.of(&q.OfService) || asked == *k.of(&defaults) {
			continue
		}
		var allowed []string
		for _, r := range l.rules {
			if r.holdsFor(q) {
				allowed = append(allowed, k.allowed(r)...)
			}
		}
		if permits(k.field, allowed, asked) {
			continue
		}
		slices.Sort(allowed)
		choice := "leave it out, and the job gets the default"
		if allowed = slices.Compact(allowed); len(allowed) > 0 {
			choice = fmt.Sprintf("leave it out, or name one of these %s: %s", k.plural, strings.Join(allowed, ", "))
		}
		wrong.Add(k.field, "is %q, %s of %s that jobs of %s may not name; %s", asked, k.noun, l.cluster, q.Owner, choice)
	}
	return wrong
}

// permits reports whether a name, or each feature in a constraint, is allowed.
func permits(field string, allowed []string, asked string) bool {
	if slices.Contains(allowed, All) || slices.Contains(allowed, asked) {
		return true
	}
	if field != "constraint" {
		return false
	}
	features := featuresOf(asked)
	return len(features) > 0 && !slices.ContainsFunc(features, func(f string) bool { return !slices.Contains(allowed, f) })
}

var countPattern = regexp.MustCompile(`\*\d+`)

// featuresOf are the names in a constraint, whose language combines them by & and |, groups them by brackets and
// parentheses, and counts nodes by *NUMBER.
func featuresOf(constraint string) []string {
	return strings.FieldsFunc(countPattern.ReplaceAllString(constraint, ""), func(r rune) bool { return strings.ContainsRune("&|,()[]!*", r) })
}

// Lists are those of all clusters, by the name of the executor. An executor without one has nothing that could be named.
type Lists map[string]*List

// Check is List.Check for the executor of the request.
func (l Lists) Check(q Request) job.Violations {
	if list, ok := l[q.Executor]; ok {
		return list.Check(q)
	}
	return nil
}
