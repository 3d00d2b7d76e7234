package slurm

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/stint-jobs/stint/internal/executor/batch"
)

// AccountMode says which account of the cluster is charged for jobs that name none.
type AccountMode string

// The ways to choose an account.
const (
	// AccountsFixed charges all jobs to Options.Account.
	AccountsFixed AccountMode = "fixed"
	// AccountsPerOwner charges each owner's jobs to an account of the owner's own, which is made when it is first needed.
	AccountsPerOwner AccountMode = "per-owner"
	// AccountsMapped charges the jobs of the owners in a table to the accounts that stand there.
	AccountsMapped AccountMode = "map"
)

// Accounts says which account is charged for jobs that name none. Where a service has an account of its own, that is.
type Accounts struct {
	// Mode is the way. Empty means AccountsFixed.
	Mode AccountMode
	// Prefix begins the names of the accounts of owners, for AccountsPerOwner. Empty means `stint-`.
	Prefix string
	// Parent is the account that those of owners are made below, for AccountsPerOwner. Empty means the root.
	Parent string
	// Map has the accounts by owner, for AccountsMapped. Owners who are not in it get Options.Account.
	Map map[string]string
}

// defaultPrefix keeps the accounts of owners apart from those that a site has: an owner can have any name.
const defaultPrefix = "stint-"

// accountPattern is what accounts are called here: what sacctmgr and sbatch take as one word, and do not change.
var accountPattern = regexp.MustCompile(`^[a-z0-9_][a-z0-9_.-]{0,63}$`)

func (a Accounts) check(fixed string) error {
	switch a.Mode {
	case AccountsFixed, "", AccountsMapped, AccountsPerOwner:
	default:
		return fmt.Errorf("accounts: %q is none of fixed, per-owner and map", string(a.Mode))
	}
	perOwner, mapped := a.Mode == AccountsPerOwner, a.Mode == AccountsMapped
	switch {
	case perOwner && fixed != "":
		return errors.New("account: says nothing with `accounts: per-owner`; account-parent is what the accounts of owners are made below")
	case !perOwner && (a.Prefix != "" || a.Parent != ""):
		return errors.New("account-prefix and account-parent are for `accounts: per-owner`")
	case mapped != (len(a.Map) > 0):
		return errors.New("account-map and `accounts: map` must be given together")
	case a.Prefix != "" && (!accountPattern.MatchString(a.Prefix) || len(a.Prefix) > 20):
		return fmt.Errorf("account-prefix: %q is not 1 to 20 of a-z, 0-9 and _ . -, beginning with a letter or digit", a.Prefix)
	case a.Parent != "" && !accountPattern.MatchString(a.Parent):
		return fmt.Errorf("account-parent: %q is no name of an account, which are in lower case", a.Parent)
	}
	for owner, account := range a.Map {
		if owner == "" || !accountPattern.MatchString(account) {
			return fmt.Errorf("account-map: %q for %q is no name of an account, which are in lower case", account, owner)
		}
	}
	return nil
}

// DefaultsFor returns what a job of an owner gets that names nothing, as far as its service does not say. Its
// error says in plain words why the owner can have no job that names no account.
func (c Config) DefaultsFor(owner, service string) (Options, error) {
	o := c.Defaults.over(c.Services[service])
	if c.Services[service].Account != "" {
		return o, nil
	}
	switch c.Accounts.Mode {
	case AccountsPerOwner:
		o.Account = c.Accounts.of(owner)
	case AccountsMapped:
		if account, ok := c.Accounts.Map[owner]; ok {
			o.Account = account
		}
		if o.Account == "" {
			return o, fmt.Errorf("%s has no account for %s; ask the operator for one", c.Name, owner)
		}
	case AccountsFixed:
	}
	return o, nil
}

const (
	// maxOwnerPart bounds what of an owner's name stands in their account's.
	maxOwnerPart = 32
	// hashDigits end the account of an owner whose name cannot stand there as it is.
	hashDigits = 10
)

var (
	plainOwner  = regexp.MustCompile(`^[a-z0-9_.-]{1,32}$`)
	hashedOwner = regexp.MustCompile(`-[0-9a-f]{10}$`)
)

// of returns the account of an owner, and no two owners have the same. Slurm keeps accounts in lower case and has some
// signs for itself, so a name with anything else in it, a long one, and one that looks like the result, ends with a hash.
func (a Accounts) of(owner string) string {
	prefix := a.Prefix
	if prefix == "" {
		prefix = defaultPrefix
	}
	if plainOwner.MatchString(owner) && !hashedOwner.MatchString(owner) {
		return prefix + owner
	}
	safe := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return '_'
	}, strings.ToLower(owner))
	return prefix + safe[:min(len(safe), maxOwnerPart)] + "-" + hashOf(owner)
}

func hashOf(owner string) string {
	sum := sha256.Sum256([]byte(owner))
	return hex.EncodeToString(sum[:])[:hashDigits]
}

// descriptionOf is how an owner's account is known to be theirs, of this installation. sacctmgr makes it lower case.
func (e *engine) descriptionOf(owner string) string {
	return strings.ToLower(fmt.Sprintf("stint %s owner %s %s", e.cfg.InstallID, batch.Plain(owner), hashOf(owner)))
}
