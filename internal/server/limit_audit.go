package server

import (
	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
	"github.com/stint-jobs/stint/internal/auth"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/layers"
	"github.com/stint-jobs/stint/internal/limit"
	"github.com/stint-jobs/stint/internal/store"
)

// auditLimit bounds how many entries of the audit one user makes in a day, by what leaves more on the disk and by what they
// read of others. What ends or removes something is not counted: there is no more of it than was made.
type auditLimit struct {
	users, trusted *limit.Rates[who]
	limit          int64
}

// newAuditLimit returns one without any bound for 0, and in development mode.
func newAuditLimit(perDay int64, dev bool) *auditLimit {
	if dev {
		perDay = 0
	}
	factor := job.RowOf(job.QuotaAuditPerDay).Trusted
	return &auditLimit{
		limit: perDay, users: limit.NewRates[who](limit.PerDay(perDay)), trusted: limit.NewRates[who](limit.PerDay(factor * perDay)),
	}
}

// of returns what the entries of a caller are counted by; no Rates where nothing bounds them.
func (a *auditLimit) of(p auth.Principal) (key who, rates *limit.Rates[who], perDay int64) {
	key, trusted := whoOf(p)
	switch {
	case p.How == auth.HowSocket:
		return key, nil, 0
	case trusted:
		return key, a.trusted, job.RowOf(job.QuotaAuditPerDay).Trusted * a.limit
	default:
		return key, a.users, a.limit
	}
}

// spent returns how much a caller has used of what there is a day, and how much that is; 0 is no limit.
func (a *auditLimit) spent(p auth.Principal) (used, perDay int64) {
	key, rates, perDay := a.of(p)
	return rates.Spent(key), perDay
}

// layer refuses calls that would make one entry more than a user may make in a day. A call that fails gives its entry back.
func (a *auditLimit) layer(c *layers.Call) (end func(error) error, err error) {
	p, ok := auth.FromContext(c.Context())
	if !ok {
		return nil, nil
	}
	switch audited := auth.AuditOf(c.Method); {
	case audited == auth.AuditReads || audited == auth.AuditViews: // most have no entry, for they read what is the caller's
		c.SetContext(store.WithReadBudget(c.Context(), func() error { return a.take(p) }))
		return nil, nil
	case audited != auth.AuditChanges || diskUses[c.Method] != grows:
		return nil, nil
	}
	if err := a.take(p); err != nil {
		return nil, err
	}
	return func(err error) error {
		if err != nil {
			key, rates, _ := a.of(p)
			rates.GiveBack(key)
		}
		return err
	}, nil
}

// take counts an entry of a caller, or refuses it.
func (a *auditLimit) take(p auth.Principal) error {
	key, rates, perDay := a.of(p)
	wait, ok := rates.Take(key)
	if ok {
		return nil
	}
	full := job.Full(job.Reached{Quota: job.QuotaAuditPerDay, Subject: "user:" + key.user, Limit: perDay},
		"You have made %d entries of the audit in a day, which is as many as are taken.", perDay)
	full.RetryAfter = wait
	return full
}

// bounds says which quotas end what each method leaves on the disk. A test fails where a method that leaves something has none.
var bounds = map[string][]job.Quota{
	jobsv1.JobService_Submit_FullMethodName:      {job.QuotaActiveJobs, job.QuotaAuditPerDay},
	jobsv1.JobService_BatchSubmit_FullMethodName: {job.QuotaActiveJobs, job.QuotaAuditPerDay},
	jobsv1.JobService_Rerun_FullMethodName:       {job.QuotaActiveJobs, job.QuotaAuditPerDay},
	jobsv1.JobService_ReportIssue_FullMethodName: {job.QuotaReports, job.QuotaReportsOfJob, job.QuotaReportsPerDay},
	jobsv1.JobService_Keep_FullMethodName:        {job.QuotaKeptJobs, job.QuotaWorkspaceBytes, job.QuotaAuditPerDay},
	jobsv1.JobService_Share_FullMethodName:       {job.QuotaShares, job.QuotaSharesOfJob, job.QuotaAuditPerDay},

	workspacev1.WorkspaceService_Upload_FullMethodName:       {job.QuotaWorkspaceBytes, job.QuotaWorkspaceEntries, job.QuotaPathNames},
	workspacev1.WorkspaceService_MakeFolder_FullMethodName:   {job.QuotaWorkspaceBytes, job.QuotaWorkspaceEntries, job.QuotaPathNames},
	workspacev1.WorkspaceService_Move_FullMethodName:         {job.QuotaWorkspaceBytes, job.QuotaWorkspaceEntries, job.QuotaPathNames},
	workspacev1.WorkspaceService_Copy_FullMethodName:         {job.QuotaWorkspaceBytes, job.QuotaWorkspaceEntries, job.QuotaPathNames},
	workspacev1.WorkspaceService_CreateUpload_FullMethodName: {job.QuotaUploads, job.QuotaWorkspaceBytes, job.QuotaWorkspaceEntries, job.QuotaPathNames},
	workspacev1.WorkspaceService_AppendUpload_FullMethodName: {job.QuotaWorkspaceBytes, job.QuotaWorkspaceEntries},

	authv1.TokenService_CreateToken_FullMethodName: {job.QuotaTokens, job.QuotaAuditPerDay},
}
