package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// IssueID names a report: the job and a number that grows with each report.
type IssueID struct {
	// Job that the report is about.
	Job job.ID
	// Seq is unique among all reports.
	Seq uint64
}

// String is `JOB-SEQ`.
func (id IssueID) String() string { return id.Job.String() + "-" + strconv.FormatUint(id.Seq, 10) }

// ParseIssueID reads what String wrote; anything else is job.ErrNotFound.
func ParseIssueID(s string) (IssueID, error) {
	first, second, ok := strings.Cut(s, "-")
	if !ok {
		return IssueID{}, fmt.Errorf("issue id without a dash: %w", job.ErrNotFound)
	}
	id, err := job.ParseID(first)
	if err != nil {
		return IssueID{}, err
	}
	seq, err := job.ParseID(second)
	return IssueID{Job: id, Seq: uint64(seq)}, err
}

func (id IssueID) key() []byte { return binary.BigEndian.AppendUint64(id.Job.Key(), id.Seq) }

// Issue is a stored report.
type Issue struct {
	// ID of the report.
	ID IssueID
	// Report as stored.
	Report *storev1.Issue
}

// MaxIssuesPerJob is how many reports there may be about a job. One more is job.ErrExhausted.
const MaxIssuesPerJob = 10

// AddIssue stores a report about a job and returns its id. It sets create_time. The report stays when the job is deleted.
func (s *Store) AddIssue(ctx context.Context, id job.ID, report *storev1.Issue) (IssueID, error) {
	issue := IssueID{Job: id}
	err := s.do(ctx, 1, func(b *batch) error {
		report.CreateTime = b.stamp
		raw, err := proto.Marshal(report)
		if err != nil {
			return fmt.Errorf("encode the report: %w", err)
		}
		if issuesOf(&b.tx.ReadTx, id) >= MaxIssuesPerJob {
			return job.Userf(job.ErrExhausted, "%d problems of job %s are reported already; the operators have them", MaxIssuesPerJob, id)
		}
		b.about = aboutJob(id, report.GetJob().GetOwner())
		if issue.Seq, err = b.tx.NextSequence(bucketIssues); err != nil {
			return err
		}
		return b.tx.Put(bucketIssues, issue.key(), raw)
	})
	if err != nil {
		return IssueID{}, fmt.Errorf("store a report about job %s: %w", id, err)
	}
	return issue, nil
}

// issuesOf counts the reports about a job, up to MaxIssuesPerJob.
func issuesOf(tx *kv.ReadTx, id job.ID) (n int) {
	c := tx.Cursor(bucketIssues)
	for k, _ := c.Seek(id.Key()); bytes.HasPrefix(k, id.Key()) && n < MaxIssuesPerJob; k, _ = c.Next() {
		n++
	}
	return n
}

// Issues answers reports, newest first, at most limit, with numbers below
// before; zero begins with the newest. more is whether there are older ones.
func (s *Store) Issues(before uint64, limit int) (issues []Issue, more bool, _ error) {
	err := s.inTx(func(tx *kv.ReadTx) error {
		ids, err := issueIDs(tx, before)
		if err != nil {
			return err
		}
		if more = len(ids) > limit; more {
			ids = ids[:limit]
		}
		for _, id := range ids {
			report := &storev1.Issue{}
			if err := proto.Unmarshal(tx.Get(bucketIssues, id.key()), report); err != nil {
				return fmt.Errorf("read issue %s: %w: %w", id, job.ErrStorage, err)
			}
			issues = append(issues, Issue{ID: id, Report: report})
		}
		return nil
	})
	return issues, more, err
}

// issueIDs are the reports with numbers below before, newest first. Only keys are read, and reports are few beside jobs.
func issueIDs(tx *kv.ReadTx, before uint64) ([]IssueID, error) {
	var ids []IssueID
	err := each(tx, bucketIssues, func(k, _ []byte) error {
		if len(k) != 16 {
			return fmt.Errorf("an issue's key has %d bytes: %w", len(k), job.ErrStorage)
		}
		id := IssueID{Job: job.IDFromKey(k[:8]), Seq: binary.BigEndian.Uint64(k[8:])}
		if before == 0 || id.Seq < before {
			ids = append(ids, id)
		}
		return nil
	})
	slices.SortFunc(ids, func(a, b IssueID) int { return cmp.Compare(b.Seq, a.Seq) })
	return ids, err
}
