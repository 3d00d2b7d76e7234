package job

import "fmt"

// Quota is a kind of thing that users make, of which there is a number at which it ends.
type Quota string

// The kinds. Each has its row in Quotas.
const (
	QuotaWorkspaceBytes   Quota = "workspace_bytes"
	QuotaWorkspaceEntries Quota = "workspace_entries"
	QuotaPathNames        Quota = "path_names"
	QuotaUploads          Quota = "unfinished_uploads"
	QuotaActiveJobs       Quota = "active_jobs"
	QuotaKeptJobs         Quota = "kept_jobs"
	QuotaShares           Quota = "shares"
	QuotaSharesOfJob      Quota = "shares_of_job"
	QuotaTokens           Quota = "api_tokens"
	QuotaSessions         Quota = "sessions"
	QuotaReports          Quota = "reports"
	QuotaReportsOfJob     Quota = "reports_of_job"
	QuotaReportsPerDay    Quota = "reports_per_day"
	QuotaAuditPerDay      Quota = "audit_entries_per_day"
)

// QuotaUnit is what a quota counts.
type QuotaUnit int

// The units.
const (
	// QuotaCount counts things.
	QuotaCount QuotaUnit = iota
	// QuotaBytes counts bytes.
	QuotaBytes
)

// QuotaOf is what a quota holds for.
type QuotaOf int

// What quotas hold for.
const (
	// OfUser is all that a user has. What is used of it can be told.
	OfUser QuotaOf = iota
	// OfThing is each job or each path of a user.
	OfThing
)

// QuotaRow is what holds for a kind.
type QuotaRow struct {
	// Quota is the kind.
	Quota Quota
	// Title names what is counted, for people.
	Title string
	// Unit of the limit.
	Unit QuotaUnit
	// Of is what the limit holds for.
	Of QuotaOf
	// Limit is the number at which it ends. Where there is a flag, it is the flag's default, and 0 is no limit.
	Limit int64
	// Flag of stintd that sets the limit. Empty means that it is fixed.
	Flag string
	// Trusted is how many times the limit operators and service accounts have. 0 means once.
	Trusted int64
	// Oldest reports that one more takes the place of the oldest, where others are refused.
	Oldest bool
	// WayOut says to users what to do when the limit is reached.
	WayOut string
}

// Quotas is the table of all kinds. What checks a limit, what shows it, and the documentation read it.
var Quotas = []QuotaRow{
	{Quota: QuotaWorkspaceBytes, Title: "bytes in the workspace", Unit: QuotaBytes, Flag: "quota", WayOut: "Delete what is no longer needed, or ask the operators for more room."},
	{Quota: QuotaWorkspaceEntries, Title: "files and folders", Limit: 1_000_000, Flag: "quota-entries", WayOut: "Delete what is no longer needed, or ask the operators for more."},
	{Quota: QuotaPathNames, Title: "names in a path", Of: OfThing, Limit: 32, Flag: "max-depth", WayOut: "Use fewer folders within each other."},
	{Quota: QuotaUploads, Title: "uploads that are not finished", Limit: 100, Flag: "max-uploads", WayOut: "Finish some of them, or end them: `stint uploads list` shows them."},
	{Quota: QuotaActiveJobs, Title: "jobs queued and running", Flag: "max-active-per-owner", WayOut: "Wait until some of them have ended, or cancel some."},
	{Quota: QuotaKeptJobs, Title: "jobs kept against retention", Limit: 1000, Flag: "max-kept-per-owner", WayOut: "Take back those that need not be kept (stint unkeep), or move their results to the workspace."},
	{Quota: QuotaShares, Title: "shares of your jobs", Limit: 10_000, WayOut: "Take back shares that are no longer needed."},
	{Quota: QuotaSharesOfJob, Title: "shares of a job", Of: OfThing, Limit: 100, WayOut: "Take one of them back first."},
	{Quota: QuotaTokens, Title: "API tokens", Limit: 100, WayOut: "Revoke those that are not needed."},
	{Quota: QuotaSessions, Title: "signed-in browsers", Limit: 20, Oldest: true, WayOut: "One more signs out the browser that was not used for longest."},
	{Quota: QuotaReports, Title: "problem reports", Limit: 100, WayOut: "The operators delete those that they have dealt with; ask them to."},
	{Quota: QuotaReportsOfJob, Title: "problem reports about a job", Of: OfThing, Limit: 10, WayOut: "The operators have them; write to them about the rest."},
	{Quota: QuotaReportsPerDay, Title: "problem reports in a day", Limit: 50, WayOut: "Report the next one later."},
	{Quota: QuotaAuditPerDay, Title: "entries of the audit in a day", Limit: 200_000, Flag: "max-audited-per-user", Trusted: 10, WayOut: "Submit many jobs with one request, or wait; the operators can allow more."},
}

// RowOf returns the row of a kind. It panics where there is none, for a kind without a limit must not be.
func RowOf(q Quota) *QuotaRow {
	for i := range Quotas {
		if Quotas[i].Quota == q {
			return &Quotas[i]
		}
	}
	panic("job: the quota " + string(q) + " has no row")
}

// Limits are the limits of the flags, in the place of the table's. The zero value has the table's own.
type Limits map[Quota]int64

// Of returns the limit of a kind; 0 is none.
func (l Limits) Of(q Quota) int64 {
	row := RowOf(q)
	if n, ok := l[q]; ok && row.Flag != "" {
		return n
	}
	return row.Limit
}

// Reached says which limit a request would pass.
type Reached struct {
	// Quota is the kind.
	Quota Quota
	// Subject is what has reached it: `user:NAME`, `job:ID` or `path:PATH`.
	Subject string
	// Field of the request that asks for one more. Empty where it is the request itself.
	Field string
	// Limit is the number at which it ends.
	Limit int64
}

// Full returns the error of a request that would pass a limit: it says what is full and then the way out.
func Full(r Reached, format string, args ...any) *UserError {
	return &UserError{Sentinel: ErrExhausted, Message: fmt.Sprintf(format, args...) + " " + RowOf(r.Quota).WayOut, Reached: &r}
}
