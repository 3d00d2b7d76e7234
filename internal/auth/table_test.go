package auth

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionv1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/stint-jobs/stint/internal/job"
)

// methodsOf are the full names of all methods in some files.
func methodsOf(files ...protoreflect.FileDescriptor) map[string]bool {
	names := map[string]bool{}
	for _, f := range files {
		for i := range f.Services().Len() {
			s := f.Services().Get(i)
			for j := range s.Methods().Len() {
				names[fmt.Sprintf("/%s/%s", s.FullName(), s.Methods().Get(j).Name())] = true
			}
		}
	}
	return names
}

// contract are the methods of all files of our package.
func contract() map[string]bool {
	var files []protoreflect.FileDescriptor
	protoregistry.GlobalFiles.RangeFilesByPackage("stint.v1", func(f protoreflect.FileDescriptor) bool {
		files = append(files, f)
		return true
	})
	return methodsOf(files...)
}

func TestEveryMethodOfTheContractIsInTheTable(t *testing.T) {
	methods := contract()
	if len(methods) < 20 {
		t.Fatalf("found only %d methods", len(methods))
	}
	for m := range methods {
		if r, ok := rules[m]; !ok || r.open {
			t.Errorf("%s has no row, or one that needs no credentials", m)
		}
	}
}

func TestEveryRowHasAMethod(t *testing.T) {
	known := contract()
	side := methodsOf(healthv1.File_grpc_health_v1_health_proto, reflectionv1.File_grpc_reflection_v1_reflection_proto,
		reflectionv1alpha.File_grpc_reflection_v1alpha_reflection_proto)
	for m, r := range rules {
		if !known[m] && !side[m] {
			t.Errorf("%s has a row but is no method", m)
		}
		if r.open != side[m] {
			t.Errorf("%s is open: %v", m, r.open)
		}
	}
	for m := range side {
		if !Open(m) {
			t.Errorf("%s is not open", m)
		}
	}
}

// cells is what each role may do, by ownership: own, foreign, named.
// A is allowed, H is hidden, D is denied.
const cells = `
                                     user  operator  neither
AdminService/Backup                  DHD   AAA       DHD
AdminService/CreateToken             DHD   AAA       DHD
AdminService/GetServerStatus         AHD   AHD       DHD
AdminService/ListIssues              DHD   AAA       DHD
AdminService/ListOrphans             DHD   AAA       DHD
AdminService/CancelOrphan            DHD   AAA       DHD
AdminService/ListTokens              DHD   AAA       DHD
AdminService/RevokeToken             DHD   AAA       DHD
AdminService/SetSubmissions          DHD   AAA       DHD
CatalogService/GetService            AHD   AHD       DHD
CatalogService/ListServices          AHD   AHD       DHD
JobService/BatchCancel               AHD   AAA       DHD
JobService/BatchGet                  AHD   AAA       DHD
JobService/BatchSubmit               AHD   AAA       DHD
JobService/Cancel                    AHD   AAA       DHD
JobService/Get                       AHD   AAA       DHD
JobService/List                      AHD   AAA       DHD
JobService/ListResults               AHD   AAA       DHD
JobService/ReadResult                AHD   AAA       DHD
JobService/ReportIssue               AHD   AAA       DHD
JobService/Rerun                     AHD   AAA       DHD
JobService/StreamLogs                AHD   AAA       DHD
JobService/Submit                    AHD   AAA       DHD
JobService/Summarize                 AHD   AAA       DHD
JobService/WatchStatus               AHD   AAA       DHD
WorkspaceService/Delete              AHD   AHD       DHD
WorkspaceService/Download            AHD   AHD       DHD
WorkspaceService/List                AHD   AHD       DHD
WorkspaceService/Upload              AHD   AHD       DHD
`

func TestEveryCellOfTheTable(t *testing.T) {
	callers := []Principal{
		{User: "a", Roles: []Role{RoleUser}},
		{User: "a", Roles: []Role{RoleUser, RoleOperator}},
		{User: "a", Roles: []Role{"role of a later version"}},
	}
	seen := map[string]bool{}
	for line := range strings.Lines(strings.TrimSpace(cells)) {
		words := strings.Fields(line)
		if len(words) != 4 {
			continue
		}
		method := "/stint.v1." + words[0]
		seen[method] = true
		var got []string
		for _, p := range callers {
			letter := map[Decision]string{Allowed: "A", Hidden: "H", Denied: "D"}
			got = append(got, letter[Allow(p, method, Own)]+letter[Allow(p, method, Foreign)]+letter[Allow(p, method, Named)])
		}
		if diff := cmp.Diff(words[1:], got); diff != "" {
			t.Errorf("%s: %s", method, diff)
		}
	}
	if diff := cmp.Diff(contract(), seen); diff != "" {
		t.Errorf("methods that this test does not know, or that are gone: %s", diff)
	}
}

func TestWhatIsNotInTheTableIsDenied(t *testing.T) {
	operator := Principal{User: "a", Roles: []Role{RoleUser, RoleOperator}}
	for _, o := range []Ownership{0, Own, Named, 99} {
		if got := Allow(operator, "/stint.v1.JobService/NoSuch", o); got != Denied {
			t.Errorf("ownership %d: %v", o, got)
		}
	}
	if Open("/stint.v1.JobService/NoSuch") || mayCall(operator, "/stint.v1.JobService/NoSuch") {
		t.Error("a method without a row may be called")
	}
}

func TestAuthorizeSpeaksInTheWordsOfTheDomain(t *testing.T) {
	const get = "/stint.v1.JobService/Get"
	nobody := t.Context()
	user := NewContext(nobody, Principal{User: "a", Roles: []Role{RoleUser}})
	if err := Authorize(user, get, Own); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		got, want error
	}{
		{Authorize(user, get, Foreign), job.ErrNotFound},
		{Authorize(user, get, Named), job.ErrDenied},
		{Authorize(nobody, get, Own), job.ErrDenied},
		{Authorize(nobody, get, Foreign), job.ErrNotFound},
	} {
		if !errors.Is(c.got, c.want) {
			t.Errorf("got %v, want %v", c.got, c.want)
		}
	}
	p := Principal{User: "a"}
	if p.Ownership("a") != Own || p.Ownership("b") != Foreign || p.Ownership("A") != Foreign {
		t.Error("whose is whose is wrong")
	}
}
