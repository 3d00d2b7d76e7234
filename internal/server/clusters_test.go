package server

import (
	"strings"
	"testing"

	"github.com/stint-jobs/stint/internal/allowlist"
	"github.com/stint-jobs/stint/internal/executor/slurm"
)

const rulesFile = `
oidc: {issuer: https://id.example.org, client-id: stint, groups-claim: groups}
clusters:
  hpc:
    accounts: per-owner
    account-prefix: gw-
    account-parent: gateway
    partition: main
    extra: ["--qos=normal"]
    services:
      Big: {qos: long, account: bigproj}
    allow:
      - {users: [alice], accounts: [proj1], qos: [high]}
      - {groups: [genomics, staff], partitions: [gpu], constraints: [avx2]}
`

func TestRulesOfAClusterAreRead(t *testing.T) {
	c, err := configured(t, rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	o, err := c.oidc()
	if err != nil || o.GroupsClaim != "groups" || strings.Join(o.Groups, " ") != "genomics staff" {
		t.Errorf("of the issuer: %+v, %v", o, err)
	}
	cluster := c.Clusters["hpc"]
	list, err := cluster.names(slurm.Config{Name: "hpc", Defaults: cluster.slurm(), Services: cluster.services(), Accounts: cluster.accounts()})
	if err != nil {
		t.Fatal(err)
	}
	for name, q := range map[string]allowlist.Request{
		"defaults":           {Owner: "bob", Asked: allowlist.Names{Account: "gw-bob", Partition: "main", QOS: "normal"}},
		"those of a service": {Owner: "bob", Service: "Big", Asked: allowlist.Names{Account: "bigproj", QOS: "long"}},
		"by user":            {Owner: "alice", Asked: allowlist.Names{Account: "proj1", QOS: "high"}},
		"by group":           {Owner: "bob", Groups: []string{"staff"}, Asked: allowlist.Names{Partition: "gpu", Constraint: "avx2"}},
	} {
		if wrong := list.Check(q); len(wrong) > 0 {
			t.Errorf("%s: %v", name, wrong)
		}
		q.Asked.Account = "gw-carol"
		if wrong := list.Check(q); len(wrong) != 1 || wrong[0].Field != "account" {
			t.Errorf("%s, charged to somebody else: %v", name, wrong)
		}
	}
}

func TestMistakesInRulesAreTold(t *testing.T) {
	for says, file := range map[string]string{
		"are known with the section oidc alone": "clusters: {hpc: {allow: [{groups: [genomics], qos: [high]}]}}",
		"field user not found":                  "clusters: {hpc: {allow: [{user: alice, qos: [high]}]}}",
		"field accountz not found":              "clusters: {hpc: {accountz: map}}",
	} {
		if _, err := configured(t, file); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want it to say %q", file, err, says)
		}
	}
	rule := ClusterConfig{Allow: []AllowRule{{Users: []string{"alice"}}}}
	if _, err := rule.names(slurm.Config{Name: "hpc"}); err == nil || !strings.Contains(err.Error(), "allow: rule 1: it allows nothing") {
		t.Errorf("names() = %v", err)
	}
}
