package auth

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
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

// contract are the methods of all files of our packages.
func contract() map[string]bool {
	var files []protoreflect.FileDescriptor
	protoregistry.GlobalFiles.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		if strings.HasPrefix(string(f.Package()), "stint.") {
			files = append(files, f)
		}
		return true
	})
	return methodsOf(files...)
}

// withoutCredentials are the methods of the contract that need none.
var withoutCredentials = map[string]bool{"/stint.auth.v1.AuthService/GetSignInOptions": true}

func TestEveryMethodOfTheContractIsInTheTable(t *testing.T) {
	methods := contract()
	if len(methods) < 20 {
		t.Fatalf("found only %d methods", len(methods))
	}
	for m := range methods {
		if r, ok := rules[m]; !ok || r.open && !withoutCredentials[m] {
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
		if r.open != (side[m] || withoutCredentials[m]) {
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
// A is allowed, H is hidden, D is denied. Behind them are the scope that a
// narrowed credential needs, and the right of a job that opens the method to those whom it was given.
const cells = `
                                        user  operator  auditor  service  job  acting  neither  scope        shared
admin.v1.AdminService/Backup            DHD   AAA       DHD      DHD      DHD  DDD     DHD      admin        -
admin.v1.AdminService/CancelOrphan      DHD   AAA       DHD      DHD      DHD  DDD     DHD      admin        -
admin.v1.AdminService/DeleteIssue       DHD   AAA       DHD      DHD      DHD  DDD     DHD      admin        -
admin.v1.AdminService/Diagnose          DHD   AAA       DHD      DHD      DHD  DDD     DHD      admin        -
admin.v1.AdminService/ListAudit         DHD   AAA       AAA      DHD      DHD  DDD     DHD      admin        -
admin.v1.AdminService/ListIssues        DHD   AAA       DHD      DHD      DHD  DDD     DHD      admin        -
admin.v1.AdminService/ListOrphans       DHD   AAA       DHD      DHD      DHD  DDD     DHD      admin        -
admin.v1.AdminService/SetSubmissions    DHD   AAA       DHD      DHD      DHD  DDD     DHD      admin        -
admin.v1.QueueService/ListQueue         AHD   AAD       AAD      AHD      DHD  AHD     DHD      jobs:read    -
admin.v1.StatusService/GetServerStatus  AHD   AHD       AHD      AHD      DHD  AHD     DHD      -            -
auth.v1.AuthService/WhoAmI              AHD   AHD       AHD      AHD      DHD  AHD     DHD      -            -
admin.v1.UserService/DisableUser         DHD   AAA       DHD      DHD      DHD  DDD     DHD      admin        -
admin.v1.UserService/EnableUser          DHD   AAA       DHD      DHD      DHD  DDD     DHD      admin        -
admin.v1.UserService/EraseUser           DHD   AAA       DHD      DHD      DHD  DDD     DHD      admin        -
admin.v1.UserService/GetUser             DHD   AAA       DHD      DHD      DHD  DDD     DHD      admin        -
admin.v1.UserService/ListUsers           DHD   AAA       DHD      DHD      DHD  DDD     DHD      admin        -
auth.v1.SessionService/ListSessions      AHD   AAA       AHD      AHD      DHD  DDD     DHD      tokens       -
auth.v1.SessionService/RevokeSession     AHD   AAA       AHD      AHD      DHD  DDD     DHD      tokens       -
auth.v1.SessionService/SignOutEverywhere AHD   AAA       AHD      AHD      DHD  DDD     DHD      tokens       -
auth.v1.TokenService/CreateToken        AHD   AAA       AHD      AHD      DHD  DDD     DHD      tokens       -
auth.v1.TokenService/ListTokens         AHD   AAA       AHD      AHD      DHD  DDD     DHD      tokens       -
auth.v1.TokenService/RevokeToken        AHD   AAA       AHD      AHD      DHD  DDD     DHD      tokens       -
catalog.v1.CatalogService/Advise        AHD   AHD       AHD      AHD      DHD  AHD     DHD      jobs:write   -
catalog.v1.CatalogService/Get           AHD   AHD       AHD      AHD      DHD  AHD     DHD      -            -
catalog.v1.CatalogService/List          AHD   AHD       AHD      AHD      DHD  AHD     DHD      -            -
jobs.v1.JobService/BatchCancel          AHD   AAA       AHD      AHD      DHD  AHD     DHD      jobs:write   -
jobs.v1.JobService/BatchGet             AHD   AAA       AAA      AHD      DHD  AHD     DHD      jobs:read    HISTORY
jobs.v1.JobService/BatchSubmit          AHD   AAA       AHD      AHD      DHD  AHD     DHD      jobs:write   -
jobs.v1.JobService/Cancel               AHD   AAA       AHD      AHD      DHD  AHD     DHD      jobs:write   -
jobs.v1.JobService/Get                  AHD   AAA       AAA      AHD      DHD  AHD     DHD      jobs:read    HISTORY
jobs.v1.JobService/List                 AHD   AAA       AAA      AHD      DHD  AHD     DHD      jobs:read    -
jobs.v1.JobService/ListResults          AHD   AAA       AHD      AHD      DHD  AHD     DHD      jobs:read    RESULTS
jobs.v1.JobService/ListShares           AHD   AAD       AHD      AHD      DHD  AHD     DHD      jobs:read    -
jobs.v1.JobService/ListSharedWithMe     AHD   AHD       AHD      AHD      DHD  AHD     DHD      jobs:read    -
jobs.v1.JobService/ReadResult           AHD   AAA       AHD      AHD      DHD  AHD     DHD      jobs:read    RESULTS
jobs.v1.JobService/Report               DHD   DHD       DHD      DHD      AHD  DHD     DHD      -            -
jobs.v1.JobService/ReportIssue          AHD   AAA       AHD      AHD      DHD  AHD     DHD      jobs:write   -
jobs.v1.JobService/Rerun                AHD   AAA       AHD      AHD      DHD  AHD     DHD      jobs:write   RERUN
jobs.v1.JobService/Share                AHD   AHD       AHD      AHD      DHD  AHD     DHD      jobs:write   -
jobs.v1.JobService/Keep                 AHD   AHD       AHD      AHD      DHD  AHD     DHD      jobs:write   -
jobs.v1.JobService/Unkeep               AHD   AHD       AHD      AHD      DHD  AHD     DHD      jobs:write   -
jobs.v1.JobService/StreamLogs           AHD   AAA       AHD      AHD      DHD  AHD     DHD      jobs:read    LOGS
jobs.v1.JobService/Submit               AHD   AAA       AHD      AHD      DHD  AHD     DHD      jobs:write   -
jobs.v1.JobService/Summarize            AHD   AAA       AAA      AHD      DHD  AHD     DHD      jobs:read    -
jobs.v1.JobService/Unshare              AHD   AAD       AHD      AHD      DHD  AHD     DHD      jobs:write   -
jobs.v1.JobService/WatchStatus          AHD   AAA       AAA      AHD      DHD  AHD     DHD      jobs:read    HISTORY
workspace.v1.WorkspaceService/AppendUpload AHD   AHD       AHD      AHD      DHD  AHD     DHD      files:write  -
workspace.v1.WorkspaceService/Copy      AHD   AHD       AHD      AHD      DHD  AHD     DHD      files:write  -
workspace.v1.WorkspaceService/CreateUpload AHD   AHD       AHD      AHD      DHD  AHD     DHD      files:write  -
workspace.v1.WorkspaceService/Delete    AHD   AHD       AHD      AHD      DHD  AHD     DHD      files:write  -
workspace.v1.WorkspaceService/Download  AHD   AHD       AHD      AHD      DHD  AHD     DHD      files:read   -
workspace.v1.WorkspaceService/EndUpload AHD   AHD       AHD      AHD      DHD  AHD     DHD      files:write  -
workspace.v1.WorkspaceService/GetUpload AHD   AHD       AHD      AHD      DHD  AHD     DHD      files:write  -
workspace.v1.WorkspaceService/GetUsage  AHD   AHD       AHD      AHD      DHD  AHD     DHD      files:read   -
workspace.v1.WorkspaceService/List      AHD   AHD       AHD      AHD      DHD  AHD     DHD      files:read   -
workspace.v1.WorkspaceService/ListUploads AHD   AHD       AHD      AHD      DHD  AHD     DHD      files:read   -
workspace.v1.WorkspaceService/MakeFolder AHD   AHD       AHD      AHD      DHD  AHD     DHD      files:write  -
workspace.v1.WorkspaceService/Move      AHD   AHD       AHD      AHD      DHD  AHD     DHD      files:write  -
workspace.v1.WorkspaceService/Stat      AHD   AHD       AHD      AHD      DHD  AHD     DHD      files:read   -
workspace.v1.WorkspaceService/Upload    AHD   AHD       AHD      AHD      DHD  AHD     DHD      files:write  -
`

func TestEveryCellOfTheTable(t *testing.T) {
	callers := []Principal{
		{User: "a", Roles: []Role{RoleUser}},
		{User: "a", Roles: []Role{RoleUser, RoleOperator}},
		{User: "a", Roles: []Role{RoleUser, RoleAuditor}},
		{User: "a", Roles: []Role{RoleUser, RoleService}},
		{User: "a", Roles: []Role{RoleJob}},
		{User: "a", Roles: []Role{RoleUser}, Actor: "gateway"},
		{User: "a", Roles: []Role{"role of a later version"}},
	}
	seen := map[string]bool{}
	for line := range strings.Lines(strings.TrimSpace(cells)) {
		words := strings.Fields(line)
		if len(words) != len(callers)+3 {
			continue
		}
		method := "/stint." + words[0]
		seen[method] = true
		var got []string
		for _, p := range callers {
			got = append(got, lettersOf(p, method))
		}
		scope := cmp.Or(string(rules[method].scope), "-")
		shared := cmp.Or(strings.TrimPrefix(rules[method].shared.String(), "SHARE_RIGHT_"), "-")
		if shared == "UNSPECIFIED" {
			shared = "-"
		}
		if diff := gocmp.Diff(words[1:], append(got, scope, shared)); diff != "" {
			t.Errorf("%s: %s", method, diff)
		}
	}
	for m := range contract() {
		if !seen[m] && !rules[m].open {
			t.Errorf("%s is not in this test", m)
		}
	}
}

func lettersOf(p Principal, method string) string {
	letter := map[Decision]string{Allowed: "A", Hidden: "H", Denied: "D"}
	var text strings.Builder
	for _, o := range ownerships {
		text.WriteString(letter[Allow(p, method, o)])
	}
	return text.String()
}

// A credential that is narrowed to some scopes does nothing that needs another, whatever the roles.
func TestScopesNarrowEveryRow(t *testing.T) {
	for method, r := range rules {
		for _, s := range scopes {
			p := Principal{User: "a", Roles: []Role{RoleUser, RoleOperator, RoleAuditor, RoleService}, Scopes: []Scope{s}}
			wide := p
			wide.Scopes = nil
			want := lettersOf(wide, method)
			if r.scope != "" && r.scope != s {
				want = "DDD"
			}
			if got := lettersOf(p, method); got != want {
				t.Errorf("%s with scope %s: %s, want %s", method, s, got, want)
			}
		}
	}
}

func TestWhatIsNotInTheTableIsDenied(t *testing.T) {
	operator := Principal{User: "a", Roles: []Role{RoleUser, RoleOperator}}
	for _, o := range []Ownership{0, Own, Named, 99} {
		if got := Allow(operator, "/stint.jobs.v1.JobService/NoSuch", o); got != Denied {
			t.Errorf("ownership %d: %v", o, got)
		}
	}
	if Open("/stint.jobs.v1.JobService/NoSuch") || mayCall(operator, "/stint.jobs.v1.JobService/NoSuch") {
		t.Error("a method without a row may be called")
	}
}

func TestAuthorizeSpeaksInTheWordsOfTheDomain(t *testing.T) {
	const get = "/stint.jobs.v1.JobService/Get"
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
