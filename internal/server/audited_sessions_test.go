package server

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/audit"
	"github.com/stint-jobs/stint/internal/store/credential"
	"github.com/stint-jobs/stint/internal/store/storetest"
)

func TestSigningInAndOutIsAudited(t *testing.T) {
	st := storetest.Open(t)
	s := auditedSessions{st}
	hash := credential.Hash{1}
	from := func(address string, do func(context.Context)) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/auth/callback", http.NoBody)
		r.RemoteAddr = address
		withAddress(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { do(r.Context()) })).ServeHTTP(httptest.NewRecorder(), r)
	}
	from("192.0.2.7:4711", func(ctx context.Context) {
		if _, err := s.PutSession(ctx, hash, &storev1.Session{Id: "s1", User: "ada"}, 5); err != nil {
			t.Error(err)
		}
	})
	if err := s.TouchSession(t.Context(), hash, time.Now()); err != nil {
		t.Error(err)
	}
	for _, want := range []error{nil, job.ErrNotFound} { // what is gone is not ended again
		from("[2001:db8::7]:1", func(ctx context.Context) {
			if _, err := s.DeleteSession(ctx, hash); !errors.Is(err, want) {
				t.Errorf("%v, want %v", err, want)
			}
		})
	}
	rows, _, err := st.AuditEntries(t.Context(), audit.Query{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	var got []*storev1.AuditEntry
	for _, r := range rows {
		got = append(got, r.Entry)
	}
	want := []*storev1.AuditEntry{
		{User: "ada", How: "session", CredentialId: "s1", Address: "2001:db8::7", Method: "sign-out"},
		{User: "ada", How: "session", CredentialId: "s1", Address: "192.0.2.7", Method: "sign-in"},
	}
	if diff := cmp.Diff(want, got, protocmp.Transform(), protocmp.IgnoreFields(&storev1.AuditEntry{}, "time")); diff != "" {
		t.Error(diff)
	}
}
