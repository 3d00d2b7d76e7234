package job

import (
	"slices"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// Defaults of a retry policy, as job.proto states them.
const (
	// DefaultMaxAttempts counts the first attempt too.
	DefaultMaxAttempts = 3
	// DefaultBackoff is the wait before the second attempt.
	DefaultBackoff = 10 * time.Second
	// MaxBackoff bounds the doubled waits.
	MaxBackoff = 10 * time.Minute
)

// infrastructure are the reasons that say nothing about the job itself.
var infrastructure = []jobsv1.Reason{
	jobsv1.Reason_REASON_NODE_FAILED,
	jobsv1.Reason_REASON_PREEMPTED,
	jobsv1.Reason_REASON_LAUNCH_FAILED,
	jobsv1.Reason_REASON_LOST,
}

// Retryable reports whether a policy may ask for another attempt after r: any
// failure of the command or of what is under it, but nothing that somebody wanted.
func Retryable(r jobsv1.Reason) bool {
	switch r {
	case jobsv1.Reason_REASON_EXIT_NONZERO, jobsv1.Reason_REASON_SIGNALLED, jobsv1.Reason_REASON_OUT_OF_MEMORY,
		jobsv1.Reason_REASON_TIME_LIMIT, jobsv1.Reason_REASON_DISK_FULL, jobsv1.Reason_REASON_OUTPUT_FAILED:
		return true
	default:
		return slices.Contains(infrastructure, r)
	}
}

// Factor returns how many times what the failed attempt had the next one gets, of memory after
// OUT_OF_MEMORY and of time after TIME_LIMIT. It reports false where the policy does not say.
func Factor(p *jobsv1.RetryPolicy, reason jobsv1.Reason) (float64, bool) {
	switch {
	case reason == jobsv1.Reason_REASON_OUT_OF_MEMORY && p != nil && p.MemoryFactor != nil:
		return p.GetMemoryFactor(), true
	case reason == jobsv1.Reason_REASON_TIME_LIMIT && p != nil && p.TimeFactor != nil:
		return p.GetTimeFactor(), true
	default:
		return 1, false
	}
}

// Retry says whether another attempt follows the one that just failed for
// reason as attempt number n, and how long to wait before it.
func Retry(p *jobsv1.RetryPolicy, reason jobsv1.Reason, n int) (wait time.Duration, again bool) {
	most := int(p.GetMaxAttempts())
	if most == 0 {
		most = DefaultMaxAttempts
	}
	reasons := p.GetReasons()
	if len(reasons) == 0 {
		reasons = infrastructure
	}
	if _, grows := Factor(p, reason); n >= most || !grows && !slices.Contains(reasons, reason) {
		return 0, false
	}
	wait = DefaultBackoff
	if p.GetBackoff() != nil {
		wait = p.GetBackoff().AsDuration()
	}
	for range n - 1 {
		if wait >= MaxBackoff {
			break
		}
		wait *= 2
	}
	return min(wait, max(MaxBackoff, p.GetBackoff().AsDuration())), true
}
