package store

import (
	"fmt"
	"math/bits"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/file"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// QueueQuery asks for a page of the queue.
type QueueQuery struct {
	// Scope is whose jobs are shown whole; all others are masked. Its Right counts.
	Scope Scope
	// State is QUEUED or RUNNING; unspecified means both.
	State jobsv1.State
	// After is the job behind which the page begins. Zero is the beginning.
	After job.ID
	// Limit is the most rows. It must be positive.
	Limit int
}

// QueuePage is the part of the queue behind QueueQuery.After.
type QueuePage struct {
	// Rows in the order in which the jobs were submitted. A job that left the queue while the page was read is left out.
	Rows []*adminv1.QueueRow
	// Next is the job behind which the next page begins. Zero when this is the last one.
	Next job.ID
	// Queued and Running are how many jobs of everybody are.
	Queued, Running int64
}

// Queue returns a page of everybody's jobs that are not final. What it costs
// depends on these jobs alone, not on those that ended.
func (s *Store) Queue(q QueueQuery) (*QueuePage, error) {
	active := s.mem.index.Active(q.State, q.After, q.Limit)
	page := &QueuePage{Next: active.Next, Queued: active.Queued, Running: active.Running}
	err := s.view(func(tx *kv.ReadTx) error {
		for _, id := range active.IDs {
			row, err := queueRow(tx, &q, id)
			if err != nil {
				return fmt.Errorf("read the queue: %w", err)
			}
			if row != nil {
				page.Rows = append(page.Rows, row)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return page, nil
}

func (q *QueueQuery) wants(state jobsv1.State) bool {
	return q.State == state || q.State == jobsv1.State_STATE_UNSPECIFIED && !job.Terminal(state)
}

// queueRow returns a job as the scope sees it in the queue; nil when it left it.
func queueRow(tx *kv.ReadTx, q *QueueQuery, id job.ID) (*adminv1.QueueRow, error) {
	j, err := file.GetJob(tx, id, jobsv1.JobView_JOB_VIEW_BASIC)
	if err != nil || j == nil || !q.wants(j.GetState()) {
		return nil, err
	}
	seen, err := seen(tx, q.Scope, id, j)
	switch {
	case err != nil:
		return nil, err
	case !seen:
		return masked(j), nil
	}
	row := &adminv1.QueueRow{
		Id: j.GetId(), Owner: j.GetOwner(), Service: j.GetService(), OutputName: j.GetOutputName(),
		State: j.GetState(), Reason: j.GetReason(), SubmitTime: j.GetSubmitTime(), StartTime: runsSince(j),
		Executor: j.GetExecutor(), Resources: j.GetResources(), ExpectedStartTime: j.GetExpectedStartTime(),
	}
	return row, nil
}

// runsSince is when the command started that runs now; nil while the job waits, also for another attempt.
func runsSince(j *jobsv1.Job) *timestamppb.Timestamp {
	if j.GetState() != jobsv1.State_STATE_RUNNING {
		return nil
	}
	return j.GetStartTime()
}

// masked is what is told of a job to those who may not see it: that it is there,
// since when, and about how much it asks for.
//
// Left out is what follows from who it belongs to or what it runs: the reason,
// since a limit of its owner is one; the executor, partition, account, constraint and quality of service, which a
// service can choose; and when the engine expects to start it, which weighs accounts. Times are to the minute,
// since jobs of one request have the same to the nanosecond. Amounts are rounded up to a
// power of two (cores, GPUs, bytes, hours), since the defaults of a service are as good as its name.
func masked(j *jobsv1.Job) *adminv1.QueueRow {
	asked := j.GetResources()
	row := &adminv1.QueueRow{
		Masked: true, State: j.GetState(), SubmitTime: toMinute(j.GetSubmitTime()), StartTime: toMinute(runsSince(j)),
		Resources: &jobsv1.Resources{
			Cpus: int32(powerOfTwo(int64(asked.GetCpus()))), Gpus: int32(powerOfTwo(int64(asked.GetGpus()))),
			MemoryBytes: powerOfTwo(asked.GetMemoryBytes()),
		},
	}
	if limit := asked.GetTimeLimit(); limit != nil {
		hours := int64((limit.AsDuration() + time.Hour - 1) / time.Hour)
		row.Resources.TimeLimit = durationpb.New(time.Duration(powerOfTwo(hours)) * time.Hour)
	}
	return row
}

// powerOfTwo is the least power of two that is not below n; n itself when it is not positive or there is none.
func powerOfTwo(n int64) int64 {
	if n <= 0 || n > 1<<62 {
		return n
	}
	return 1 << bits.Len64(uint64(n-1))
}

func toMinute(t *timestamppb.Timestamp) *timestamppb.Timestamp {
	if t == nil {
		return nil
	}
	return &timestamppb.Timestamp{Seconds: t.GetSeconds() - t.GetSeconds()%60}
}
