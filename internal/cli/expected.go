package cli

import (
	"fmt"
	"strconv"

	"google.golang.org/protobuf/types/known/timestamppb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// positionWords says how much is before a waiting job; empty for one that has no place.
func positionWords(p *jobsv1.QueuePosition) string {
	switch {
	case p == nil:
		return ""
	case p.GetAtLeast():
		return fmt.Sprintf("at least %s of %s", plural(p.GetJobsAhead(), "job"), plural(p.GetUsersAhead(), "user"))
	case p.GetJobsAhead() == 0:
		return "no job: it is next"
	default:
		return fmt.Sprintf("%s of %s", plural(p.GetJobsAhead(), "job"), plural(p.GetUsersAhead(), "user"))
	}
}

// aheadWord is the number of jobs before a job, for a table.
func aheadWord(p *jobsv1.QueuePosition) string {
	if p == nil {
		return ""
	}
	n := strconv.FormatInt(p.GetJobsAhead(), 10)
	if p.GetAtLeast() {
		n += "+"
	}
	return n
}

// expectedWords says when something is expected, and how sure that is.
func (a *app) expectedWords(t *timestamppb.Timestamp, r *jobsv1.TimeRange) string {
	switch at := a.screen.timeExact(t); {
	case t == nil || r == nil:
		return at
	case r.GetLatest() == nil:
		return at + " (" + a.screen.timeExact(r.GetEarliest()) + " at the earliest)"
	default:
		return fmt.Sprintf("%s (9 in 10 such: %s to %s)", at, a.screen.timeExact(r.GetEarliest()), a.screen.timeExact(r.GetLatest()))
	}
}

// expectedCell is when a job is expected to start, or to end once it has, for a table.
func expectedCell(s screen, j *jobsv1.Job) string {
	switch t := expectedTime(j); {
	case t == nil:
		return ""
	case j.GetStartTime() == nil && j.GetExpectedStartTime() != nil:
		return "start " + s.time(t)
	default:
		return "end " + s.time(t)
	}
}

func expectedTime(j *jobsv1.Job) *timestamppb.Timestamp {
	if j.GetStartTime() == nil && j.GetExpectedStartTime() != nil {
		return j.GetExpectedStartTime()
	}
	return j.GetExpectedCompleteTime()
}

// isExpected reports whether a job has a place or an expected time.
func isExpected(j *jobsv1.Job) bool {
	return j.GetQueuePosition() != nil || expectedTime(j) != nil
}
