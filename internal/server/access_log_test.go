package server

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"google.golang.org/grpc"

	"github.com/stint-jobs/stint/internal/auth"
	"github.com/stint-jobs/stint/internal/layers"
)

// A line says who called, from where, and which service account acted for them.
func TestTheAccessLogNamesWhoActs(t *testing.T) {
	call := func(p auth.Principal) string {
		var out strings.Builder
		access := accessLog{log: slog.New(slog.NewTextHandler(&out, nil)), which: "all"}
		ctx := auth.NewContext(t.Context(), p)
		_, err := layers.Unary(access.layer)(ctx, nil, &grpc.UnaryServerInfo{FullMethod: "/stint.jobs.v1.JobService/Get"},
			func(context.Context, any) (any, error) { return nil, nil })
		if err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	line := call(auth.Principal{User: "ann", Actor: "gateway", How: auth.HowToken, Address: "192.0.2.7"})
	for _, want := range []string{"method=/stint.jobs.v1.JobService/Get", "user=ann", "how=token", "address=192.0.2.7", "actor=gateway"} {
		if !strings.Contains(line, want) {
			t.Errorf("%q is missing in %s", want, line)
		}
	}
	if line := call(auth.Principal{User: "ann", How: auth.HowToken}); strings.Contains(line, "actor=") {
		t.Errorf("nobody acted for ann: %s", line)
	}
}
