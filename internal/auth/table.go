package auth

import (
	"context"
	"fmt"
	"slices"

	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionv1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
	catalogv1 "github.com/stint-jobs/stint/gen/stint/catalog/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
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

// ownerships are all of them.
var ownerships = []Ownership{Own, Foreign, Named}

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
	// scope is what the credential must not be narrowed to exclude.
	scope Scope
	// shared opens the method to those whom the owner gave this right of the job.
	shared jobsv1.ShareRight
	// audit says what of a call is audited.
	audit Audit
}

// in is the row for credentials with a scope.
func (r rule) in(s Scope) rule {
	r.scope = s
	return r
}

// with is the row for methods that an owner can share.
func (r rule) with(right jobsv1.ShareRight) rule {
	r.shared = right
	return r
}

// audited is the row with another word about the audit.
func (r rule) audited(a Audit) rule {
	r.audit = a
	return r
}

var (
	everybody = []Role{RoleUser, RoleOperator, RoleAuditor, RoleService}
	operators = []Role{RoleOperator}
	readers   = []Role{RoleOperator, RoleAuditor}

	// toAll needs no credentials.
	toAll = rule{open: true}
	// toJobs is for a job's own command.
	toJobs = rule{own: []Role{RoleJob}}
	// seesJobs is for what is known of jobs: addressed by id, or listed for an owner.
	seesJobs = rule{own: everybody, foreign: readers, named: readers, scope: ScopeJobsRead, audit: AuditReads}
	// readsJobs is for what jobs wrote, which is nobody's but the owner's and, to help them, the operators'.
	readsJobs = rule{own: everybody, foreign: operators, named: operators, scope: ScopeJobsRead, audit: AuditReads}
	// changesJobs is for methods that submit or change jobs.
	changesJobs = rule{own: everybody, foreign: operators, named: operators, scope: ScopeJobsWrite, audit: AuditChanges}
	// sharesJobs is for the owner alone.
	sharesJobs = rule{own: everybody, scope: ScopeJobsWrite, audit: AuditChanges}
	// onOwnFiles is for methods that only reach the caller's own files.
	onOwnFiles = rule{own: everybody}
	// ofServer is for what is the same for everybody.
	ofServer = rule{own: everybody}
	// toOperators is for running the server.
	toOperators = rule{own: operators, foreign: operators, named: operators, scope: ScopeAdmin, audit: AuditChanges}
	// onTokens is for everybody's own API tokens, and for operators who look after those of others.
	onTokens = rule{own: everybody, foreign: operators, named: operators, scope: ScopeTokens, audit: AuditChanges}
	// onSessions is for everybody's own sessions, and for operators who look after those of others.
	onSessions = rule{own: everybody, foreign: operators, named: operators, scope: ScopeTokens, audit: AuditChanges}
	// toAuditors is for looking at how it is run.
	toAuditors = rule{own: readers, foreign: readers, named: readers, scope: ScopeAdmin}
)

// rules is the whole table, by full method name. What is not in it is denied;
// a test fails when a method of the contract is missing.
var rules = map[string]rule{
	jobsv1.JobService_Submit_FullMethodName:           changesJobs, // Named: for another owner
	jobsv1.JobService_BatchSubmit_FullMethodName:      changesJobs,
	jobsv1.JobService_Get_FullMethodName:              seesJobs.with(jobsv1.ShareRight_SHARE_RIGHT_HISTORY),
	jobsv1.JobService_BatchGet_FullMethodName:         seesJobs.with(jobsv1.ShareRight_SHARE_RIGHT_HISTORY),
	jobsv1.JobService_List_FullMethodName:             seesJobs,
	jobsv1.JobService_WatchStatus_FullMethodName:      seesJobs.with(jobsv1.ShareRight_SHARE_RIGHT_HISTORY).audited(AuditNothing), // by id; it shows no parameters
	jobsv1.JobService_Summarize_FullMethodName:        seesJobs.audited(AuditNothing),
	jobsv1.JobService_Cancel_FullMethodName:           changesJobs,
	jobsv1.JobService_BatchCancel_FullMethodName:      changesJobs,
	jobsv1.JobService_Rerun_FullMethodName:            changesJobs.with(jobsv1.ShareRight_SHARE_RIGHT_RERUN),
	jobsv1.JobService_StreamLogs_FullMethodName:       readsJobs.with(jobsv1.ShareRight_SHARE_RIGHT_LOGS),
	jobsv1.JobService_ListResults_FullMethodName:      readsJobs.with(jobsv1.ShareRight_SHARE_RIGHT_RESULTS),
	jobsv1.JobService_ReadResult_FullMethodName:       readsJobs.with(jobsv1.ShareRight_SHARE_RIGHT_RESULTS),
	jobsv1.JobService_ReportIssue_FullMethodName:      changesJobs,
	jobsv1.JobService_Share_FullMethodName:            sharesJobs,
	jobsv1.JobService_Unshare_FullMethodName:          {own: everybody, foreign: operators, scope: ScopeJobsWrite, audit: AuditChanges},
	jobsv1.JobService_ListShares_FullMethodName:       {own: everybody, foreign: operators, scope: ScopeJobsRead},
	jobsv1.JobService_ListSharedWithMe_FullMethodName: {own: everybody, scope: ScopeJobsRead},
	jobsv1.JobService_Report_FullMethodName:           toJobs,
	jobsv1.JobService_Keep_FullMethodName:             sharesJobs, // it is their quota
	jobsv1.JobService_Unkeep_FullMethodName:           sharesJobs,

	catalogv1.CatalogService_List_FullMethodName:   ofServer,
	catalogv1.CatalogService_Get_FullMethodName:    ofServer,
	catalogv1.CatalogService_Advise_FullMethodName: {own: everybody, scope: ScopeJobsWrite}, // as Submit, which it stands before

	workspacev1.WorkspaceService_Upload_FullMethodName:   onOwnFiles.in(ScopeFilesWrite),
	workspacev1.WorkspaceService_List_FullMethodName:     onOwnFiles.in(ScopeFilesRead),
	workspacev1.WorkspaceService_GetUsage_FullMethodName: onOwnFiles.in(ScopeFilesRead),
	workspacev1.WorkspaceService_Download_FullMethodName: onOwnFiles.in(ScopeFilesRead),
	workspacev1.WorkspaceService_Delete_FullMethodName:   onOwnFiles.in(ScopeFilesWrite),

	workspacev1.WorkspaceService_Stat_FullMethodName:       onOwnFiles.in(ScopeFilesRead),
	workspacev1.WorkspaceService_MakeFolder_FullMethodName: onOwnFiles.in(ScopeFilesWrite),
	workspacev1.WorkspaceService_Move_FullMethodName:       onOwnFiles.in(ScopeFilesWrite),
	workspacev1.WorkspaceService_Copy_FullMethodName:       onOwnFiles.in(ScopeFilesWrite),

	workspacev1.WorkspaceService_CreateUpload_FullMethodName: onOwnFiles.in(ScopeFilesWrite),
	workspacev1.WorkspaceService_AppendUpload_FullMethodName: onOwnFiles.in(ScopeFilesWrite),
	workspacev1.WorkspaceService_GetUpload_FullMethodName:    onOwnFiles.in(ScopeFilesWrite), // for who continues it
	workspacev1.WorkspaceService_ListUploads_FullMethodName:  onOwnFiles.in(ScopeFilesRead),
	workspacev1.WorkspaceService_EndUpload_FullMethodName:    onOwnFiles.in(ScopeFilesWrite),

	authv1.AuthService_GetSignInOptions_FullMethodName: toAll,
	authv1.AuthService_WhoAmI_FullMethodName:           ofServer,

	adminv1.StatusService_GetServerStatus_FullMethodName:   ofServer,
	adminv1.AdminService_SetSubmissions_FullMethodName:     toOperators,
	adminv1.AdminService_Backup_FullMethodName:             toOperators.audited(AuditCalls),
	authv1.TokenService_CreateToken_FullMethodName:         onTokens,
	authv1.TokenService_ListTokens_FullMethodName:          onTokens.audited(AuditNothing),
	authv1.TokenService_RevokeToken_FullMethodName:         onTokens,
	authv1.SessionService_ListSessions_FullMethodName:      onSessions.audited(AuditNothing),
	authv1.SessionService_RevokeSession_FullMethodName:     onSessions,
	authv1.SessionService_SignOutEverywhere_FullMethodName: onSessions,
	adminv1.UserService_ListUsers_FullMethodName:           toOperators.audited(AuditNothing),
	adminv1.UserService_GetUser_FullMethodName:             toOperators.audited(AuditNothing),
	adminv1.UserService_DisableUser_FullMethodName:         toOperators,
	adminv1.UserService_EnableUser_FullMethodName:          toOperators,
	adminv1.UserService_EraseUser_FullMethodName:           toOperators,
	adminv1.AdminService_ListIssues_FullMethodName:         toOperators.audited(AuditViews),
	adminv1.AdminService_DeleteIssue_FullMethodName:        toOperators,
	adminv1.AdminService_Diagnose_FullMethodName:           toOperators.audited(AuditNothing),
	adminv1.AdminService_ListOrphans_FullMethodName:        toOperators.audited(AuditNothing),
	adminv1.AdminService_CancelOrphan_FullMethodName:       toOperators.audited(AuditCalls),
	adminv1.QueueService_ListQueue_FullMethodName:          {own: everybody, foreign: readers, scope: ScopeJobsRead}, // Foreign: unmasked
	adminv1.AdminService_ListAudit_FullMethodName:          toAuditors,

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
	if !p.InScope(r.scope) {
		return Denied
	}
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

// SharedBy is the right of a job that opens a method to those whom its owner
// gave it to; unspecified where sharing does not open it.
func SharedBy(method string) jobsv1.ShareRight { return rules[method].shared }

func decide(p Principal, roles []Role, otherwise Decision) Decision {
	if slices.ContainsFunc(p.Roles, func(r Role) bool { return slices.Contains(roles, r) }) {
		return Allowed
	}
	return otherwise
}

// mayCall reports whether there is anything at all that p may call a method on.
func mayCall(p Principal, method string) bool {
	return slices.ContainsFunc(ownerships, func(o Ownership) bool { return Allow(p, method, o) == Allowed })
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
