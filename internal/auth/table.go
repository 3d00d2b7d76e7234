package auth

import (
	"context"
	"fmt"
	"slices"

	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionv1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"

	stintv1 "github.com/stint-jobs/stint/gen/stint/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// Ownership is whose a thing is to the one who calls.
type Ownership int

// The ownerships. A call that is about nobody's things is Own.
const (
	// Own: the caller's.
	Own Ownership = iota + 1
	// Foreign: it belongs to another user, and the caller addressed it by its id.
	// A refusal does not tell that it exists.
	Foreign
	// Named: the caller asked for the things of another user by name, or for everybody's.
	Named
)

// Decision is what the table says.
type Decision int

// The decisions.
const (
	// Denied: the caller may not do this, and is told so.
	Denied Decision = iota
	// Hidden: the thing does not exist for the caller.
	Hidden
	// Allowed: go on.
	Allowed
)

// rule is one row of the table: the roles that may call a method, by ownership.
type rule struct {
	open    bool // to callers without credentials
	own     []Role
	foreign []Role
	named   []Role
}

var (
	everybody = []Role{RoleUser, RoleOperator}
	operators = []Role{RoleOperator}

	// toAll needs no credentials.
	toAll = rule{open: true}
	// onJobs is for methods that address jobs by id, or list those of an owner.
	onJobs = rule{own: everybody, foreign: operators, named: operators}
	// onOwnFiles is for methods that only reach the caller's own files.
	onOwnFiles = rule{own: everybody}
	// ofServer is for what is the same for everybody.
	ofServer = rule{own: everybody}
	// toOperators is for running the server.
	toOperators = rule{own: operators, foreign: operators, named: operators}
)

// rules is the whole table, by full method name. What is not in it is denied;
// a test fails when a method of the contract is missing.
var rules = map[string]rule{
	stintv1.JobService_Submit_FullMethodName:      onJobs, // Named: for another owner
	stintv1.JobService_BatchSubmit_FullMethodName: onJobs,
	stintv1.JobService_Get_FullMethodName:         onJobs,
	stintv1.JobService_BatchGet_FullMethodName:    onJobs,
	stintv1.JobService_List_FullMethodName:        onJobs,
	stintv1.JobService_WatchStatus_FullMethodName: onJobs,
	stintv1.JobService_Summarize_FullMethodName:   onJobs,
	stintv1.JobService_Cancel_FullMethodName:      onJobs,
	stintv1.JobService_BatchCancel_FullMethodName: onJobs,
	stintv1.JobService_Rerun_FullMethodName:       onJobs,
	stintv1.JobService_StreamLogs_FullMethodName:  onJobs,
	stintv1.JobService_ListResults_FullMethodName: onJobs,
	stintv1.JobService_ReadResult_FullMethodName:  onJobs,
	stintv1.JobService_ReportIssue_FullMethodName: onJobs,

	stintv1.CatalogService_ListServices_FullMethodName: ofServer,
	stintv1.CatalogService_GetService_FullMethodName:   ofServer,

	stintv1.WorkspaceService_Upload_FullMethodName:   onOwnFiles,
	stintv1.WorkspaceService_List_FullMethodName:     onOwnFiles,
	stintv1.WorkspaceService_Download_FullMethodName: onOwnFiles,
	stintv1.WorkspaceService_Delete_FullMethodName:   onOwnFiles,

	stintv1.AdminService_GetServerStatus_FullMethodName: ofServer,
	stintv1.AdminService_SetSubmissions_FullMethodName:  toOperators,
	stintv1.AdminService_Backup_FullMethodName:          toOperators,
	stintv1.AdminService_CreateToken_FullMethodName:     toOperators,
	stintv1.AdminService_ListTokens_FullMethodName:      toOperators,
	stintv1.AdminService_RevokeToken_FullMethodName:     toOperators,
	stintv1.AdminService_ListIssues_FullMethodName:      toOperators,
	stintv1.AdminService_ListOrphans_FullMethodName:     toOperators,
	stintv1.AdminService_CancelOrphan_FullMethodName:    toOperators,

	healthv1.Health_Check_FullMethodName:                                   toAll,
	healthv1.Health_Watch_FullMethodName:                                   toAll,
	healthv1.Health_List_FullMethodName:                                    toAll,
	reflectionv1.ServerReflection_ServerReflectionInfo_FullMethodName:      toAll,
	reflectionv1alpha.ServerReflection_ServerReflectionInfo_FullMethodName: toAll,
}

// Open reports whether a method needs no credentials.
func Open(method string) bool { return rules[method].open }

// Allow looks up whether p may call a method, by its full name, on things of such ownership.
func Allow(p Principal, method string, o Ownership) Decision {
	r := rules[method]
	switch o {
	case Own:
		return decide(p, r.own, Denied)
	case Foreign:
		return decide(p, r.foreign, Hidden)
	case Named:
		return decide(p, r.named, Denied)
	default:
		return Denied
	}
}

func decide(p Principal, roles []Role, otherwise Decision) Decision {
	if slices.ContainsFunc(p.Roles, func(r Role) bool { return slices.Contains(roles, r) }) {
		return Allowed
	}
	return otherwise
}

// mayCall reports whether there is anything at all that p may call a method on.
func mayCall(p Principal, method string) bool {
	return slices.ContainsFunc([]Ownership{Own, Foreign, Named}, func(o Ownership) bool { return Allow(p, method, o) == Allowed })
}

// Authorize is Allow for a handler: nil, job.ErrNotFound or job.ErrDenied for
// the principal of ctx. A context without one is denied.
func Authorize(ctx context.Context, method string, o Ownership) error {
	p, _ := FromContext(ctx)
	switch Allow(p, method, o) {
	case Allowed:
		return nil
	case Hidden:
		return fmt.Errorf("authorize %s for %s: %w", method, p.User, job.ErrNotFound)
	case Denied:
		fallthrough
	default:
		return job.Userf(job.ErrDenied, "Only operators may do this for other users.")
	}
}
