package api_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/timestamppb"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/api"
	authapi "github.com/stint-jobs/stint/internal/api/auth"
	"github.com/stint-jobs/stint/internal/auth"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/layers"
)

// bearing is a context in which the bearer of a secret calls.
func (w *world) bearing(secret string) context.Context {
	return metadata.AppendToOutgoingContext(w.Context(), "authorization", "Bearer "+secret)
}

// tokenIDs are the ids that a caller is shown.
func (w *world) tokenIDs(ctx context.Context, user string) map[string]bool {
	w.Helper()
	resp, err := w.tokens().ListTokens(ctx, &authv1.ListTokensRequest{User: user})
	must(w, err)
	ids := map[string]bool{}
	for _, t := range resp.GetTokens() {
		ids[t.GetId()] = true
	}
	return ids
}

func TestUsersLookAfterTheirOwnTokens(t *testing.T) {
	w := newWorld(t)
	ann, bob, op := w.as("ann"), w.as("bob"), w.as("root", "operator")
	made, err := w.tokens().CreateToken(ann, &authv1.CreateTokenRequest{Scopes: []string{"jobs:read"}, Description: "laptop"})
	must(t, err)
	id := made.GetToken().GetId()
	if got := made.GetToken(); got.GetUser() != "ann" || len(got.GetScopes()) != 1 || got.GetScopes()[0] != "jobs:read" {
		t.Errorf("made %v", got)
	}
	laptop := w.bearing(made.GetSecret())
	who, err := authv1.NewAuthServiceClient(w.conn).WhoAmI(laptop, &authv1.WhoAmIRequest{})
	if err != nil || who.GetUser() != "ann" || len(who.GetScopes()) != 1 || who.GetHow() != "token" {
		t.Errorf("the laptop is %v, %v", who, err)
	}
	_, err = w.jobs().List(laptop, &jobsv1.ListRequest{})
	must(t, err)
	_, err = w.jobs().Submit(laptop, &jobsv1.SubmitRequest{Job: copyJob()})
	refusal(t, err, codes.PermissionDenied, "SCOPE_REQUIRED")
	_, err = w.tokens().CreateToken(laptop, &authv1.CreateTokenRequest{})
	refusal(t, err, codes.PermissionDenied, "SCOPE_REQUIRED")

	if ids := w.tokenIDs(ann, ""); len(ids) != 2 || !ids[id] {
		t.Errorf("ann sees %v", ids)
	}
	if ids := w.tokenIDs(bob, ""); len(ids) != 1 || ids[id] {
		t.Errorf("bob sees %v", ids)
	}
	if len(w.tokenIDs(op, "")) != 4 || len(w.tokenIDs(op, "ann")) != 2 {
		t.Error("the operator does not see all")
	}
	_, err = w.tokens().ListTokens(bob, &authv1.ListTokensRequest{User: "ann"})
	refusal(t, err, codes.PermissionDenied, "PERMISSION_DENIED")
	_, err = w.tokens().ListTokens(op, &authv1.ListTokensRequest{User: "a b"})
	refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT")

	_, err = w.tokens().RevokeToken(bob, &authv1.RevokeTokenRequest{Id: id}) // as if there were none
	refusal(t, err, codes.NotFound, "NOT_FOUND")
	_, err = w.tokens().RevokeToken(ann, &authv1.RevokeTokenRequest{Id: id})
	must(t, err)
	_, err = w.jobs().List(laptop, &jobsv1.ListRequest{})
	refusal(t, err, codes.Unauthenticated, "TOKEN_UNKNOWN")
	made, err = w.tokens().CreateToken(op, &authv1.CreateTokenRequest{User: "bob", Roles: []string{"auditor"}})
	must(t, err)
	_, err = w.tokens().RevokeToken(op, &authv1.RevokeTokenRequest{Id: made.GetToken().GetId()})
	must(t, err)
}

func TestOnlyOperatorsMakeTokensForOthersAndGiveRoles(t *testing.T) {
	w := newWorld(t)
	ann := w.as("ann")
	for _, req := range []*authv1.CreateTokenRequest{
		{User: "bob"}, {Roles: []string{"operator"}}, {User: "ann", Roles: []string{"service"}}, {User: "root", Roles: []string{"auditor"}},
	} {
		_, err := w.tokens().CreateToken(ann, req)
		refusal(t, err, codes.PermissionDenied, "PERMISSION_DENIED")
	}
	if len(w.tokenIDs(ann, "")) != 1 {
		t.Error("a refused token was made")
	}
}

func TestANarrowTokenMakesNoWiderOne(t *testing.T) {
	w := newWorld(t)
	end := time.Now().Add(time.Hour)
	narrow := w.with(auth.Grant{User: "ann", Scopes: []string{"tokens", "jobs:read"}, Expires: end})
	made, err := w.tokens().CreateToken(narrow, &authv1.CreateTokenRequest{})
	must(t, err)
	if got := made.GetToken(); len(got.GetScopes()) != 2 || !got.GetExpireTime().AsTime().Equal(end.UTC()) {
		t.Errorf("made %v", got)
	}
	_, err = w.tokens().CreateToken(narrow, &authv1.CreateTokenRequest{
		Scopes: []string{"jobs:read", "files:read"}, ExpireTime: timestamppb.New(end.Add(time.Minute)),
	})
	if fields := refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT"); len(fields) != 2 || fields[0] != "scopes[1]" || fields[1] != "expireTime" {
		t.Errorf("fields %v", fields)
	}
}

func TestTokensOfAUserAreBounded(t *testing.T) {
	w := newWorld(t)
	ann := w.as("ann")
	for range (job.Limits{}).Of(job.QuotaTokens) - 1 {
		_, err := w.tokens().CreateToken(ann, &authv1.CreateTokenRequest{})
		must(t, err)
	}
	_, err := w.tokens().CreateToken(ann, &authv1.CreateTokenRequest{})
	refusal(t, err, codes.ResourceExhausted, "LIMIT_REACHED")
	w.as("bob") // has their own
}

func TestAServiceAccountActsForAUser(t *testing.T) {
	w := newWorld(t)
	gateway := w.as("gateway", "service", "operator")
	forAnn := metadata.AppendToOutgoingContext(gateway, "stint-act-for", "ann")
	forBob := metadata.AppendToOutgoingContext(gateway, "stint-act-for", "bob")
	j := w.submit(forAnn)
	if got, err := w.jobs().Get(w.as("ann"), &jobsv1.GetRequest{Id: j.GetId()}); err != nil || got.GetJob().GetOwner() != "ann" {
		t.Errorf("ann has %v, %v", got, err)
	}
	_, err := w.jobs().Get(forBob, &jobsv1.GetRequest{Id: j.GetId()})
	refusal(t, err, codes.NotFound, "NOT_FOUND")
	_, err = w.jobs().List(forBob, &jobsv1.ListRequest{Owner: "*"})
	refusal(t, err, codes.PermissionDenied, "PERMISSION_DENIED")
	for _, call := range []func() error{
		func() error {
			_, err := w.tokens().CreateToken(forAnn, &authv1.CreateTokenRequest{})
			return err
		},
		func() error {
			_, err := w.admin().SetSubmissions(forAnn, &adminv1.SetSubmissionsRequest{})
			return err
		},
	} {
		refusal(t, call(), codes.PermissionDenied, "SCOPE_REQUIRED")
	}
	who, err := authv1.NewAuthServiceClient(w.conn).WhoAmI(forAnn, &authv1.WhoAmIRequest{})
	if err != nil || who.GetUser() != "ann" || who.GetActor() != "gateway" || len(who.GetRoles()) != 1 {
		t.Errorf("they are %v, %v", who, err)
	}
	_, err = w.jobs().List(metadata.AppendToOutgoingContext(w.as("eve", "operator"), "stint-act-for", "ann"), &jobsv1.ListRequest{})
	refusal(t, err, codes.PermissionDenied, "ACT_FOR_NOT_ALLOWED")
	_, err = w.jobs().List(metadata.AppendToOutgoingContext(gateway, "stint-act-for", "a b"), &jobsv1.ListRequest{})
	if fields := refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT"); len(fields) != 1 || fields[0] != "Stint-Act-For" {
		t.Errorf("fields %v", fields)
	}
}

func TestTokensOfAFile(t *testing.T) {
	w := newWorld(t)
	offline := authapi.NewOfflineTokens(auth.NewTokens(w.store, nil))
	made, err := offline.CreateToken(t.Context(), &authv1.CreateTokenRequest{User: "ann", Roles: []string{"operator"}, Scopes: []string{"admin"}})
	must(t, err)
	_, err = offline.CreateToken(t.Context(), &authv1.CreateTokenRequest{}) // there is nobody whom it could be for
	refusal(t, statusOf(err), codes.InvalidArgument, "INVALID_ARGUMENT")
	list, err := offline.ListTokens(t.Context(), &authv1.ListTokensRequest{})
	if err != nil || len(list.GetTokens()) != 1 {
		t.Errorf("listed %v, %v", list, err)
	}
	_, err = offline.RevokeToken(t.Context(), &authv1.RevokeTokenRequest{Id: made.GetToken().GetId()})
	must(t, err)
}

// statusOf gives an error of a handler the form that the interceptor gives it.
func statusOf(err error) error {
	_, err = layers.Unary(api.Errors(discard()))(context.Background(), nil, &grpc.UnaryServerInfo{}, func(context.Context, any) (any, error) { return nil, err })
	return err
}
