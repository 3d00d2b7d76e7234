package batch

import (
	"fmt"
	"os/user"
	"syscall"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor"
)

// evidence is all that is known of an attempt whose job is over.
type evidence struct {
	row        Row
	phase      Phase
	files      files
	account    *Account // nil while accounting does not have it
	submission submission
	dir        string
	wished     bool   // somebody asked Stint to cancel it
	never      string // in plain words, why Stint itself cancelled it; empty when it did not
	nodeFailed bool   // an earlier run of the same job ended with its node
}

// conclude says how the attempt ended. the cluster knows what happened to the job;
// the exit record knows how the command ended, where it ended by itself.
func conclude(e evidence) executor.Exit {
	x := executor.Exit{
		EngineState: e.row.State, EngineID: e.row.ID, Node: e.row.Node, Code: -1,
		Start: e.row.Start, End: e.row.End, Usage: usage(e),
	}
	r := e.files.record
	if r != nil {
		x.Start, x.End = either(x.Start, r.Start), either(x.End, r.End)
	}
	if !e.files.locked {
		x.Start, x.Usage = time.Time{}, nil // its command never ran
	}
	if e.byItself() {
		x.Code, x.Signal = r.Code, r.Signal
		if r.Reason != "" {
			x.Reason = jobsv1.Reason_REASON_LAUNCH_FAILED
			x.Message = fmt.Sprintf("The program %s is not there, or may not be executed, on %s.", e.submission.Program, nodeWords(r.Node))
		}
		return x
	}
	x.Reason, x.Message = cut(e)
	if x.Reason == jobsv1.Reason_REASON_UNSPECIFIED {
		x.Code, x.Signal = scriptExit(e.row)
	}
	return x
}

// byItself reports whether the command came to its end without anybody's doing, so
// that its record counts. A command that is killed with its job may still leave one.
func (e evidence) byItself() bool {
	r := e.files.record
	switch {
	case r == nil || e.phase == OutOfMemory || e.files.again && r.cut():
		return false
	case e.phase == Completed || e.phase == Failed:
		return true
	default:
		return !r.Terminated && r.Signal != int(syscall.SIGTERM) && r.Signal != int(syscall.SIGKILL)
	}
}

// cut says why the job ended, other than by its command. Unspecified leaves
// it to the exit code of the script.
func cut(e evidence) (jobsv1.Reason, string) {
	switch e.phase {
	case Completed:
		return withoutRecord(e)
	case Failed:
		return whyFailed(e)
	case Cancelled:
		return whyCancelled(e)
	case TimedOut:
		return jobsv1.Reason_REASON_TIME_LIMIT, e.row.Words
	case OutOfMemory:
		return jobsv1.Reason_REASON_OUT_OF_MEMORY, ""
	case NodeFailed:
		return jobsv1.Reason_REASON_NODE_FAILED, fmt.Sprintf("The cluster lost %s while it ran the job.", nodeWords(e.row.Node))
	case Preempted:
		return jobsv1.Reason_REASON_PREEMPTED, ""
	case Revoked:
		return jobsv1.Reason_REASON_LOST, "The federation of clusters took the job back."
	case Unknown, Pending, Running:
	}
	return jobsv1.Reason_REASON_UNSPECIFIED, ""
}

// withoutRecord explains a job that the cluster calls completed although its command left no record.
func withoutRecord(e evidence) (jobsv1.Reason, string) {
	switch {
	case e.files.again:
		return interrupted(e)
	case e.files.locked:
		return jobsv1.Reason_REASON_OUTPUT_FAILED, fmt.Sprintf(
			"The command ended on %s, but how did not reach the job's folder. Its file system may be full.", nodeWords(e.row.Node))
	default:
		return jobsv1.Reason_REASON_LAUNCH_FAILED, fmt.Sprintf(
			"Nothing of the run on %s reached the job's folder. The operator should check that the node shares %s.", nodeWords(e.row.Node), e.dir)
	}
}

// interrupted explains a run that was cut off so that the cluster could run the job
// again, which the lock did not let happen.
func interrupted(e evidence) (jobsv1.Reason, string) {
	const words = "The cluster took the job off its node and queued it again. What it had done by then is not continued."
	if e.nodeFailed {
		return jobsv1.Reason_REASON_NODE_FAILED, words
	}
	return jobsv1.Reason_REASON_PREEMPTED, words
}

func whyFailed(e evidence) (jobsv1.Reason, string) {
	switch {
	case e.files.memory && e.row.Signal == int(syscall.SIGKILL):
		return jobsv1.Reason_REASON_OUT_OF_MEMORY, "" // ended by the cluster's own watch, where no cgroup does it
	case e.row.SetupFailed:
		return jobsv1.Reason_REASON_LAUNCH_FAILED, fmt.Sprintf(
			"The cluster could not set up the job on %s. The operator should check that the node shares %s.", nodeWords(e.row.Node), e.dir)
	case e.row.Rejected:
		return jobsv1.Reason_REASON_SUBMIT_REJECTED, e.row.Words
	case !e.files.locked && e.files.note != "":
		return jobsv1.Reason_REASON_LAUNCH_FAILED, "The job could not begin: " + Plain(e.files.note) + "."
	case !e.files.locked:
		return jobsv1.Reason_REASON_LAUNCH_FAILED, fmt.Sprintf("The job failed on %s before its command began.", nodeWords(e.row.Node))
	default:
		return jobsv1.Reason_REASON_UNSPECIFIED, ""
	}
}

func whyCancelled(e evidence) (jobsv1.Reason, string) {
	switch {
	case e.never != "":
		return jobsv1.Reason_REASON_SUBMIT_REJECTED, e.never
	case e.wished:
		return jobsv1.Reason_REASON_CANCELLED_BY_OWNER, ""
	case e.row.Rejected:
		return jobsv1.Reason_REASON_SUBMIT_REJECTED, e.row.Words
	case e.account != nil && e.account.UID != "":
		return jobsv1.Reason_REASON_CANCELLED_BY_ENGINE, fmt.Sprintf("Cancelled on the cluster by %s, not through Stint.", userWords(e.account.UID))
	default:
		return jobsv1.Reason_REASON_CANCELLED_BY_ENGINE, ""
	}
}

// scriptExit is the exit of the batch script, which passes on that of the
// command in the way of shells: 128 and the signal.
func scriptExit(r Row) (code, signal int) {
	switch {
	case r.Signal != 0:
		return -1, r.Signal
	case r.Code > 128 && r.Code <= 192:
		return -1, r.Code - 128
	default:
		return r.Code, 0
	}
}

// usage is what the attempt used. The cluster's figures count every process of the
// job but come from samples; the script's are there also when the cluster has none.
func usage(e evidence) *jobsv1.Usage {
	r := e.files.record
	if e.account == nil && (r == nil || r.Usage == nil) {
		return nil
	}
	u := &jobsv1.Usage{AllocatedCpus: e.submission.CPUs, AllocatedMemoryBytes: e.submission.MemoryBytes}
	var cpu, elapsed float64
	if a := e.account; a != nil {
		cpu, elapsed, u.MaxRssBytes = a.Usage.CPUSeconds, a.Usage.ElapsedSeconds, a.Usage.MaxRSSBytes
		if a.Usage.CPUs > 0 {
			u.AllocatedCpus = a.Usage.CPUs
		}
		if a.Usage.MemoryBytes > 0 {
			u.AllocatedMemoryBytes = a.Usage.MemoryBytes
		}
	}
	if r != nil && r.Usage != nil {
		cpu, u.MaxRssBytes = max(cpu, r.Usage.CPUSeconds), max(u.MaxRssBytes, r.Usage.MaxRSSBytes)
		if r.Usage.ElapsedSeconds > 0 {
			elapsed = r.Usage.ElapsedSeconds // to the hundredth, and of the command alone
		}
	}
	u.CpuTime, u.Elapsed = durationpb.New(seconds(cpu)), durationpb.New(seconds(elapsed))
	return u
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func either(a, b time.Time) time.Time {
	if a.IsZero() {
		return b
	}
	return a
}

func nodeWords(node string) string {
	if node == "" {
		return "the node"
	}
	return "node " + node
}

// userWords names a user of the cluster, who need not be known here.
func userWords(uid string) string {
	if u, err := user.LookupId(uid); err == nil {
		return fmt.Sprintf("user %s (uid %s)", u.Username, uid)
	}
	return "the user with uid " + uid
}
