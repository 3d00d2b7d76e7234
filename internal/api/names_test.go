package api_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/allowlist"
	"github.com/stint-jobs/stint/internal/api"
)

// named is a world whose executor is a cluster with rules. Everybody but eve has an account there.
func named(t *testing.T) *world {
	t.Helper()
	list, err := allowlist.New("local", []allowlist.Rule{
		{Users: []string{"ann"}, Accounts: []string{"proj1"}},
		{Groups: []string{"genomics"}, Partitions: []string{"gpu"}},
	}, func(owner, _ string) (allowlist.Names, error) {
		if owner == "eve" {
			return allowlist.Names{}, errors.New("local has no account for eve; ask the operator for one")
		}
		return allowlist.Names{Account: "of-" + owner}, nil
	})
	must(t, err)
	w := newWorld(t, func(c *api.Config) { c.Names = allowlist.Lists{"local": list} })
	w.service("Fat", copyService+"executor_options: {partition: fat, qos: long}\n")
	_, err = w.live.Reload()
	must(t, err)
	for _, user := range []string{"ann", "bob", "eve"} {
		must(t, w.upload(w.as(user), "/in.txt", "x"))
	}
	return w
}

// asking is a job that names something of the cluster.
func asking(service string, r *jobsv1.Resources) *jobsv1.Job {
	j := copyJob()
	j.Service, j.Resources = service, r
	return j
}

func TestJobsMayNameTheDefaultsAlone(t *testing.T) {
	w := named(t)
	jwt := func(text string) func() context.Context {
		return func() context.Context {
			return metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+text)
		}
	}
	token := func(user string, roles ...string) func() context.Context {
		return func() context.Context { return w.as(user, roles...) }
	}
	for name, c := range map[string]struct {
		as      func() context.Context
		service string
		asked   *jobsv1.Resources
		refused []string
	}{
		"nothing":                         {token("bob"), "Copy", nil, nil},
		"their own account":               {token("bob"), "Copy", &jobsv1.Resources{Account: "of-bob"}, nil},
		"a foreign account":               {token("bob"), "Copy", &jobsv1.Resources{Account: "proj1"}, []string{"job.resources.account"}},
		"somebody else's":                 {token("bob"), "Copy", &jobsv1.Resources{Account: "of-ann"}, []string{"job.resources.account"}},
		"an allowed one":                  {token("ann"), "Copy", &jobsv1.Resources{Account: "proj1"}, nil},
		"everything":                      {token("ann"), "Copy", &jobsv1.Resources{Account: "x", Partition: "x", Qos: "x", Constraint: "x"}, []string{"job.resources.account", "job.resources.constraint", "job.resources.partition", "job.resources.qos"}},
		"the service's":                   {token("bob"), "Fat", &jobsv1.Resources{Partition: "fat", Qos: "long"}, nil},
		"those of another service":        {token("bob"), "Copy", &jobsv1.Resources{Partition: "fat"}, []string{"job.resources.partition"}},
		"by group":                        {jwt("bob.genomics.x"), "Copy", &jobsv1.Resources{Partition: "gpu"}, nil},
		"by a group that they are not in": {jwt("bob.genomic.x"), "Copy", &jobsv1.Resources{Partition: "gpu"}, []string{"job.resources.partition"}},
		"without the group, with a token": {token("bob"), "Copy", &jobsv1.Resources{Partition: "gpu"}, []string{"job.resources.partition"}},
		"no account at all":               {token("eve"), "Copy", nil, []string{"job.resources.account"}},
		"what is no name":                 {token("bob"), "Copy", &jobsv1.Resources{Qos: "a b"}, []string{"job.resources.qos", "job.resources.qos"}},
		"as an operator":                  {token("root", "operator"), "Copy", &jobsv1.Resources{Account: "proj1"}, []string{"job.parameters.source", "job.resources.account"}},
	} {
		for _, dry := range []bool{true, false} {
			_, err := w.jobs().Submit(c.as(), &jobsv1.SubmitRequest{Job: asking(c.service, c.asked), ValidateOnly: dry})
			if c.refused == nil {
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				continue
			}
			fields := refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT")
			if slices.Sort(fields); !slices.Equal(fields, c.refused) {
				t.Errorf("%s: refused are %q, want %q", name, fields, c.refused)
			}
		}
	}
}

// An operator who submits for another user brings no groups along, and a rerun may name what its job did.
func TestNamesAreTheOwners(t *testing.T) {
	w := named(t)
	operator := w.as("root", "operator")
	forAnn := asking("Copy", &jobsv1.Resources{Account: "proj1"})
	forAnn.Owner = "ann"
	_, err := w.jobs().Submit(operator, &jobsv1.SubmitRequest{Job: forAnn, Reason: "a test"})
	must(t, err)
	forBob := asking("Copy", &jobsv1.Resources{Account: "proj1"})
	forBob.Owner = "bob"
	_, err = w.jobs().Submit(operator, &jobsv1.SubmitRequest{Job: forBob, Reason: "a test"})
	refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT")

	fat, err := w.jobs().Submit(w.as("bob"), &jobsv1.SubmitRequest{Job: asking("Fat", nil)})
	must(t, err)
	if r := fat.GetJob().GetResources(); r.GetPartition() != "fat" || r.GetQos() != "long" {
		t.Errorf("stored %v", r)
	}
	_, err = w.jobs().Rerun(w.as("bob"), &jobsv1.RerunRequest{Id: fat.GetJob().GetId()})
	must(t, err)

	_, err = w.jobs().BatchSubmit(w.as("ann"), &jobsv1.BatchSubmitRequest{Jobs: []*jobsv1.Job{
		asking("Copy", &jobsv1.Resources{Account: "proj1"}), asking("Copy", &jobsv1.Resources{Account: "proj2"}),
	}})
	if fields := refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT"); !slices.Equal(fields, []string{"jobs[1].resources.account"}) {
		t.Errorf("refused are %q", fields)
	}
	for _, d := range status.Convert(err).Details() {
		if bad, ok := d.(*errdetails.BadRequest); ok {
			if words := bad.GetFieldViolations()[0].GetDescription(); !strings.Contains(words, "or name one of these accounts: proj1") {
				t.Errorf("told %q", words)
			}
		}
	}
}
