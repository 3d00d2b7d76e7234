package server

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/auth"
	"github.com/stint-jobs/stint/internal/gateway"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/layers"
)

// lines are what calls left in the log.
func lines(t *testing.T, which string, calls func(*callLog)) []map[string]any {
	t.Helper()
	var out strings.Builder
	calls(newCallLog(slog.New(slog.NewJSONHandler(&out, nil)), which))
	var all []map[string]any
	for line := range strings.Lines(out.String()) {
		fields := map[string]any{}
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatal(err)
		}
		all = append(all, fields)
	}
	return all
}

func TestEachRefusalHasALineThatSaysWho(t *testing.T) {
	id, text := auth.NewSecret()
	method := jobsv1.JobService_Get_FullMethodName
	for name, c := range map[string]struct {
		err          error
		who          auth.Principal
		code, reason string
	}{
		"unknown": {refusedFor(t, text), auth.Principal{}, "Unauthenticated", "TOKEN_UNKNOWN"},
		"denied":  {job.ErrDenied, auth.Principal{User: "ann", How: auth.HowToken, TokenID: "abc", Actor: "portal"}, "PermissionDenied", "PERMISSION_DENIED"},
		"limited": {job.ErrTooFast, auth.Principal{User: "ann", TokenID: "abc"}, "ResourceExhausted", "RATE_LIMITED"},
	} {
		t.Run(name, func(t *testing.T) {
			got := lines(t, "none", func(l *callLog) {
				ctx := from("192.0.2.7", "")
				ctx = metadata.NewIncomingContext(ctx, metadata.Pairs("authorization", "Bearer "+text, "x-request-id", "r-1"))
				_ = layers.Refuse(auth.NewContext(ctx, c.who), method, c.err, l.layer)
			})
			if len(got) != 1 {
				t.Fatalf("%d lines", len(got))
			}
			want := map[string]any{"level": "WARN", "msg": "refused", "route": method, "code": c.code, "reason": c.reason, "address": "192.0.2.7", "request_id": "r-1", "credential": "abc"}
			if c.who.TokenID == "" {
				want["credential"] = id
			}
			for key, value := range want {
				if got[0][key] != value {
					t.Errorf("%s is %v, want %v: %v", key, got[0][key], value, got[0])
				}
			}
			if _, ok := got[0]["duration_ms"].(float64); !ok || c.who.Actor != "" && got[0]["actor"] != c.who.Actor {
				t.Errorf("%v", got[0])
			}
		})
	}
}

func TestCallsAreLoggedAsAskedFor(t *testing.T) {
	for which, want := range map[string]int{"none": 0, "errors": 1, "all": 2} {
		got := lines(t, which, func(l *callLog) {
			for _, err := range []error{nil, job.ErrNotFound} {
				_ = layers.Refuse(from("192.0.2.7", ""), jobsv1.JobService_Get_FullMethodName, err, l.layer)
			}
		})
		if len(got) != want {
			t.Errorf("%s: %d lines, want %d", which, len(got), want)
		}
	}
}

func TestAFloodOfRefusalsDoesNotFillTheLog(t *testing.T) {
	const flood = 10 * refusalsLogged
	var counted int64 // each line has how many before it were skipped
	got := lines(t, "errors", func(l *callLog) {
		for range flood {
			_ = layers.Refuse(from("192.0.2.7", ""), jobsv1.JobService_Get_FullMethodName, refusedFor(t, ""), l.layer)
		}
		counted = l.skipped.Load()
	})
	for _, line := range got {
		n, _ := line["skipped"].(float64)
		counted += 1 + int64(n)
	}
	if counted != flood {
		t.Errorf("%d of %d are told or counted", counted, flood)
	}
	if len(got) > flood/2 {
		t.Errorf("%d lines", len(got))
	}
}

func TestRequestsHaveANameAndALine(t *testing.T) {
	for given, kept := range map[string]bool{"r-1": true, "": false, "with a blank": false, strings.Repeat("x", 200): false} {
		w := httptest.NewRecorder()
		got := lines(t, "all", func(l *callLog) {
			r := httptest.NewRequest(http.MethodGet, "/v1/jobs/7", nil)
			r.Header.Set("X-Request-Id", given)
			l.begin(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				l.done(r, gateway.Outcome{Route: "GET /v1/jobs/{id}", Status: 404, Code: codes.NotFound, Reason: "NOT_FOUND"})
			})).ServeHTTP(w, r)
		})
		id := w.Header().Get("X-Request-Id")
		if id == "" || kept != (id == given) {
			t.Errorf("%q became %q", given, id)
		}
		if len(got) != 1 || got[0]["request_id"] != id || got[0]["route"] != "GET /v1/jobs/{id}" || got[0]["reason"] != "NOT_FOUND" || got[0]["status"] != 404.0 {
			t.Errorf("%v", got)
		}
	}
}

func TestEachDenialIsCountedByItsCode(t *testing.T) {
	for _, c := range []struct {
		line callLine
		want string
	}{
		{callLine{code: codes.Unauthenticated}, "UNAUTHENTICATED"},
		{callLine{code: codes.PermissionDenied}, "PERMISSION_DENIED"},
		{callLine{code: codes.ResourceExhausted}, "RESOURCE_EXHAUSTED"},
		{callLine{code: codes.OK, http: http.StatusUnauthorized}, "UNAUTHENTICATED"}, // such as /metrics
		{callLine{code: codes.OK, http: http.StatusForbidden}, "PERMISSION_DENIED"},
		{callLine{code: codes.PermissionDenied, http: http.StatusMisdirectedRequest}, "PERMISSION_DENIED"},
		{callLine{code: codes.ResourceExhausted, http: http.StatusTooManyRequests}, "RESOURCE_EXHAUSTED"},
		{callLine{code: codes.NotFound, http: http.StatusNotFound}, ""},
		{callLine{code: codes.Canceled}, ""},
		{callLine{code: codes.OK, http: http.StatusOK}, ""},
	} {
		const times = 3 * refusalsLogged // most of them without a line
		lines(t, "none", func(l *callLog) {
			for range times {
				l.write(t.Context(), c.line)
			}
			for i, name := range refusedNames {
				want := uint64(0)
				if name == c.want {
					want = times
				}
				if got := l.denied[i].Load(); got != want {
					t.Errorf("%+v: %d are counted as %s, want %d", c.line, got, name, want)
				}
			}
		})
	}
}
