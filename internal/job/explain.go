package job

import (
	"fmt"
	"syscall"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// Explain gives a reason in plain words, with what to do about it. code and
// signal are those of the command, where they matter.
func Explain(r jobsv1.Reason, code, signal int) string {
	switch r {
	case jobsv1.Reason_REASON_UNSPECIFIED:
		return ""
	case jobsv1.Reason_REASON_EXIT_NONZERO:
		return fmt.Sprintf("The command ended with exit code %d. Its error output says more.", code)
	case jobsv1.Reason_REASON_SIGNALLED:
		return fmt.Sprintf("The command was ended by signal %d (%s). Its error output may say more.", signal, syscall.Signal(signal))
	default:
		return plain[r]
	}
}

var plain = map[jobsv1.Reason]string{
	jobsv1.Reason_REASON_OUT_OF_MEMORY:         "The job needed more memory than it had asked for. Run it again with more.",
	jobsv1.Reason_REASON_TIME_LIMIT:            "The job ran longer than its time limit. Run it again with a longer one.",
	jobsv1.Reason_REASON_NODE_FAILED:           "The machine that ran the job failed.",
	jobsv1.Reason_REASON_PREEMPTED:             "The job had to make room for other work.",
	jobsv1.Reason_REASON_CANCELLED_BY_OWNER:    "Cancelled by its owner.",
	jobsv1.Reason_REASON_CANCELLED_BY_OPERATOR: "Cancelled by an operator.",
	jobsv1.Reason_REASON_CANCELLED_BY_ENGINE:   "Cancelled by somebody on the system that ran it, not through Stint.",
	jobsv1.Reason_REASON_SUBMIT_REJECTED:       "The system that runs the jobs refused it.",
	jobsv1.Reason_REASON_LAUNCH_FAILED:         "The command could not be started.",
	jobsv1.Reason_REASON_INPUT_MISSING:         "An input file was gone when the job was about to start.",
	jobsv1.Reason_REASON_OUTPUT_FAILED:         "The results could not be stored.",
	jobsv1.Reason_REASON_LOST:                  "The system that ran the job lost it, and it left no result.",
	jobsv1.Reason_REASON_WAITING_FOR_RESOURCES: "Waiting for free cores or memory.",
	jobsv1.Reason_REASON_WAITING_FOR_TURN:      "Waiting for its turn.",
	jobsv1.Reason_REASON_WAITING_FOR_ENGINE:    "The system that runs the jobs cannot be reached at the moment.",
	jobsv1.Reason_REASON_ENGINE_HELD:           "Held by the system that runs the jobs or its administrator.",
	jobsv1.Reason_REASON_WAITING_FOR_RETRY:     "Waiting for another attempt.",
	jobsv1.Reason_REASON_WAITING_FOR_SPACE:     "Waiting for room on the server's disk. It starts by itself when there is room.",
	jobsv1.Reason_REASON_DISK_FULL:             "The disk for the job's output is full. Tell the operators, then run it again.",
}

// Cancelled is the status of a job that is ended because of the wish stored in it.
func Cancelled(j *jobsv1.Job, byOperator bool) Status {
	st := Status{State: jobsv1.State_STATE_CANCELLED, Reason: jobsv1.Reason_REASON_CANCELLED_BY_OWNER, Time: j.GetCancelTime().AsTime()}
	if byOperator {
		st.Reason = jobsv1.Reason_REASON_CANCELLED_BY_OPERATOR
	}
	st.Message = Explain(st.Reason, 0, 0)
	if byOperator && j.GetCancelReason() != "" {
		st.Message = "Cancelled by an operator: " + j.GetCancelReason()
	}
	return st
}
