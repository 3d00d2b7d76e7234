package store

import (
	"context"
	"fmt"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/file"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// What a problem report is; see package record.
type (
	// IssueID names a report.
	IssueID = file.IssueID
	// Issue is a stored report.
	Issue = file.Issue
)

// MaxIssuesPerJob is how many reports there may be about a job. One more is job.ErrExhausted.
const MaxIssuesPerJob = 10

// AddIssue stores a report about a job and returns its id. It sets create_time. The report stays when the job is deleted.
func (s *Store) AddIssue(ctx context.Context, id job.ID, report *storev1.Issue) (IssueID, error) {
	issue := IssueID{Job: id}
	err := s.do(ctx, 1, func(b *batch) error {
		report.CreateTime = b.stamp
		if b.s.mem.issues[id]+b.issues[id] >= MaxIssuesPerJob {
			return job.Userf(job.ErrExhausted, "%d problems of job %s are reported already; the operators have them", MaxIssuesPerJob, id)
		}
		b.target = target{user: report.GetJob().GetOwner(), jobs: []uint64{uint64(id)}}
		var err error
		if issue.Seq, err = b.tx.NextSequence(file.Issues); err != nil {
			return err
		}
		b.issues[id]++
		return b.tx.PutMessage(file.Issues, issue.Key(), report)
	})
	if err != nil {
		return IssueID{}, fmt.Errorf("store a report about job %s: %w", id, err)
	}
	return issue, nil
}

// Issues returns reports, newest first, at most limit, with numbers below before; zero begins with the newest. They end
// early once they have maxBytes in all, but for the first. more reports whether there are older ones.
func (s *Store) Issues(before uint64, limit, maxBytes int) (issues []Issue, more bool, _ error) {
	err := s.view(func(tx *kv.ReadTx) (err error) {
		issues, more, err = file.ListIssues(tx, before, limit, maxBytes)
		return err
	})
	return issues, more, err
}
