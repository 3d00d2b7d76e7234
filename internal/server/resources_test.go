package server

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stint-jobs/stint/internal/scheduler/policy"
)

func TestGPUsOfTheSettings(t *testing.T) {
	for text, want := range map[string][]int32{
		"0": {}, "2": {0, 1}, "0,2": {0, 2}, "1-3": {1, 2, 3}, "3-3": {3}, " 5 , 1-2 ": {1, 2, 5},
	} {
		var c GPUConfig
		v := newGPUs(&c)
		if err := v.Set(text); err != nil || c.Auto || !slices.Equal(c.indexes(), want) {
			t.Errorf("%q is %v, %v", text, c, err)
		}
		var again GPUConfig
		if err := (&gpusValue{&again}).Set(v.String()); err != nil || !slices.Equal(again.Indexes, c.Indexes) {
			t.Errorf("%q is written %q, which is %v, %v", text, v, again, err)
		}
	}
	for _, text := range []string{"", "-1", "some", "0,0", "3-1", "1-2,2", "0,5000", "99999", "1;2"} {
		var c GPUConfig
		if err := newGPUs(&c).Set(text); err == nil {
			t.Errorf("%q is taken for %v", text, c)
		}
	}
	c, err := parse(t, nil, nil, "")
	if err != nil || !c.GPUs.Auto {
		t.Errorf("without a setting: %+v, %v", c.GPUs, err)
	}
}

func TestResourcesWithNamesOfTheOperator(t *testing.T) {
	c, err := parse(t, []string{"--gpus", "1"}, nil, "resources: {matlab: 4, db-slots: 20}\nmax-time-limit: 48h\nclusters:\n  hpc:\n    resources: {matlab: 2}\n")
	if err != nil || c.check() != nil {
		t.Fatal(err, c.check())
	}
	if !maps.Equal(c.Resources, map[string]int64{"matlab": 4, "db-slots": 20}) || c.MaxTimeLimit != 48*time.Hour || c.Clusters["hpc"].Resources["matlab"] != 2 {
		t.Errorf("%+v", c)
	}
	for _, text := range []string{"matlab", "matlab=some", "a=1,a=2", "=,", "a=1.5"} {
		if _, err := parse(t, []string{"--resources", text}, nil, ""); err == nil || !strings.Contains(err.Error(), "resources") {
			t.Errorf("%q: %v", text, err)
		}
	}
	c, err = parse(t, []string{"--resources", "matlab=-1,gpus=2,Upper=1"}, nil, "clusters: {hpc: {resources: {slots: 3}}}\nmax-time-limit: -1h\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"--resources.matlab must be from 0", "--resources.gpus is a reserved name", `"Upper" must be lower-case`,
		"clusters.hpc.resources.slots is a reserved name", "--max-time-limit must not be negative",
	} {
		if err := c.check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not said: %v", want, err)
		}
	}
}

func TestSharesOfTheFile(t *testing.T) {
	c, err := parse(t, nil, nil, "shares:\n  owners: {ann: 3, bob: 0.5}\n  groups:\n    lab: {weight: 2, members: [bob, cy]}\n    rest: {members: [dan]}\n")
	if err != nil || c.check() != nil {
		t.Fatal(err, c.check())
	}
	want := map[string]policy.Share{"ann": {Weight: 3}, "bob": {Group: "lab", Weight: 0.5}, "cy": {Group: "lab"}, "dan": {Group: "rest"}}
	if diff := cmp.Diff(want, c.Shares.ofOwners()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]float64{"lab": 2}, c.Shares.ofGroups()); diff != "" {
		t.Error(diff)
	}
	for file, want := range map[string]string{
		"owners: {ann: -1}":                                 "shares.owners.ann is -1, and a weight must be more than 0",
		"owners: {ann: 0}":                                  "shares.owners.ann is 0, and a weight must be more than 0",
		"owners: {ann: .nan}":                               "shares.owners.ann is NaN, and a weight must be",
		"owners: {ann: .inf}":                               "shares.owners.ann is +Inf, and a weight must be",
		"owners: {'a b': 1}":                                `shares.owners.a b "a b" is no user name`,
		"groups: {lab: {weight: -2, members: [a]}}":         "shares.groups.lab.weight is -2, and a weight must be",
		"groups: {lab: {weight: 0, members: [a]}}":          "shares.groups.lab.weight is 0, and a weight must be",
		"groups: {lab: {weight: 2}}":                        "shares.groups.lab.members names nobody",
		"groups: {lab: {members: ['']}}":                    `shares.groups.lab.members[0] "" is no user name`,
		"groups: {a: {members: [x]}, b: {members: [y, x]}}": "shares.groups.b.members[1] x is a member of a already",
		"groups: {'': {members: [x]}}":                      "is no name of a group",
		"owners: {ann: many}":                               "shares",
		"owner: {ann: 1}":                                   "owner",
		"groups: {lab: {weigth: 1, members: [a]}}":          "weigth",
	} {
		c, err := parse(t, nil, nil, "shares: {"+file+"}")
		if err == nil {
			err = c.check()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", file, err, want)
		}
	}
}
