package admin

import (
	"context"
	"encoding/hex"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	"github.com/stint-jobs/stint/internal/api/page"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/audit"
)

// ListAudit returns who did what, newest first. A page can have fewer entries than asked for, also none, and
// still not be the last one: entries that do not fit are looked at in portions.
func (s *admin) ListAudit(ctx context.Context, req *adminv1.ListAuditRequest) (*adminv1.ListAuditResponse, error) {
	q, err := s.auditQuery(req)
	if err != nil {
		return nil, err
	}
	rows, next, err := s.cfg.Store.AuditEntries(ctx, q)
	if err != nil {
		return nil, err
	}
	resp := &adminv1.ListAuditResponse{}
	for _, r := range rows {
		resp.Entries = append(resp.Entries, auditEntry(r))
	}
	if next > 0 {
		resp.NextPageToken = s.cfg.Pages.SealNumber(next, auditBound(req)...)
	}
	return resp, nil
}

func (s *admin) auditQuery(req *adminv1.ListAuditRequest) (q audit.Query, err error) {
	q.Bound = page.Bound
	if q.Limit, err = page.Size(req.GetPageSize(), page.Default, page.Max); err != nil {
		return q, err
	}
	q.User = req.GetUser()
	if text := req.GetJobId(); text != "" {
		if q.Job, err = job.ParseID(text); err != nil {
			return q, job.Invalid("jobId", "is no id of a job")
		}
	}
	q.Before, err = s.cfg.Pages.OpenNumber(req.GetPageToken(), auditBound(req)...)
	return q, err
}

// auditBound is what must be the same on every page.
func auditBound(req *adminv1.ListAuditRequest) []string {
	return []string{"audit", req.GetUser(), req.GetJobId()}
}

func auditEntry(r audit.Row) *adminv1.AuditEntry {
	e := r.Entry
	out := &adminv1.AuditEntry{
		Sequence: r.Sequence, Time: e.GetTime(), User: e.GetUser(), Actor: e.GetActor(), How: e.GetHow(),
		CredentialId: e.GetCredentialId(), Address: e.GetAddress(), Method: e.GetMethod(), Subject: e.GetSubject(),
		Reason: e.GetReason(), Hash: hex.EncodeToString(r.Hash[:]),
		Repeats: int64(e.GetRepeats()), LastRepeatTime: e.GetLastRepeatTime(), //nolint:gosec // a count of reads is far below 2^63
	}
	for _, id := range e.GetJobIds() {
		out.JobIds = append(out.JobIds, job.ID(id).String())
	}
	return out
}
