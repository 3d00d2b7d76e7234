package auth

import (
	"strings"
	"testing"
)

// audits is what is audited of each method. What changes jobs, shares, tokens or the server is; so is what shows the
// parameters, logs or results of somebody else's jobs.
const audits = `
AdminService/Backup               calls
AdminService/CancelOrphan         calls
AdminService/CreateToken          changes
AdminService/GetServerStatus      nothing
AdminService/ListAudit            nothing
AdminService/ListIssues           calls
AdminService/ListOrphans          nothing
AdminService/ListQueue            nothing
AdminService/ListTokens           nothing
AdminService/RevokeToken          changes
AdminService/SetSubmissions       changes
AuthService/GetSignInOptions      nothing
AuthService/WhoAmI                nothing
CatalogService/GetService         nothing
CatalogService/ListServices       nothing
JobService/BatchCancel            changes
JobService/BatchGet               reads
JobService/BatchSubmit            changes
JobService/Cancel                 changes
JobService/Get                    reads
JobService/List                   reads
JobService/ListResults            reads
JobService/ListShares             nothing
JobService/ReadResult             reads
JobService/Report                 nothing
JobService/ReportIssue            changes
JobService/Rerun                  changes
JobService/Share                  changes
JobService/StreamLogs             reads
JobService/Submit                 changes
JobService/Summarize              nothing
JobService/Unshare                changes
JobService/WatchStatus            nothing
WorkspaceService/Delete           nothing
WorkspaceService/Download         nothing
WorkspaceService/List             nothing
WorkspaceService/Upload           nothing
`

func TestEveryMethodSaysWhatOfItIsAudited(t *testing.T) {
	words := map[Audit]string{AuditNothing: "nothing", AuditChanges: "changes", AuditReads: "reads", AuditCalls: "calls"}
	want := map[string]string{}
	for line := range strings.Lines(strings.TrimSpace(audits)) {
		w := strings.Fields(line)
		want["/stint.v1."+w[0]] = w[1]
	}
	for m := range contract() {
		if got := words[AuditOf(m)]; got != want[m] {
			t.Errorf("%s: %s is audited, want %q; say it here and in the table", m, got, want[m])
		}
	}
	if AuditOf("/stint.v1.JobService/NoSuch") != AuditNothing {
		t.Error("a method without a row is audited")
	}
}
