package auth

import (
	"context"
	"net"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// screened is what Screen makes of a call with such values of Authorization.
func (f *fixture) screened(method string, values ...string) (*Principal, error) {
	ctx := peer.NewContext(context.Background(), &peer.Peer{Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1}})
	md := metadata.MD{}
	md.Append("authorization", values...)
	ctx, err := f.auth.Screen(metadata.NewIncomingContext(ctx, md), method)
	p, _ := ctx.Value(screenedKey{}).(*Principal)
	return p, err
}

// screenReason is the reason of a refusal; empty for none.
func screenReason(err error) string {
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return ""
}

func TestScreenDecidesByWhatIsInMemory(t *testing.T) {
	f := newFixture(t, ModeToken)
	_, used := f.token(t, Grant{User: "alice"})
	_, narrow := f.token(t, Grant{User: "alice", Scopes: []string{string(ScopeTokens)}})
	_, short := f.token(t, Grant{User: "alice", Expires: time.Now().Add(time.Second)})
	id, revoked := f.token(t, Grant{User: "alice"})
	for _, text := range []string{used, narrow, short, revoked} {
		if _, err := f.header([]string{"Bearer " + text}); err != nil {
			t.Fatal(err)
		}
	}
	f.auth.Revoked(id)
	_, fresh := f.token(t, Grant{User: "bob"})
	<-time.After(1100 * time.Millisecond)
	const submit = jobsv1.JobService_Submit_FullMethodName
	before := f.store.lookups
	for name, c := range map[string]struct {
		method string
		values []string
		user   string // who is known at once
		want   string
	}{
		"a token that was used":     {submit, []string{"Bearer " + used}, "alice", ""},
		"one that was not":          {submit, []string{"Bearer " + fresh}, "", ""},
		"one that was revoked":      {submit, []string{"Bearer " + revoked}, "", ""}, // the store no longer has it
		"one that has expired":      {submit, []string{"Bearer " + short}, "", "TOKEN_EXPIRED"},
		"one without the scope":     {submit, []string{"Bearer " + narrow}, "", "SCOPE_REQUIRED"},
		"a role that is missing":    {jobsv1.JobService_Report_FullMethodName, []string{"Bearer " + used}, "", "ROLE_REQUIRED"},
		"nothing":                   {submit, nil, "", "CREDENTIALS_MISSING"},
		"nonsense":                  {submit, []string{"Bearer nonsense"}, "", "TOKEN_MALFORMED"},
		"another scheme":            {submit, []string{"Basic YTpi"}, "", "CREDENTIALS_UNSUPPORTED"},
		"two":                       {submit, []string{"Bearer " + used, "Bearer " + used}, "", "CREDENTIALS_UNSUPPORTED"},
		"nothing, where all may":    {authv1.AuthService_GetSignInOptions_FullMethodName, nil, "", ""},
		"a method that there isn't": {"/stint.jobs.v1.JobService/Nothing", nil, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := f.screened(c.method, c.values...)
			if got := screenReason(err); got != c.want {
				t.Errorf("%q, want %q: %v", got, c.want, err)
			}
			if c.user == "" && p != nil || c.user != "" && (p == nil || p.User != c.user || p.Address != "192.0.2.1") {
				t.Errorf("known as %+v", p)
			}
		})
	}
	if f.store.lookups != before {
		t.Errorf("the store was asked %d times", f.store.lookups-before)
	}
}
