package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	catalogv1 "github.com/stint-jobs/stint/gen/stint/catalog/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
)

// prey is a server with something on it that others might want: a job of ann's with a
// result, a file in her workspace, and links that lead out of both.
func prey(t *testing.T, flags ...string) (h *hostile, id, token string) {
	t.Helper()
	h = newHostile(t, flags...)
	id = h.submit("ann", appendJob(0))
	h.submit("ann", appendJob(0))
	h.until(id, jobsv1.State_STATE_COMPLETED)
	h.until("2", jobsv1.State_STATE_COMPLETED)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("root:x:0"), 0o644); err != nil { //nolint:gosec // it is to be readable, and yet not read
		t.Fatal(err)
	}
	for _, link := range [][2]string{
		{secret, filepath.Join(h.output(id, 1), "file")},
		{filepath.Dir(secret), filepath.Join(h.output(id, 1), "folder")},
		{secret, filepath.Join(h.data, "workspace", "ann", "file")},
		{filepath.Dir(secret), filepath.Join(h.data, "workspace", "ann", "folder")},
		{"../../state/jobs.db", filepath.Join(h.data, "workspace", "ann", "database")},
	} {
		if err := os.Symlink(link[0], link[1]); err != nil {
			t.Fatal(err)
		}
	}
	list, err := h.jobs().List(h.as("ann"), &jobsv1.ListRequest{PageSize: 1})
	if err != nil || list.GetNextPageToken() == "" {
		t.Fatalf("no page token: %v", err)
	}
	return h, id, list.GetNextPageToken()
}

// post is a request with a JSON body.
func post(path, body string) call {
	return call{method: http.MethodPost, path: path, body: strings.NewReader(body), length: int64(len(body))}
}

// another returns a letter that is not c, for texts whose letters are drawn at random.
func another(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}

// Whatever is wrong with a REST request, the answer says what, in one form.
func TestBadInputOverREST(t *testing.T) {
	h, id, token := prey(t)
	tenMB := strings.Repeat("x", 10<<20)
	long := strings.Repeat("a", 50_000)
	type bad struct {
		name   string
		user   string // bob if empty
		call   call
		code   int
		reason string
		field  string
	}
	cases := []bad{
		{"half a body", "", post("/v1/jobs", `{"job": {`), 400, "MALFORMED_JSON", "body"},
		{"no JSON", "", post("/v1/jobs", `job=1`), 400, "MALFORMED_JSON", "body"},
		{"a body of NUL", "", post("/v1/jobs", "\x00\x00"), 400, "MALFORMED_JSON", "body"},
		{"two bodies", "", post("/v1/jobs", `{}{}`), 400, "MALFORMED_JSON", "body"},
		{"an array", "", post("/v1/jobs", `[]`), 400, "INVALID_ARGUMENT", "body"},
		{"empty body", "", post("/v1/jobs", ``), 400, "INVALID_ARGUMENT", ""},
		{"null", "", post("/v1/jobs", `null`), 400, "INVALID_ARGUMENT", ""},
		{"null job", "", post("/v1/jobs", `{"job": null}`), 400, "INVALID_ARGUMENT", "job"},
		{"null in a batch", "", post("/v1/jobs:batchSubmit", `{"jobs": [null]}`), 400, "INVALID_ARGUMENT", ""},
		{"empty batch", "", post("/v1/jobs:batchSubmit", `{"jobs": []}`), 400, "INVALID_ARGUMENT", "jobs"},
		{"deep", "", post("/v1/jobs", strings.Repeat(`{"a":`, 5000)+strings.Repeat("}", 5000)), 400, "MALFORMED_JSON", "body"},
		{"deep arrays", "", post("/v1/jobs", strings.Repeat(`[`, 60_000)), 400, "MALFORMED_JSON", "body"},
		{"many values", "", post("/v1/jobs", `{"job": {"parameters": {"x": [`+strings.Repeat("1,", 100_000)+`1]}}}`), 413, "MESSAGE_TOO_LARGE", ""},
		{"a long body where a short one does", "", post("/v1/jobs/"+id+":cancel", `{"reason": "`+tenMB[:70_000]+`"}`), 413, "BODY_TOO_LARGE", ""},
		{"unknown field", "", post("/v1/jobs", `{"job": {"service": "Append", "servise": "x"}}`), 400, "INVALID_ARGUMENT", "job.servise"},
		{"unknown field of the request", "", post("/v1/jobs", `{"job": {"service": "Append"}, "dryRun": true}`), 400, "INVALID_ARGUMENT", "dryRun"},
		{"field twice", "", post("/v1/jobs", `{"job": {"service": "Append", "service": "Append"}}`), 400, "INVALID_ARGUMENT", "job.service"},
		{"wrong type", "", post("/v1/jobs", `{"job": {"service": 5}}`), 400, "INVALID_ARGUMENT", "job.service"},
		{"huge number", "", post("/v1/jobs", `{"job": {"service": "Append", "parameters": {"seconds": 1e999}}}`), 400, "INVALID_ARGUMENT", ""},
		{"unknown service", "", post("/v1/jobs", `{"job": {"service": "../../bin/sh"}}`), 400, "INVALID_ARGUMENT", "job.service"},
		{"unknown parameter", "", post("/v1/jobs", `{"job": {"service": "Append", "parameters": {"LD_PRELOAD": "x"}}}`), 400, "INVALID_ARGUMENT", "job.parameters.LD_PRELOAD"},
		{"output fields", "", post("/v1/jobs", `{"job": {"service": "Append", "owner": "ann"}}`), 403, "PERMISSION_DENIED", ""},
		{"10 MB", "", post("/v1/jobs", `{"requestId": "`+tenMB+`"}`), 413, "BODY_TOO_LARGE", ""},
		{"10 MB in chunks", "", call{method: http.MethodPost, path: "/v1/jobs", body: io.MultiReader(strings.NewReader(tenMB))}, 413, "BODY_TOO_LARGE", ""},
		{"10 MB to a cancellation", "", post("/v1/jobs/"+id+":cancel", `{"reason": "`+tenMB+`"}`), 413, "BODY_TOO_LARGE", ""},
		{"invalid UTF-8 in a body", "", post("/v1/jobs", "{\"job\": {\"service\": \"Append\", \"outputName\": \"\xff\xfe\"}}"), 400, "MALFORMED_JSON", "body"},
		{"half a surrogate", "", post("/v1/jobs", `{"job": {"service": "Append", "outputName": "\ud800"}}`), 400, "INVALID_ARGUMENT", "job.outputName"},
		{"control characters in a name", "", post("/v1/jobs", `{"job": {"service": "Append", "outputName": "a\u001b[31m\nb"}}`), 400, "INVALID_ARGUMENT", "job.outputName"},
		{"NUL in a name", "", post("/v1/jobs", `{"job": {"service": "Append", "outputName": "a\u0000b"}}`), 400, "INVALID_ARGUMENT", "job.outputName"},
		{"a path for a name", "", post("/v1/jobs", `{"job": {"service": "Append", "outputName": "../../x"}}`), 400, "INVALID_ARGUMENT", "job.outputName"},
		{"a folder above", "", post("/v1/jobs", `{"job": {"service": "Append", "outputFolder": "/a/../../x"}}`), 400, "INVALID_ARGUMENT", "job.outputFolder"},
		{"control characters in a label", "", post("/v1/jobs", `{"job": {"service": "Append", "labels": {"a": "\u0007"}}}`), 400, "INVALID_ARGUMENT", "job.labels.a"},
		{"bad label key", "", post("/v1/jobs", `{"job": {"service": "Append", "labels": {"A b": "x"}}}`), 400, "INVALID_ARGUMENT", "job.labels"},
		{"negative cores", "", post("/v1/jobs", `{"job": {"service": "Append", "resources": {"cpus": -1}}}`), 400, "INVALID_ARGUMENT", "job.resources.cpus"},
		{"negative memory", "", post("/v1/jobs", `{"job": {"service": "Append", "resources": {"memoryBytes": "-1"}}}`), 400, "INVALID_ARGUMENT", "job.resources.memoryBytes"},
		{"negative time", "", post("/v1/jobs", `{"job": {"service": "Append", "resources": {"timeLimit": "-1s"}}}`), 400, "INVALID_ARGUMENT", "job.resources.timeLimit"},
		{"negative GPUs", "", post("/v1/jobs", `{"job": {"service": "Append", "resources": {"gpus": -1}}}`), 400, "INVALID_ARGUMENT", "job.resources.gpus"},
		{"more GPUs than anybody has", "", post("/v1/jobs", `{"job": {"service": "Append", "resources": {"gpus": 5000}}}`), 400, "INVALID_ARGUMENT", "job.resources.gpus"},
		{"a negative licence", "", post("/v1/jobs", `{"job": {"service": "Append", "resources": {"named": {"matlab": "-1"}}}}`), 400, "INVALID_ARGUMENT", "job.resources.named.matlab"},
		{"a licence that nobody has", "", post("/v1/jobs", `{"job": {"service": "Append", "resources": {"named": {"matlab": 1}}}}`), 400, "INVALID_ARGUMENT", "job.resources.named.matlab"},
		{"a licence by the name of a field", "", post("/v1/jobs", `{"job": {"service": "Append", "resources": {"named": {"gpus": 1}}}}`), 400, "INVALID_ARGUMENT", "job.resources.named.gpus"},
		{"too much memory", "", post("/v1/jobs", `{"job": {"service": "Append", "resources": {"memoryBytes": "9223372036854775807"}}}`), 400, "INVALID_ARGUMENT", "job.resources.memoryBytes"},
		{"unknown executor", "", post("/v1/jobs", `{"job": {"service": "Append", "executor": "moon"}}`), 400, "INVALID_ARGUMENT", "job.executor"},
		{"retry of nonsense", "", post("/v1/jobs", `{"job": {"service": "Append", "retry": {"reasons": [999]}}}`), 400, "INVALID_ARGUMENT", "job.retry.reasons[0]"},
		{"input outside", "", post("/v1/jobs", `{"job": {"service": "Append", "parameters": {"file": "/../../etc/passwd"}}}`), 400, "INVALID_ARGUMENT", "job.parameters.file"},
		{"input through a link", "ann", post("/v1/jobs", `{"job": {"service": "Append", "parameters": {"file": "/file"}}}`), 400, "INVALID_ARGUMENT", "job.parameters.file"},
		{"input behind a link", "ann", post("/v1/jobs", `{"job": {"service": "Append", "parameters": {"file": "/folder/secret"}}}`), 400, "INVALID_ARGUMENT", "job.parameters.file"},
		{"somebody's input", "", post("/v1/jobs", `{"job": {"service": "Append", "parameters": {"file": "/jobs/Append-1/result.txt"}}}`), 400, "INVALID_ARGUMENT", "job.parameters.file"},
		{"parent of somebody", "", post("/v1/jobs", `{"job": {"service": "Append", "parentId": "`+id+`"}}`), 400, "INVALID_ARGUMENT", "job.parentId"},
		{"request id with a space", "", call{method: http.MethodPost, path: "/v1/jobs", header: map[string]string{"Idempotency-Key": "a b"}, body: strings.NewReader(`{"job": {"service": "Append"}}`)}, 400, "INVALID_ARGUMENT", "requestId"},
		{"request id in Latin-1", "", call{method: http.MethodPost, path: "/v1/jobs", header: map[string]string{"Idempotency-Key": "a\xff"}, body: strings.NewReader(`{"job": {"service": "Append"}}`)}, 400, "INVALID_ARGUMENT", ""},

		{"long filter", "", call{path: "/v1/jobs?filter=" + long}, 400, "INVALID_ARGUMENT", "filter"},
		{"long filter, escaped", "", call{path: "/v1/jobs?filter=" + strings.Repeat("%28", 50_000)}, 400, "INVALID_ARGUMENT", "filter"},
		{"filter of more than a message", "", call{path: "/v1/jobs?filter=" + strings.Repeat("a", 70_000)}, 413, "MESSAGE_TOO_LARGE", ""},
		{"filter of nonsense", "", call{path: "/v1/jobs?filter=%22%27%28"}, 400, "INVALID_ARGUMENT", "filter"},
		{"filter of another field", "", call{path: "/v1/jobs?filter=password%3Dx"}, 400, "INVALID_ARGUMENT", "filter"},
		{"long order", "", call{path: "/v1/jobs?orderBy=" + long}, 400, "INVALID_ARGUMENT", "orderBy"},
		{"order by nonsense", "", call{path: "/v1/jobs?orderBy=shoe_size"}, 400, "INVALID_ARGUMENT", "orderBy"},
		{"page token of another user", "", call{path: "/v1/jobs?pageSize=1&pageToken=" + token}, 400, "INVALID_ARGUMENT", "pageToken"},
		{"page token of another user, as operator", "op", call{path: "/v1/jobs?pageSize=1&owner=ann&pageToken=" + token}, 400, "INVALID_ARGUMENT", "pageToken"},
		{"page token of another query", "ann", call{path: "/v1/jobs?filter=x&pageToken=" + token}, 400, "INVALID_ARGUMENT", "pageToken"},
		{"page token of jobs for files", "ann", call{path: "/v1/workspace?pageToken=" + token}, 400, "INVALID_ARGUMENT", "pageToken"},
		{"page token, changed", "ann", call{path: "/v1/jobs?pageToken=" + another(token[0]) + token[1:]}, 400, "INVALID_ARGUMENT", "pageToken"},
		{"long page token", "ann", call{path: "/v1/jobs?pageToken=" + long}, 400, "INVALID_ARGUMENT", "pageToken"},
		{"negative page", "", call{path: "/v1/jobs?pageSize=-1"}, 400, "INVALID_ARGUMENT", "pageSize"},
		{"huge page", "", call{path: "/v1/jobs?pageSize=99999999999"}, 400, "INVALID_ARGUMENT", "pageSize"},
		{"page twice", "", call{path: "/v1/jobs?pageSize=1&page_size=2"}, 400, "INVALID_ARGUMENT", "page_size"},
		{"unknown parameter of the query", "", call{path: "/v1/jobs?limit=1"}, 400, "INVALID_ARGUMENT", "limit"},
		{"unknown view", "", call{path: "/v1/jobs?view=7"}, 400, "INVALID_ARGUMENT", "view"},
		{"invalid UTF-8 in a query", "", call{path: "/v1/jobs?filter=%ff"}, 400, "INVALID_ARGUMENT", "filter"},
		{"broken query", "", call{path: "/v1/jobs?filter=%zz"}, 400, "INVALID_ARGUMENT", ""},
		{"jobs of somebody", "", call{path: "/v1/jobs?owner=ann"}, 403, "PERMISSION_DENIED", ""},
		{"jobs of everybody", "", call{path: "/v1/jobs?owner=*"}, 403, "PERMISSION_DENIED", ""},
		{"watch of everybody", "", call{path: "/v1/jobs:watch?owner=*"}, 403, "PERMISSION_DENIED", ""},
		{"watch of nonsense", "", call{path: "/v1/jobs:watch?ids=x"}, 404, "NOT_FOUND", ""},
		{"watch from no cursor", "", call{path: "/v1/jobs:watch?afterCursor=-1"}, 400, "INVALID_ARGUMENT", "afterCursor"},
		{"watch from no event", "", call{path: "/v1/jobs:watch", header: map[string]string{"Last-Event-ID": "x"}}, 400, "INVALID_ARGUMENT", "afterCursor"},

		{"id of nonsense", "", call{path: "/v1/jobs/abc"}, 404, "NOT_FOUND", ""},
		{"negative id", "", call{path: "/v1/jobs/-1"}, 404, "NOT_FOUND", ""},
		{"huge id", "", call{path: "/v1/jobs/18446744073709551616"}, 404, "NOT_FOUND", ""},
		{"invalid UTF-8 in an id", "", call{path: "/v1/jobs/%ff"}, 400, "INVALID_ARGUMENT", "id"},
		{"NUL in an id", "", call{path: "/v1/jobs/1%00"}, 400, "INVALID_ARGUMENT", "id"},
		{"id with a slash", "", call{path: "/v1/jobs/1%2fresults"}, 404, "NOT_FOUND", ""},
		{"log of nonsense", "ann", call{path: "/v1/jobs/" + id + "/logs/passwd"}, 400, "INVALID_ARGUMENT", "stream"},
		{"log from before the start", "ann", call{path: "/v1/jobs/" + id + "/logs/stdout?offset=-1"}, 400, "INVALID_ARGUMENT", "offset"},
		{"log of negative lines", "ann", call{path: "/v1/jobs/" + id + "/logs/stdout?tailLines=-1"}, 400, "INVALID_ARGUMENT", "tailLines"},
		{"log of negative length", "ann", call{path: "/v1/jobs/" + id + "/logs/stdout?limitBytes=-5"}, 400, "INVALID_ARGUMENT", "limitBytes"},
		{"log of a negative attempt", "ann", call{path: "/v1/jobs/" + id + "/logs/stdout?attempt=-1"}, 400, "INVALID_ARGUMENT", "attempt"},

		{"no such call", "", call{path: "/v1/secrets"}, 404, "NO_SUCH_ROUTE", ""},
		{"no such method", "", call{method: http.MethodPut, path: "/v1/jobs"}, 405, "METHOD_NOT_ALLOWED", ""},
		{"no such verb", "", post("/v1/jobs/"+id+":destroy", "{}"), 405, "METHOD_NOT_ALLOWED", ""},
		{"gRPC-Web elsewhere", "", call{method: http.MethodPost, path: "/v1/jobs", header: map[string]string{"Content-Type": "application/grpc-web+proto"}}, 415, "GRPC_NOT_HERE", ""},
		{"gRPC elsewhere", "", call{method: http.MethodPost, path: "/stint.jobs.v0.JobService/List", header: map[string]string{"Content-Type": "application/grpc-web+proto"}}, 415, "GRPC_NOT_HERE", ""},
		{"a call in text", "", call{method: http.MethodPost, path: "/stint.jobs.v1.JobService/List", header: map[string]string{"Content-Type": "text/plain"}}, 415, "CALL_PROTOCOL_UNKNOWN", ""},
		{"a call by GET", "", call{path: "/stint.jobs.v1.JobService/List"}, 405, "METHOD_NOT_ALLOWED", ""},
		{"no such call of a service", "", call{method: http.MethodPost, path: "/stint.jobs.v1.JobService/Nothing", header: map[string]string{"Content-Type": "text/plain"}}, 415, "CALL_PROTOCOL_UNKNOWN", ""},
		{"a change of a page", "", call{method: http.MethodPost, path: "/jobs/1", header: map[string]string{"Content-Type": "application/json"}}, 405, "METHOD_NOT_ALLOWED", ""},
		{"no such page", "", call{method: http.MethodPost, path: "/stint.jobs.v0.JobService/List", header: map[string]string{"Content-Type": "application/json"}}, 405, "METHOD_NOT_ALLOWED", ""},
		{"a token that is none", "", call{path: "/v1/jobs", header: map[string]string{"Authorization": "Bearer x"}}, 401, "TOKEN_MALFORMED", ""},
		{"a token of bytes", "", call{path: "/v1/jobs", header: map[string]string{"Authorization": "Bearer \xff"}}, 401, "UNAUTHENTICATED", ""},
		{"a user's call of an operator", "", post("/v1/admin/submissions", `{"open": true}`), 403, "ROLE_REQUIRED", ""},
		{"a user's token with a role", "", post("/v1/admin/tokens", `{"roles": ["operator"]}`), 403, "PERMISSION_DENIED", ""},
		{"a user's token for another", "", post("/v1/admin/tokens", `{"user": "op"}`), 403, "PERMISSION_DENIED", ""},
	}
	for _, verb := range []string{"", "/results", "/results.zip", "/results/result.txt", "/logs/stdout", ":watch"} {
		for name, job := range map[string]string{"somebody's": id, "no such": "999"} {
			cases = append(cases, bad{name + " job" + verb, "", call{path: "/v1/jobs/" + job + verb}, 404, "NOT_FOUND", ""})
		}
	}
	for _, verb := range []string{":cancel", ":rerun", ":reportIssue"} {
		for name, job := range map[string]string{"somebody's": id, "no such": "999"} {
			cases = append(cases, bad{name + " job" + verb, "", post("/v1/jobs/"+job+verb, `{}`), 404, "NOT_FOUND", ""})
		}
	}
	h.unharmed(t, func(t *testing.T) {
		t.Helper()
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				user := c.user
				if user == "" {
					user = "bob"
				}
				resp, body := h.rest(user, c.call)
				st := &spb.Status{}
				if err := protojson.Unmarshal([]byte(body), st); err != nil {
					t.Fatalf("%s: the answer is no error: %.300s", resp.Status, body)
				}
				if resp.StatusCode != c.code {
					t.Errorf("%s, want %d", resp.Status, c.code)
				}
				judge(t, st, c.reason, c.field)
			})
		}
	})
}

// Paths that lead out of a tree lead nowhere, however they are written.
func TestPathsThatLeadOut(t *testing.T) {
	h, id, _ := prey(t)
	outside := []string{
		"..", "../..", "../bob", "/../../state/jobs.db", "a/../../../state/jobs.db", "%2e%2e/%2e%2e/jobs.db", "..%2f..%2fjobs.db", "%2e%2e%2f%2e%2e%2fjobs.db",
		"%252e%252e%252fjobs.db", "..%5c..%5cjobs.db", "/etc/passwd", "%2fetc%2fpasswd", "//etc/passwd", "file", "folder/secret", "folder", "database",
		"a%00b", "%00", "a%0ab", "%ff%fe", ".", "a/./b", "a//b", ".stint-tmp/x", strings.Repeat("a", 256), strings.Repeat("a/", 3000), "%c0%ae%c0%ae/jobs.db",
	}
	h.unharmed(t, func(t *testing.T) {
		t.Helper()
		for _, path := range outside {
			for _, c := range []call{
				{path: "/v1/workspace/" + path},
				{method: http.MethodDelete, path: "/v1/workspace/" + path + "?recursive=true"},
				{path: "/v1/workspace?path=" + strings.ReplaceAll(path, "&", "%26") + "/x"},
				{path: "/v1/jobs/" + id + "/results/" + path},
				{method: http.MethodPut, path: "/v1/workspace/" + path + "/x", body: strings.NewReader("evil"), length: 4},
			} {
				t.Run(fmt.Sprintf("%s %.80s", c.method, c.path), func(t *testing.T) {
					resp, body := h.rest("ann", c)
					st := &spb.Status{}
					if resp.StatusCode < 400 {
						t.Logf("%s: %.200s", resp.Status, body)
						if leaks.MatchString(body) || strings.Contains(body, "secret") {
							t.Errorf("it led out: %.300s", body)
						}
						return
					}
					if err := protojson.Unmarshal([]byte(body), st); err != nil {
						t.Fatalf("%s: the answer is no error: %.300s", resp.Status, body)
					}
					judge(t, st, reasonOf(st), "")
					if resp.StatusCode >= 500 || reasonOf(st) == "" {
						t.Errorf("%s: %.300s", resp.Status, body)
					}
				})
			}
		}
	})
	for _, path := range []string{"x", "evil", "workspace/x", "jobs/x"} {
		if _, err := os.Lstat(filepath.Join(h.data, path)); err == nil {
			t.Errorf("%s was made", path)
		}
	}
	if _, err := os.Lstat(filepath.Join(h.output(id, 1), "result.txt")); err != nil {
		t.Error(err)
	}
}

// The same over gRPC, where a client can send what no JSON can.
func TestBadInputOverGRPC(t *testing.T) {
	h, id, token := prey(t)
	long := strings.Repeat("a", 50_000)
	jobs, files := h.jobs(), workspacev1.NewWorkspaceServiceClient(h.conn)
	bob := h.as("bob")
	submit := func(change func(j *jobsv1.Job)) func() error {
		return func() error {
			j := appendJob(0)
			change(j)
			_, err := jobs.Submit(bob, &jobsv1.SubmitRequest{Job: j})
			return err
		}
	}
	// Bytes where UTF-8 must be, as a client that does not check would send them.
	raw := func(method string, fields ...[]byte) func() error {
		return func() error {
			var out []byte
			return h.conn.Invoke(bob, method, joined(fields), &out, grpc.ForceCodec(bytesCodec{}))
		}
	}
	field := func(n protowire.Number, b []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, n, protowire.BytesType), b)
	}
	list := func(req *jobsv1.ListRequest) func() error {
		return func() error { _, err := jobs.List(bob, req); return err }
	}
	cases := []struct {
		name   string
		do     func() error
		code   codes.Code
		reason string
		field  string
	}{
		{"nothing", func() error { _, err := jobs.Submit(bob, &jobsv1.SubmitRequest{}); return err }, codes.InvalidArgument, "INVALID_ARGUMENT", "job"},
		{"control characters", submit(func(j *jobsv1.Job) { j.OutputName = "a\x1b[31m" }), codes.InvalidArgument, "INVALID_ARGUMENT", "job.outputName"},
		{"negative cores", submit(func(j *jobsv1.Job) { j.Resources = &jobsv1.Resources{Cpus: -1} }), codes.InvalidArgument, "INVALID_ARGUMENT", "job.resources.cpus"},
		{"negative memory", submit(func(j *jobsv1.Job) { j.Resources = &jobsv1.Resources{MemoryBytes: -1} }), codes.InvalidArgument, "INVALID_ARGUMENT", "job.resources.memoryBytes"},
		{"impossible time", submit(func(j *jobsv1.Job) {
			j.Resources = &jobsv1.Resources{TimeLimit: &durationpb.Duration{Seconds: 1 << 62, Nanos: -5}}
		}), codes.InvalidArgument, "INVALID_ARGUMENT", "job.resources.timeLimit"},
		{"not a number", submit(func(j *jobsv1.Job) { j.Parameters.Fields["seconds"] = structpb.NewNumberValue(nan()) }), codes.InvalidArgument, "INVALID_ARGUMENT", "job.parameters.seconds"},
		{"long filter", list(&jobsv1.ListRequest{Filter: long}), codes.InvalidArgument, "INVALID_ARGUMENT", "filter"},
		{"page token of another user", list(&jobsv1.ListRequest{PageSize: 1, PageToken: token}), codes.InvalidArgument, "INVALID_ARGUMENT", "pageToken"},
		{"negative page", list(&jobsv1.ListRequest{PageSize: -1}), codes.InvalidArgument, "INVALID_ARGUMENT", "pageSize"},
		{"unknown view", list(&jobsv1.ListRequest{View: 77}), codes.InvalidArgument, "INVALID_ARGUMENT", "view"},
		{"somebody's job", func() error { _, err := jobs.Get(bob, &jobsv1.GetRequest{Id: id}); return err }, codes.NotFound, "NOT_FOUND", ""},
		{"somebody's job to cancel", func() error { _, err := jobs.Cancel(bob, &jobsv1.CancelRequest{Id: id}); return err }, codes.NotFound, "NOT_FOUND", ""},
		{"1,001 ids", func() error {
			_, err := jobs.BatchGet(bob, &jobsv1.BatchGetRequest{Ids: make([]string, 1001)})
			return err
		}, codes.InvalidArgument, "INVALID_ARGUMENT", "ids"},
		{"1,001 jobs", func() error {
			req := &jobsv1.BatchSubmitRequest{}
			for range 1001 {
				req.Jobs = append(req.Jobs, appendJob(0))
			}
			_, err := jobs.BatchSubmit(bob, req)
			return err
		}, codes.InvalidArgument, "INVALID_ARGUMENT", "jobs"},
		{"a result outside", func() error {
			return received(jobs.ReadResult(h.as("ann"), &jobsv1.ReadResultRequest{Id: id, Path: "../stdout.0"}))
		}, codes.InvalidArgument, "INVALID_ARGUMENT", "path"},
		{"a result through a link", func() error {
			return received(jobs.ReadResult(h.as("ann"), &jobsv1.ReadResultRequest{Id: id, Path: "file"}))
		}, codes.NotFound, "NOT_FOUND", ""},
		{"a file through a link", func() error {
			return received(files.Download(h.as("ann"), &workspacev1.DownloadRequest{Path: "/folder/secret"}))
		}, codes.NotFound, "NOT_FOUND", ""},
		{"a file from a negative offset", func() error {
			return received(files.Download(h.as("ann"), &workspacev1.DownloadRequest{Path: "/jobs/Append-1/result.txt", Offset: -1}))
		}, codes.InvalidArgument, "INVALID_ARGUMENT", "offset"},
		{"an upload without a target", func() error {
			up, err := files.Upload(bob)
			if err != nil {
				return err
			}
			_ = up.Send(&workspacev1.UploadRequest{Content: &workspacev1.UploadRequest_Data{Data: []byte("x")}})
			_, err = up.CloseAndRecv()
			return err
		}, codes.InvalidArgument, "INVALID_ARGUMENT", "target"},
		{"an upload of a negative size", func() error {
			up, err := files.Upload(bob)
			if err != nil {
				return err
			}
			_ = up.Send(&workspacev1.UploadRequest{Content: &workspacev1.UploadRequest_Target{Target: &workspacev1.UploadTarget{Path: "/x", SizeBytes: proto.Int64(-1)}}})
			_, err = up.CloseAndRecv()
			return err
		}, codes.InvalidArgument, "INVALID_ARGUMENT", "target.sizeBytes"},
		{"invalid UTF-8 in an id", raw("/stint.jobs.v1.JobService/Get", field(1, []byte("\xff\xfe"))), codes.InvalidArgument, "MALFORMED_MESSAGE", ""},
		{"invalid UTF-8 in a job", raw("/stint.jobs.v1.JobService/Submit", field(1, field(4, []byte("\xff")))), codes.InvalidArgument, "MALFORMED_MESSAGE", ""},
		{"no protobuf", raw("/stint.jobs.v1.JobService/Get", []byte("\xff\xff\xff garbage")), codes.InvalidArgument, "MALFORMED_MESSAGE", ""},
		{"invalid UTF-8 to a stream", func() error {
			stream, err := h.conn.NewStream(bob, &grpc.StreamDesc{ServerStreams: true}, "/stint.jobs.v1.JobService/WatchStatus", grpc.ForceCodec(bytesCodec{}))
			if err != nil {
				return err
			}
			_ = stream.SendMsg(field(1, []byte("\xff")))
			_ = stream.CloseSend()
			var out []byte
			return stream.RecvMsg(&out)
		}, codes.InvalidArgument, "MALFORMED_MESSAGE", ""},
		{"10 MB", func() error {
			_, err := jobs.Submit(bob, &jobsv1.SubmitRequest{RequestId: strings.Repeat("x", 10<<20)})
			return err
		}, codes.ResourceExhausted, "", ""}, // gRPC refuses it by itself
		{"no such call", raw("/stint.jobs.v1.JobService/Drop", nil), codes.Unimplemented, "UNIMPLEMENTED", ""},
		{"no such service", raw("/evil.v1.Evil/Evil", nil), codes.Unimplemented, "UNIMPLEMENTED", ""},
	}
	h.unharmed(t, func(t *testing.T) {
		t.Helper()
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				st := status.Convert(c.do())
				if st.Code() != c.code {
					t.Errorf("code %v, want %v", st.Code(), c.code)
				}
				judge(t, st.Proto(), c.reason, c.field)
			})
		}
	})
}

// A service that goes away while its jobs wait takes them along, in clear words.
func TestServiceRemovedWhileItsJobsWait(t *testing.T) {
	h := newHostile(t, "--cpus", "1")
	first := h.submit("ann", misbehave("wait"))
	h.until(first, jobsv1.State_STATE_RUNNING)
	next := h.submit("ann", misbehave("nothing"))
	if err := os.RemoveAll(filepath.Join(h.services, "Misbehave")); err != nil {
		t.Fatal(err)
	}
	if err := h.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for { // the server says only in its log when it has read them again
		list, err := catalogv1.NewCatalogServiceClient(h.conn).List(h.as("ann"), &catalogv1.ListRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(list.GetServices(), func(s *catalogv1.Service) bool { return s.GetId() == "Misbehave" }) {
			break
		}
	}
	_, err := h.jobs().Submit(h.as("ann"), &jobsv1.SubmitRequest{Job: misbehave("nothing")})
	judge(t, status.Convert(err).Proto(), "INVALID_ARGUMENT", "job.service")
	_, err = h.jobs().Rerun(h.as("ann"), &jobsv1.RerunRequest{Id: first})
	judge(t, status.Convert(err).Proto(), "INVALID_ARGUMENT", "service")
	h.release()
	if j := h.until(first, jobsv1.State_STATE_COMPLETED); j.GetResultFolder() == "" {
		t.Error("the one that ran has no results")
	}
	j := h.until(next, jobsv1.State_STATE_FAILED)
	if j.GetReason() != jobsv1.Reason_REASON_LAUNCH_FAILED || !strings.Contains(j.GetMessage(), "Misbehave is no longer offered") {
		t.Errorf("%v %q", j.GetReason(), j.GetMessage())
	}
}

// bytesCodec sends and receives messages as they are.
type bytesCodec struct{}

func (bytesCodec) Marshal(v any) ([]byte, error)   { return v.([]byte), nil }       //nolint:errcheck,forcetypeassert // only bytes come here
func (bytesCodec) Unmarshal(b []byte, v any) error { *v.(*[]byte) = b; return nil } //nolint:errcheck,forcetypeassert // likewise
func (bytesCodec) Name() string                    { return "proto" }

func joined(parts [][]byte) []byte {
	var all []byte
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func nan() float64 { zero := 0.0; return zero / zero }

// received reads a stream to its end and answers its error.
func received[T any](stream grpc.ServerStreamingClient[T], err error) error {
	for err == nil {
		_, err = stream.Recv()
	}
	return err
}
