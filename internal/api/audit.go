package api

import (
	"context"

	"google.golang.org/grpc"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/auth"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/layers"
	"github.com/stint-jobs/stint/internal/store"
)

// What a call is audited for stands in the table of package auth. What it changes is audited by the store, together
// with the change: the interceptors say who calls, and handlers do nothing for it.
// What it reads of somebody else's is audited by auditRead before anything is answered.

// Audited says to the store who makes a call. It goes behind the layer that authenticates.
func Audited(st *store.Store) layers.Layer {
	return func(c *layers.Call) (func(error) error, error) {
		ctx, err := audited(c.Context(), st, c.Method, c.Request)
		c.SetContext(ctx)
		return nil, err
	}
}

// audited is the context of a call that is audited as the table says.
func audited(ctx context.Context, st *store.Store, method string, req any) (context.Context, error) {
	p, ok := auth.FromContext(ctx)
	if !ok {
		return ctx, nil
	}
	switch auth.AuditOf(method) {
	case auth.AuditChanges:
		e := AuditEntry(p, method)
		if r, ok := req.(interface{ GetReason() string }); ok {
			e.Reason = r.GetReason()
		}
		return store.WithAudit(ctx, e), nil
	case auth.AuditCalls:
		return ctx, st.Audit(ctx, AuditEntry(p, method))
	case auth.AuditNothing, auth.AuditReads:
		fallthrough
	default:
		return ctx, nil
	}
}

// AuditEntry says who calls a method. What the store knows better, it fills in.
func AuditEntry(p auth.Principal, method string) *storev1.AuditEntry {
	return &storev1.AuditEntry{
		User: p.User, Actor: p.Actor, How: string(p.How), CredentialId: p.TokenID, Address: p.Address, Method: method,
	}
}

// auditRead is auditForeign where the table says that the RPC of ctx reads.
func (c Config) auditRead(ctx context.Context, read ...*jobsv1.Job) error {
	if method, _ := grpc.Method(ctx); auth.AuditOf(method) != auth.AuditReads {
		return nil
	}
	return c.auditForeign(ctx, read...)
}

// auditForeign stores that the RPC of ctx reads what belongs to those of the jobs that are
// not the caller's: an entry for each owner. Nothing may be answered before it.
func (c Config) auditForeign(ctx context.Context, read ...*jobsv1.Job) error {
	method, _ := grpc.Method(ctx)
	p, err := caller(ctx)
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
		if err := c.Store.Audit(ctx, e); err != nil {
			return err
		}
	}
	return nil
}
