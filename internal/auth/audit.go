package auth

// Audit is what of a call is audited. A call that is refused never is: the access log has it.
type Audit int

// What can be audited.
const (
	// AuditNothing: the call changes nothing, and reads what is the caller's or everybody's, or the files of their workspace.
	AuditNothing Audit = iota
	// AuditChanges: what it changes, together with the change.
	AuditChanges
	// AuditReads: that it reads parameters, logs or results of another user's job.
	AuditReads
	// AuditCalls: the call itself, before it does anything: it reads all there is, or acts outside of the store.
	AuditCalls
	// AuditViews: the call itself, before it does anything, as reads are: it shows what is everybody's, and pages repeat it.
	AuditViews
)

// AuditOf is what the table says of a method.
func AuditOf(method string) Audit { return rules[method].audit }
