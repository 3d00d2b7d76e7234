package store

import (
	"context"
	"fmt"
	"sync"

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

// ParseIssueID reads the id of a report; see file.ParseIssueID.
func ParseIssueID(text string) (IssueID, error) { return file.ParseIssueID(text) }

// AddIssue stores a report about a job and returns its id. It sets create_time. The report stays when the job is deleted.
// One more than a job or its reporter may have is job.ErrExhausted.
func (s *Store) AddIssue(ctx context.Context, id job.ID, report *storev1.Issue) (IssueID, error) {
	issue := IssueID{Job: id}
	err := s.do(ctx, 1, func(b *batch) error {
		report.CreateTime = b.stamp
		if err := b.mayReport(id, report.GetReporter()); err != nil {
			return err
		}
		b.target = target{user: report.GetJob().GetOwner(), jobs: []uint64{uint64(id)}}
		var err error
		if issue.Seq, err = b.tx.NextSequence(file.Issues); err != nil {
			return err
		}
		b.issues[id]++
		b.reporters[report.GetReporter()]++
		return b.tx.PutMessage(file.Issues, issue.Key(), report)
	})
	if err != nil {
		return IssueID{}, fmt.Errorf("store a report about job %s: %w", id, err)
	}
	return issue, nil
}

// mayReport refuses one more report about a job, or by a user, than there may be.
func (b *batch) mayReport(id job.ID, reporter string) error {
	limit := b.s.cfg.Limits.Of(job.QuotaReportsOfJob)
	if int64(b.s.mem.issues.byJob[id]+b.issues[id]) >= limit {
		return job.Full(job.Reached{Quota: job.QuotaReportsOfJob, Subject: "job:" + id.String(), Field: "id", Limit: limit},
			"%d problems of job %s are reported already.", limit, id)
	}
	limit = b.s.cfg.Limits.Of(job.QuotaReports)
	if int64(b.s.mem.issues.of(reporter)+b.reporters[reporter]) >= limit {
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
		b.issues[id.Job]--
		b.reporters[b.target.user]--
		return b.tx.Delete(file.Issues, id.Key())
	})
}

// issueCounts are the numbers of problem reports. Those of a job belong to the writer; those of a user may be read at any time.
type issueCounts struct {
	byJob map[job.ID]int

	mu         sync.Mutex
	byReporter map[string]int
	reporters  map[uint64]string // by the number of the report
}

// add counts a report.
func (c *issueCounts) add(id IssueID, reporter string) {
	c.byJob[id.Job]++
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reporters[id.Seq] = reporter
	c.byReporter[reporter]++
}

// remove counts a report no more.
func (c *issueCounts) remove(id IssueID) {
	if c.byJob[id.Job]--; c.byJob[id.Job] == 0 {
		delete(c.byJob, id.Job)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	reporter := c.reporters[id.Seq]
	delete(c.reporters, id.Seq)
	if c.byReporter[reporter]--; c.byReporter[reporter] == 0 {
		delete(c.byReporter, reporter)
	}
}

// of returns how many reports of a user there are.
func (c *issueCounts) of(reporter string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.byReporter[reporter]
}

// load counts the reports of a file.
func (c *issueCounts) load(tx *kv.ReadTx) error {
	c.byJob, c.byReporter, c.reporters = make(map[job.ID]int), make(map[string]int), make(map[uint64]string)
	for k, raw := range tx.Ascend(file.Issues, nil) {
		id, err := file.IssueIDOf(k)
		if err != nil {
			return err
		}
		c.add(id, file.ReporterOf(raw))
	}
	return nil
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
