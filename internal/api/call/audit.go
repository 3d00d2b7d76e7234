package call

import (
	"context"

	"google.golang.org/grpc"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/auth"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
)

// What a call is audited for stands in the table of package auth. What it changes is audited by the store, together
// with the change: the interceptors say who calls, and handlers do nothing for it.
// What it reads of somebody else's is audited by AuditRead before anything is answered.

// AuditEntry returns an entry that says who calls a method. What the store knows better, it fills in.
func AuditEntry(p auth.Principal, method string) *storev1.AuditEntry {
	return &storev1.AuditEntry{
		User: p.User, Actor: p.Actor, How: string(p.How), CredentialId: p.TokenID, Address: p.Address, Method: method,
	}
}

// AuditRead is AuditForeign where the table says that the RPC of ctx reads.
func AuditRead(ctx context.Context, st *store.Store, read ...*jobsv1.Job) error {
	if method, _ := grpc.Method(ctx); auth.AuditOf(method) != auth.AuditReads {
		return nil
	}
	return AuditForeign(ctx, st, read...)
}

// AuditForeign stores that the RPC of ctx reads what belongs to those of the jobs that are
// not the caller's: an entry for each owner. Nothing may be answered before it.
func AuditForeign(ctx context.Context, st *store.Store, read ...*jobsv1.Job) error {
	method, _ := grpc.Method(ctx)
	p, err := Caller(ctx)
	if err != nil {
		return err
	}
	entries := make(map[string]*storev1.AuditEntry)
	var order []*storev1.AuditEntry
	for _, j := range read {
		owner := j.GetOwner()
		if owner == p.User {
			continue
		}
		e := entries[owner]
		if e == nil {
			e = AuditEntry(p, method)
			e.Subject = owner
			entries[owner], order = e, append(order, e)
		}
		id, err := job.ParseID(j.GetId())
		if err != nil {
			return err
		}
		e.JobIds = append(e.JobIds, uint64(id))
	}
	for _, e := range order {
		if err := st.AuditRead(ctx, e); err != nil {
			return err
		}
	}
	return nil
}
