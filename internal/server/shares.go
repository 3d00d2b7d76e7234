package server

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/scheduler/policy"
)

// maxWeight bounds the weight of a share.
const maxWeight = 1_000_000

// SharesConfig is how the executors are shared among owners, the section `shares` of the
// configuration file. A turn goes to the group with the least in use for its weight, and in it to
// the owner with the least for theirs. An owner in no group is a group of their own.
type SharesConfig struct {
	// Owners have the weights of owners, by name. Who is not named has 1.
	Owners map[string]float64 `yaml:"owners"`
	// Groups are groups of owners, by name.
	Groups map[string]GroupConfig `yaml:"groups"`
}

// GroupConfig is a group of owners that have one share together.
type GroupConfig struct {
	// Weight of the group. Nil is 1.
	Weight *float64 `yaml:"weight"`
	// Members are the names of its owners.
	Members []string `yaml:"members"`
}

// check finds all that is wrong, with the key in the file.
func (c SharesConfig) check() error {
	var wrong job.Violations
	weight := func(field string, w float64) {
		if !(w > 0 && w <= maxWeight) { // neither is NaN
			wrong.Add(field, "is %v, and a weight must be more than 0 and at most %d", w, maxWeight)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Owners)) {
		field := "shares.owners." + name
		if !job.ValidOwner(name) {
			wrong.Add(field, "%q is no user name: letters, digits and . _ @ + - only, at most 128", name)
		}
		weight(field, c.Owners[name])
	}
	groupOf := make(map[string]string)
	for _, name := range slices.Sorted(maps.Keys(c.Groups)) {
		g, field := c.Groups[name], "shares.groups."+name
		if name == "" || name[0] == 0 {
			wrong.Add(field, "is no name of a group")
		}
		if g.Weight != nil {
			weight(field+".weight", *g.Weight)
		}
		if len(g.Members) == 0 {
			wrong.Add(field+".members", "names nobody, so the group would have no jobs")
		}
		for i, member := range g.Members {
			at := fmt.Sprintf("%s.members[%d]", field, i)
			if !job.ValidOwner(member) {
				wrong.Add(at, "%q is no user name: letters, digits and . _ @ + - only, at most 128", member)
			}
			if other, ok := groupOf[member]; ok {
				wrong.Add(at, "%s is a member of %s already, and an owner can be in one group only", member, other)
			}
			groupOf[member] = name
		}
	}
	return violationsOf(wrong)
}

// ofOwners are the shares of owners as the scheduler has them.
func (c SharesConfig) ofOwners() map[string]policy.Share {
	all := make(map[string]policy.Share, len(c.Owners))
	for name, w := range c.Owners {
		all[name] = policy.Share{Weight: w}
	}
	for name, g := range c.Groups {
		for _, member := range g.Members {
			s := all[member]
			s.Group = name
			all[member] = s
		}
	}
	return all
}

// ofGroups are the weights of groups as the scheduler has them.
func (c SharesConfig) ofGroups() map[string]float64 {
	all := make(map[string]float64, len(c.Groups))
	for name, g := range c.Groups {
		if g.Weight != nil {
			all[name] = *g.Weight
		}
	}
	return all
}

// violationsOf is one error for each violation, with its field.
func violationsOf(wrong job.Violations) error {
	errs := make([]error, len(wrong))
	for i, v := range wrong {
		errs[i] = fmt.Errorf("%s %s", v.Field, v.Description)
	}
	return errors.Join(errs...)
}
