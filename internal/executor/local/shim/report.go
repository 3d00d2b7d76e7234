//go:build linux

package shim

// Reason is why an attempt could not start or was ended, in the words of exit.json: the name of a
// jobsv1.Reason as job.ReasonWord gives it. The empty one is none.
type Reason string

// The reasons that a shim knows.
const (
	ReasonLaunchFailed     Reason = "LAUNCH_FAILED"
	ReasonDiskFull         Reason = "DISK_FULL"
	ReasonTimeLimit        Reason = "TIME_LIMIT"
	ReasonOutOfMemory      Reason = "OUT_OF_MEMORY"
	ReasonNodeFailed       Reason = "NODE_FAILED"
	ReasonCancelledByOwner Reason = "CANCELLED_BY_OWNER"
)

// DiskFullMessage says ReasonDiskFull in plain words.
const DiskFullMessage = "The disk that takes the job's files is full."

// Report is what a shim tells the one that gave it an order, once for each.
type Report struct {
	// Token of the order.
	Token string `json:"token"`
	// Started says that the command runs, or that exit.json tells why it never will.
	Started bool `json:"started,omitempty"`
	// Superseded says that the shim found that the attempt is not its to start.
	Superseded bool `json:"superseded,omitempty"`
	// Failure says why nothing was or will be started.
	Failure *Refusal `json:"failure,omitempty"`
}

// Refusal is why a command was not started.
type Refusal struct { //nolint:errname // it is a thing of the protocol, as executor.Failure is one of the domain
	// Reason is what the job fails with.
	Reason Reason `json:"reason"`
	// Message says it in plain words for the user.
	Message string `json:"message"`
	// Cause is for the log; empty when Message says it all.
	Cause string `json:"cause,omitempty"`
}

// Error is the message and the cause.
func (r *Refusal) Error() string {
	if r.Cause == "" {
		return r.Message
	}
	return r.Message + ": " + r.Cause
}
