package store

import (
	"context"
	"encoding/binary"
	"fmt"
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

// key is the number and then the job, so that the keys are in the order of reports.
func (id IssueID) key() []byte {
	return append(binary.BigEndian.AppendUint64(nil, id.Seq), id.Job.Key()...)
}

// Issue is a stored report.
type Issue struct {
	// ID of the report.
	ID IssueID
	// Report as stored.
	Report *storev1.Issue
}

// AddIssue stores a report about a job and returns its id. It sets create_time. The report stays when the job is deleted.
func (s *Store) AddIssue(ctx context.Context, id job.ID, report *storev1.Issue) (IssueID, error) {
	issue := IssueID{Job: id}
	err := s.do(ctx, 1, func(b *batch) error {
		report.CreateTime = b.stamp
		raw, err := proto.Marshal(report)
		if err != nil {
			return fmt.Errorf("encode the report: %w", err)
		}
		b.target = target{user: report.GetJob().GetOwner(), jobs: []job.ID{id}}
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

// Issues returns reports, newest first, at most limit, with numbers below before; zero begins with the
// newest. more reports whether there are older ones.
func (s *Store) Issues(before uint64, limit int) (issues []Issue, more bool, _ error) {
	err := s.inTx(func(tx *kv.ReadTx) error {
		c := tx.Cursor(bucketIssues)
		for k, raw := lastIssue(c, before); k != nil; k, raw = c.Prev() {
			if more = len(issues) == limit; more {
				return nil
			}
			issue, err := decodeIssue(k, raw)
			if err != nil {
				return err
			}
			issues = append(issues, issue)
		}
		return nil
	})
	return issues, more, err
}

// lastIssue puts the cursor on the last report with a number below before. Zero is no bound.
func lastIssue(c *kv.Cursor, before uint64) (k, raw []byte) {
	if before == 0 {
		return c.Last()
	}
	if k, _ := c.Seek(binary.BigEndian.AppendUint64(nil, before)); k == nil {
		return c.Last()
	}
	return c.Prev()
}

func decodeIssue(k, raw []byte) (Issue, error) {
	if len(k) != 16 {
		return Issue{}, fmt.Errorf("an issue's key has %d bytes: %w", len(k), job.ErrStorage)
	}
	issue := Issue{ID: IssueID{Seq: binary.BigEndian.Uint64(k), Job: job.IDFromKey(k[8:])}, Report: &storev1.Issue{}}
	if err := proto.Unmarshal(raw, issue.Report); err != nil {
		return issue, fmt.Errorf("read issue %s: %w: %w", issue.ID, job.ErrStorage, err)
	}
	return issue, nil
}
