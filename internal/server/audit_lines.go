package server

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/audit"
	"github.com/stint-jobs/stint/internal/store/file"
)

// auditLine is a line of an export. It has all that the hash is over, so that an export can be verified alone.
type auditLine struct {
	Sequence   uint64   `json:"sequence"`
	Time       string   `json:"time"`
	User       string   `json:"user"`
	Actor      string   `json:"actor,omitempty"`
	How        string   `json:"how,omitempty"`
	Credential string   `json:"credentialId,omitempty"`
	Address    string   `json:"address,omitempty"`
	Method     string   `json:"method"`
	JobIDs     []string `json:"jobIds,omitempty"`
	Subject    string   `json:"subject,omitempty"`
	Reason     string   `json:"reason,omitempty"`
	Repeats    uint64   `json:"repeats,omitempty"`
	LastRepeat string   `json:"lastRepeatTime,omitempty"`
	Previous   string   `json:"previousHash"`
	Hash       string   `json:"hash"`
}

func lineOf(before audit.Head, row audit.Row) auditLine {
	e := row.Entry
	l := auditLine{
		Sequence: row.Sequence, Time: e.GetTime().AsTime().Format(time.RFC3339Nano), User: e.GetUser(), Actor: e.GetActor(),
		How: e.GetHow(), Credential: e.GetCredentialId(), Address: e.GetAddress(), Method: e.GetMethod(), Subject: e.GetSubject(),
		Reason: e.GetReason(), Previous: hex.EncodeToString(before.Hash[:]), Hash: hex.EncodeToString(row.Hash[:]),
	}
	for _, id := range e.GetJobIds() {
		l.JobIDs = append(l.JobIDs, job.ID(id).String())
	}
	if l.Repeats = e.GetRepeats(); e.GetLastRepeatTime() != nil {
		l.LastRepeat = e.GetLastRepeatTime().AsTime().Format(time.RFC3339Nano)
	}
	return l
}

// row reads a line back, with the hash of the entry before.
func (l auditLine) row() (row audit.Row, previous audit.Hash, err error) {
	at, err := time.Parse(time.RFC3339Nano, l.Time)
	if err != nil {
		return row, previous, fmt.Errorf("its time cannot be read: %q", l.Time)
	}
	row.Sequence = l.Sequence
	row.Entry = &storev1.AuditEntry{
		Time: timestamppb.New(at), User: l.User, Actor: l.Actor, How: l.How, CredentialId: l.Credential, Address: l.Address,
		Method: l.Method, Subject: l.Subject, Reason: l.Reason, Repeats: l.Repeats,
	}
	if l.LastRepeat != "" {
		last, err := time.Parse(time.RFC3339Nano, l.LastRepeat)
		if err != nil {
			return row, previous, fmt.Errorf("its last time cannot be read: %q", l.LastRepeat)
		}
		row.Entry.LastRepeatTime = timestamppb.New(last)
	}
	for _, text := range l.JobIDs {
		id, err := job.ParseID(text)
		if err != nil {
			return row, previous, fmt.Errorf("%q is no id of a job", text)
		}
		row.Entry.JobIds = append(row.Entry.JobIds, uint64(id))
	}
	if row.Hash, err = parseHash(l.Hash); err == nil {
		previous, err = parseHash(l.Previous)
	}
	return row, previous, err
}

func parseHash(text string) (audit.Hash, error) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(audit.Hash{}) {
		return audit.Hash{}, fmt.Errorf("%q is no hash", text)
	}
	return audit.Hash(raw), nil
}

// exportAudit prints the entries of a database behind one.
func exportAudit(path string, since uint64, out io.Writer) error {
	w := bufio.NewWriterSize(out, 1<<16)
	lines := json.NewEncoder(w)
	lines.SetEscapeHTML(false)
	err := file.ReadAudit(path, since, func(before audit.Head, row audit.Row) error {
		return lines.Encode(lineOf(before, row))
	})
	return errors.Join(err, w.Flush())
}

// verifyAny verifies a database, or an export; - is an export from in.
func verifyAny(path string, in io.Reader, expect *audit.Head) (audit.Report, error) {
	if path == "-" {
		return verifyLines(in, expect)
	}
	export, err := isExport(path)
	if err != nil {
		return audit.Report{}, err
	}
	if !export {
		return file.VerifyAudit(path, expect)
	}
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return audit.Report{}, err
	}
	defer f.Close()
	return verifyLines(f, expect)
}

// maxAuditLine is longer than any line of an export: 1,000 jobs, and texts of the longest names.
const maxAuditLine = 1 << 20

// verifyLines verifies an export.
func verifyLines(in io.Reader, expect *audit.Head) (report audit.Report, err error) {
	scan := bufio.NewScanner(in)
	scan.Buffer(nil, maxAuditLine)
	var chain *audit.Verifier
	for n := 1; scan.Scan(); n++ {
		row, previous, err := readLine(scan.Bytes())
		if err != nil {
			return report, fmt.Errorf("line %d: %w", n, err)
		}
		if chain == nil {
			if row.Sequence == 0 {
				return report, fmt.Errorf("line %d: there is no entry 0", n)
			}
			chain = audit.NewVerifier(audit.Head{Sequence: row.Sequence - 1, Hash: previous}, expect)
		}
		chain.Follow(row, previous)
	}
	if err := scan.Err(); err != nil {
		return report, fmt.Errorf("read the export: %w", err)
	}
	if chain == nil {
		return report, errors.New("there is no entry in the export")
	}
	return chain.End(nil), nil
}

func readLine(text []byte) (row audit.Row, previous audit.Hash, err error) {
	var l auditLine
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields() // what is not hashed must not pass for what is
	if err := d.Decode(&l); err != nil {
		return row, previous, fmt.Errorf("it is no entry of an export: %w", err)
	}
	if d.More() {
		return row, previous, errors.New("there is something behind the entry")
	}
	return l.row()
}
