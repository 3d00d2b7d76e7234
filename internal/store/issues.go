package store

import (
	"context"
	"fmt"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/file"
	"github.com/stint-jobs/stint/internal/store/kv"
	"github.com/stint-jobs/stint/internal/weight"
)

// What a problem report is; see package record.
type (
	// IssueID names a report.
	IssueID = file.IssueID
	// Issue is a stored report.
	Issue = file.Issue
)

// ParseIssueID reads the id of a report; see file.ParseIssueID.
func ParseIssueID(text string) (IssueID, error) { return file.ParseIssueID(text) }

// AddIssue stores a report about a job and returns its id. It sets create_time. The report stays when the job is deleted.
// One more than a job or its reporter may have is job.ErrExhausted.
func (s *Store) AddIssue(ctx context.Context, id job.ID, report *storev1.Issue) (IssueID, error) {
	issue := IssueID{Job: id}
	count := func(tx *kv.ReadTx, c file.IssueCounts) (file.IssueCounts, error) {
		return file.CountIssues(tx, id, report.GetReporter(), c)
	}
	earlier, err := read(s, func(tx *kv.ReadTx) (file.IssueCounts, error) { return count(tx, file.IssueCounts{}) })
	if err != nil {
		return IssueID{}, fmt.Errorf("count the reports about job %s: %w", id, err)
	}
	err = s.do(ctx, 1, func(b *batch) error {
		report.CreateTime = b.stamp
		c, err := count(&b.tx.ReadTx, earlier) // those that came meanwhile
		if err == nil {
			err = s.mayReport(id, report.GetReporter(), c)
		}
		if err != nil {
			return err
		}
		b.target = target{user: report.GetJob().GetOwner(), jobs: []uint64{uint64(id)}}
		if issue.Seq, err = b.tx.NextSequence(file.Issues); err != nil {
			return err
		}
		return b.tx.PutMessage(file.Issues, issue.Key(), report)
	})
	if err != nil {
		return IssueID{}, fmt.Errorf("store a report about job %s: %w", id, err)
	}
	return issue, nil
}

// mayReport refuses one more report about a job, or by a user, than there may be.
func (s *Store) mayReport(id job.ID, reporter string, have file.IssueCounts) error {
	limit := s.cfg.Limits.Of(job.QuotaReportsOfJob)
	if have.OfJob >= limit {
		return job.Full(job.Reached{Quota: job.QuotaReportsOfJob, Subject: "job:" + id.String(), Field: "id", Limit: limit},
			"%d problems of job %s are reported already.", limit, id)
	}
	limit = s.cfg.Limits.Of(job.QuotaReports)
	if have.ByUser >= limit {
		return job.Full(job.Reached{Quota: job.QuotaReports, Subject: "user:" + reporter, Limit: limit},
			"%d problem reports of yours are stored, which is as many as a user may have.", limit)
	}
	return nil
}

// DeleteIssue deletes a report. It returns job.ErrNotFound where there is none of that id.
func (s *Store) DeleteIssue(ctx context.Context, id IssueID) error {
	return s.do(ctx, 1, func(b *batch) error {
		raw := b.tx.Get(file.Issues, id.Key())
		if raw == nil {
			return job.Userf(job.ErrNotFound, "There is no problem report %s.", id)
		}
		b.target.jobs = []uint64{uint64(id.Job)}
		b.target.user = file.ReporterOf(raw)
		return b.tx.Delete(file.Issues, id.Key())
	})
}

// Issues returns reports, newest first, at most limit, with numbers below before; zero begins with the newest. They end
// early once they are more than the bound together, but for the first. more reports whether there are older ones.
func (s *Store) Issues(before uint64, limit int, bound weight.Bound) (issues []Issue, more bool, _ error) {
	return read2(s, func(tx *kv.ReadTx) ([]Issue, bool, error) { return file.ListIssues(tx, before, limit, bound) })
}
