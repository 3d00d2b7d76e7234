package scheduler

import (
	"fmt"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/scheduler/policy"
)

// Why returns why a job that is not final and not on its executor waits now, also in words. It is
// derived when it is asked for, so it is never older than the answer. The reason is unspecified
// where the record says why: for a job that is on its executor, and for one between two attempts.
// It may be called at any time.
func (s *Scheduler) Why(id job.ID, executor string) (jobsv1.Reason, string) {
	if s.lanes[executor] == nil {
		return jobsv1.Reason_REASON_WAITING_FOR_ENGINE, "The executor \"" + executor + "\" is not configured on this server."
	}
	s.mu.Lock()
	w := s.policy.Why(id, time.Now())
	s.mu.Unlock()
	if w.Reason == policy.Unknown {
		return jobsv1.Reason_REASON_UNSPECIFIED, ""
	}
	if message := s.held(); message != "" {
		return jobsv1.Reason_REASON_WAITING_FOR_SPACE, message
	}
	return explain(w)
}

// Forecast says what a job that asks for r would wait for now, or "".
func (s *Scheduler) Forecast(executor string, r *jobsv1.Resources) string {
	s.mu.Lock()
	w := s.policy.Forecast(executor, waitingJob(0, "", 0, r), time.Now())
	s.mu.Unlock()
	if w.Reason == policy.Unknown || w.Reason == policy.Ready {
		return ""
	}
	_, message := explain(w)
	return message
}

// explain puts a reason of the policy into the words of the API.
func explain(w policy.Why) (jobsv1.Reason, string) {
	switch w.Reason {
	case policy.Capped:
		return jobsv1.Reason_REASON_WAITING_FOR_TURN,
			fmt.Sprintf("Waiting for one of your own jobs to end: each user may have %d on the executors at a time.", w.MaxActive)
	case policy.Behind:
		return jobsv1.Reason_REASON_WAITING_FOR_TURN, "Waiting for its turn: a job before it needs what is free."
	case policy.Never:
		return jobsv1.Reason_REASON_WAITING_FOR_RESOURCES,
			"It cannot start: what it asks for " + neverWords(w) + ". Cancel it and submit it again with less."
	case policy.Short:
		if w.Resource == policy.Slots {
			return jobsv1.Reason_REASON_WAITING_FOR_RESOURCES, fmt.Sprintf("Waiting for one of the %d jobs on this executor to end.", w.Total)
		}
		return jobsv1.Reason_REASON_WAITING_FOR_RESOURCES, fmt.Sprintf("Waiting for %s: needs %s, and %s of %s are free.", resourceWord(w.Resource),
			amount(w.Resource, w.Need), amount(w.Resource, w.Free), amount(w.Resource, w.Total))
	case policy.Ready, policy.Unknown:
		fallthrough
	default:
		return jobsv1.Reason_REASON_WAITING_FOR_TURN, job.Explain(jobsv1.Reason_REASON_WAITING_FOR_TURN, 0, 0)
	}
}

// held says why no attempt may start at the moment, or "".
func (s *Scheduler) held() string {
	if s.cfg.Held == nil {
		return ""
	}
	return s.cfg.Held()
}
