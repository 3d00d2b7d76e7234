package auth

import (
	"strings"
	"testing"
)

// audits is what is audited of each method. What changes jobs, shares, tokens or the server is; so is what shows the
// parameters, logs or results of somebody else's jobs.
const audits = `
admin.v1.AdminService/Backup            calls
admin.v1.AdminService/CancelOrphan      calls
admin.v1.AdminService/DeleteIssue       changes
admin.v1.AdminService/Diagnose          nothing
admin.v1.AdminService/ListAudit         nothing
admin.v1.AdminService/ListIssues        views
admin.v1.AdminService/ListOrphans       nothing
admin.v1.AdminService/SetSubmissions    changes
admin.v1.QueueService/ListQueue         nothing
admin.v1.StatusService/GetServerStatus  nothing
admin.v1.UserService/DisableUser        changes
admin.v1.UserService/EnableUser         changes
admin.v1.UserService/EraseUser          changes
admin.v1.UserService/GetUser            nothing
admin.v1.UserService/ListUsers          nothing
auth.v1.AuthService/GetSignInOptions    nothing
auth.v1.SessionService/ListSessions     nothing
auth.v1.SessionService/RevokeSession    changes
auth.v1.SessionService/SignOutEverywhere changes
auth.v1.AuthService/WhoAmI              nothing
auth.v1.TokenService/CreateToken        changes
auth.v1.TokenService/ListTokens         nothing
auth.v1.TokenService/RevokeToken        changes
catalog.v1.CatalogService/Advise        nothing
catalog.v1.CatalogService/Get           nothing
catalog.v1.CatalogService/List          nothing
jobs.v1.JobService/BatchCancel          changes
jobs.v1.JobService/BatchGet             reads
jobs.v1.JobService/BatchSubmit          changes
jobs.v1.JobService/Cancel               changes
jobs.v1.JobService/Get                  reads
jobs.v1.JobService/Keep                 changes
jobs.v1.JobService/Unkeep               changes
jobs.v1.JobService/List                 reads
jobs.v1.JobService/ListResults          reads
jobs.v1.JobService/ListShares           nothing
jobs.v1.JobService/ListSharedWithMe     nothing
jobs.v1.JobService/ReadResult           reads
jobs.v1.JobService/Report               nothing
jobs.v1.JobService/ReportIssue          changes
jobs.v1.JobService/Rerun                changes
jobs.v1.JobService/Share                changes
jobs.v1.JobService/StreamLogs           reads
jobs.v1.JobService/Submit               changes
jobs.v1.JobService/Summarize            nothing
jobs.v1.JobService/Unshare              changes
jobs.v1.JobService/WatchStatus          nothing
workspace.v1.WorkspaceService/AppendUpload nothing
workspace.v1.WorkspaceService/Copy      nothing
workspace.v1.WorkspaceService/CreateUpload nothing
workspace.v1.WorkspaceService/Delete    nothing
workspace.v1.WorkspaceService/Download  nothing
workspace.v1.WorkspaceService/GetUsage  nothing
workspace.v1.WorkspaceService/EndUpload nothing
workspace.v1.WorkspaceService/GetUpload nothing
workspace.v1.WorkspaceService/List      nothing
workspace.v1.WorkspaceService/ListUploads nothing
workspace.v1.WorkspaceService/MakeFolder nothing
workspace.v1.WorkspaceService/Move      nothing
workspace.v1.WorkspaceService/Stat      nothing
workspace.v1.WorkspaceService/Upload    nothing
`

func TestEveryMethodSaysWhatOfItIsAudited(t *testing.T) {
	words := map[Audit]string{AuditNothing: "nothing", AuditChanges: "changes", AuditReads: "reads", AuditCalls: "calls", AuditViews: "views"}
	want := map[string]string{}
	for line := range strings.Lines(strings.TrimSpace(audits)) {
		w := strings.Fields(line)
		want["/stint."+w[0]] = w[1]
	}
	for m := range contract() {
		if got := words[AuditOf(m)]; got != want[m] {
			t.Errorf("%s: %s is audited, want %q; say it here and in the table", m, got, want[m])
		}
	}
	if AuditOf("/stint.jobs.v1.JobService/NoSuch") != AuditNothing {
		t.Error("a method without a row is audited")
	}
}
