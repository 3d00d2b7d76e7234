package file

import (
	"encoding/binary"
	"fmt"
	"strconv"

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

// Key is the number and then the job, so that the keys are in the order of reports.
func (id IssueID) Key() []byte {
	return append(binary.BigEndian.AppendUint64(nil, id.Seq), id.Job.Key()...)
}

// Issue is a stored report.
type Issue struct {
	// ID of the report.
	ID IssueID
	// Report as stored.
	Report *storev1.Issue
}

// ListIssues returns reports, newest first, at most limit, with numbers below before; zero begins with
// the newest. They end early once they have maxBytes in all, but for the first. more reports whether there are older ones.
func ListIssues(tx *kv.ReadTx, before uint64, limit, maxBytes int) (issues []Issue, more bool, _ error) {
	var below []byte
	if before > 0 {
		below = binary.BigEndian.AppendUint64(nil, before)
	}
	size := 0
	for k, raw := range tx.Descend(Issues, below) {
		size += len(raw)
		if more = len(issues) == limit || size > maxBytes && len(issues) > 0; more {
			break
		}
		issue, err := DecodeIssue(k, raw)
		if err != nil {
			return nil, false, err
		}
		issues = append(issues, issue)
	}
	return issues, more, nil
}

// CountIssues returns how many reports there are about each job. It reads keys alone.
func CountIssues(tx *kv.ReadTx) (map[job.ID]int, error) {
	count := make(map[job.ID]int)
	for k := range tx.Ascend(Issues, nil) {
		id, err := IssueIDOf(k)
		if err != nil {
			return nil, err
		}
		count[id.Job]++
	}
	return count, nil
}

// IssueIDOf reads a key of the bucket Issues.
func IssueIDOf(k []byte) (IssueID, error) {
	if len(k) != 16 {
		return IssueID{}, fmt.Errorf("an issue's key has %d bytes: %w", len(k), job.ErrStorage)
	}
	return IssueID{Seq: binary.BigEndian.Uint64(k), Job: job.IDFromKey(k[8:])}, nil
}

// DecodeIssue reads a key and a value of the bucket Issues.
func DecodeIssue(k, raw []byte) (Issue, error) {
	id, err := IssueIDOf(k)
	if err != nil {
		return Issue{}, err
	}
	report, err := decode(raw, &storev1.Issue{}, "issue %s", id)
	return Issue{ID: id, Report: report}, err
}
