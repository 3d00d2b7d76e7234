package allowlist

import (
	"errors"
	"strings"
	"testing"
)

func TestRulesThatSayNothingAreRefused(t *testing.T) {
	for want, r := range map[string]Rule{
		"it is for nobody":     {Accounts: []string{"lab"}},
		"is no group":          {Groups: []string{"*"}, Accounts: []string{"lab"}},
		"it allows nothing":    {Users: []string{"ann"}},
		"it has an empty name": {Users: []string{"ann"}, QOS: []string{"high", ""}},
	} {
		good := Rule{Users: []string{"*"}, QOS: []string{"high"}}
		if _, err := New("hpc", []Rule{good, r}, nil); err == nil || !strings.HasPrefix(err.Error(), "rule 2: "+want) && !strings.Contains(err.Error(), want) {
			t.Errorf("New() = %v, want it to say %q", err, want)
		}
	}
}

// defaults are of a cluster where each owner has an account, but for eve.
func defaults(owner, service string) (Names, error) {
	n := Names{Account: "of-" + owner, Partition: "main"}
	if service == "Big" {
		n.QOS, n.Constraint = "long", "fat"
	}
	if owner == "eve" {
		return n, errors.New("hpc has no account for eve")
	}
	return n, nil
}

func TestWhatMayBeNamed(t *testing.T) {
	rules := []Rule{
		{Users: []string{"bob"}, Accounts: []string{"proj1", "proj2"}, Partitions: []string{"gpu"}},
		{Groups: []string{"genomics"}, Accounts: []string{"genome"}, QOS: []string{"high"}, Constraints: []string{"avx2", "ib", "[rack1|rack2]"}},
		{Users: []string{"*"}, Partitions: []string{"debug"}},
		{Users: []string{"root"}, Accounts: []string{"*"}, Constraints: []string{"*"}},
	}
	list, err := New("hpc", rules, defaults)
	if err != nil {
		t.Fatal(err)
	}
	genomics := []string{"staff", "genomics"}
	for name, c := range map[string]struct {
		owner, service   string
		groups           []string
		asked, ofService Names
		refused          string // fields
	}{
		"nothing":                                    {owner: "ann"},
		"the defaults of the cluster":                {owner: "ann", asked: Names{Account: "of-ann", Partition: "main"}},
		"the service's on the cluster":               {owner: "ann", service: "Big", asked: Names{QOS: "long", Constraint: "fat"}},
		"those of another service":                   {owner: "ann", service: "Small", asked: Names{QOS: "long", Constraint: "fat"}, refused: "constraint qos"},
		"the service's own":                          {owner: "ann", asked: Names{Account: "svc", QOS: "low"}, ofService: Names{Account: "svc", QOS: "low"}},
		"somebody else's account":                    {owner: "ann", asked: Names{Account: "of-bob"}, refused: "account"},
		"a foreign account":                          {owner: "ann", asked: Names{Account: "proj1"}, refused: "account"},
		"an allowed one":                             {owner: "bob", asked: Names{Account: "proj2", Partition: "gpu"}},
		"in other letters":                           {owner: "bob", asked: Names{Account: "PROJ2"}, refused: "account"},
		"the beginning of an allowed one":            {owner: "bob", asked: Names{Account: "proj"}, refused: "account"},
		"a list of allowed partitions":               {owner: "bob", asked: Names{Partition: "gpu,debug"}, refused: "partition"},
		"one of everybody's":                         {owner: "ann", asked: Names{Partition: "debug"}},
		"all at once":                                {owner: "ann", asked: Names{Account: "x", Partition: "x", QOS: "x", Constraint: "x"}, refused: "partition account constraint qos"},
		"by group":                                   {owner: "ann", groups: genomics, asked: Names{Account: "genome", QOS: "high", Constraint: "avx2"}},
		"by a group with another's name":             {owner: "ann", groups: []string{"genomic", "bob"}, asked: Names{Account: "genome", Partition: "gpu"}, refused: "partition account"},
		"features together":                          {owner: "ann", groups: genomics, asked: Names{Constraint: "avx2&ib"}},
		"features with counts":                       {owner: "ann", groups: genomics, asked: Names{Constraint: "[avx2*2&ib*4]"}},
		"a feature that is not allowed among others": {owner: "ann", groups: genomics, asked: Names{Constraint: "avx2&(ib|fat)"}, refused: "constraint"},
		"a whole expression":                         {owner: "ann", groups: genomics, asked: Names{Constraint: "[rack1|rack2]"}},
		"a part of it":                               {owner: "ann", groups: genomics, asked: Names{Constraint: "rack1"}, refused: "constraint"},
		"signs alone":                                {owner: "ann", groups: genomics, asked: Names{Constraint: "&"}, refused: "constraint"},
		"anything":                                   {owner: "root", asked: Names{Account: "x", Constraint: "y"}},
		"a star":                                     {owner: "bob", asked: Names{Account: "*"}, refused: "account"},
		"nothing, without an account":                {owner: "eve", refused: "account"},
		"the service's, without an account":          {owner: "eve", ofService: Names{Account: "svc"}},
		"without an account, what is not allowed":    {owner: "eve", asked: Names{Account: "proj1"}, refused: "account"},
	} {
		q := Request{Executor: "hpc", Owner: c.owner, Groups: c.groups, Service: c.service, Asked: c.asked, OfService: c.ofService}
		var fields []string
		for _, v := range (Lists{"hpc": list}).Check(q) {
			fields = append(fields, v.Field)
		}
		if got := strings.Join(fields, " "); got != c.refused {
			t.Errorf("%s: refused are %q, want %q", name, got, c.refused)
		}
		q.Executor = "local"
		if wrong := (Lists{"hpc": list}).Check(q); len(wrong) > 0 {
			t.Errorf("%s: on an executor that is no cluster: %v", name, wrong)
		}
	}
}

func TestRefusalsSayWhatMayBeNamed(t *testing.T) {
	list, err := New("hpc", []Rule{
		{Users: []string{"bob"}, Accounts: []string{"proj2", "proj1"}},
		{Users: []string{"*"}, Accounts: []string{"proj1", "all"}},
	}, defaults)
	if err != nil {
		t.Fatal(err)
	}
	for want, q := range map[string]Request{
		`is "x", an account of hpc that jobs of bob may not name; leave it out, or name one of these accounts: all, proj1, proj2`: {Owner: "bob", Asked: Names{Account: "x"}},
		`is "x", a quality of service of hpc that jobs of bob may not name; leave it out, and the job gets the default`:           {Owner: "bob", Asked: Names{QOS: "x"}},
		`is missing: hpc has no account for eve`: {Owner: "eve"},
	} {
		got := list.Check(q)
		if len(got) != 1 || got[0].Description != want {
			t.Errorf("Check() = %v, want %q", got, want)
		}
	}
}
