package file

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/kv"
	"github.com/stint-jobs/stint/internal/weight"
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

// ParseIssueID reads what String wrote. Anything else is job.ErrNotFound, for no report has such an id.
func ParseIssueID(text string) (IssueID, error) {
	of, number, _ := strings.Cut(text, "-")
	id, err := job.ParseID(of)
	seq, err2 := strconv.ParseUint(number, 10, 64)
	if parsed := (IssueID{id, seq}); err == nil && err2 == nil && parsed.String() == text {
		return parsed, nil
	}
	return IssueID{}, job.Userf(job.ErrNotFound, "There is no problem report %.40q.", text)
}

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
// the newest. They end early once they are more than the bound together, but for the first. more reports whether there are older ones.
func ListIssues(tx *kv.ReadTx, before uint64, limit int, bound weight.Bound) (issues []Issue, more bool, _ error) {
	var below []byte
	if before > 0 {
		below = binary.BigEndian.AppendUint64(nil, before)
	}
	room := weight.NewBudget(bound)
	for k, raw := range tx.Descend(Issues, below) {
		if more = len(issues) == limit || !room.Add(weight.Encoded{Bytes: raw, Message: issueRecord}); more {
			break
		}
		one, err := DecodeIssue(k, raw)
		if err != nil {
			return nil, false, err
		}
		issues = append(issues, one)
	}
	return issues, more, nil
}

// ReporterOf returns who made the report of a value. It reads no more than that field, which is the first one, for a
// report has a whole job. It is empty where the value does not begin with it.
func ReporterOf(raw []byte) string {
	number, kind, n := protowire.ConsumeTag(raw)
	if n < 0 || number != 1 || kind != protowire.BytesType {
		return ""
	}
	reporter, _ := protowire.ConsumeString(raw[n:])
	return reporter
}

// IssueCounts are numbers of reports.
type IssueCounts struct {
	// OfJob are about a job, and ByUser made by a user.
	OfJob, ByUser int64
	// Last is the number of the last report that was counted.
	Last uint64
}

// CountIssues adds the reports behind the last one that was counted.
func CountIssues(tx *kv.ReadTx, about job.ID, reporter string, c IssueCounts) (IssueCounts, error) {
	for k, raw := range tx.Ascend(Issues, IssueID{Seq: c.Last + 1}.Key()) {
		id, err := IssueIDOf(k)
		if err != nil {
			return c, err
		}
		if c.Last = id.Seq; id.Job == about {
			c.OfJob++
		}
		if ReporterOf(raw) == reporter {
			c.ByUser++
		}
	}
	return c, nil
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
