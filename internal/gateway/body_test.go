package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"pgregory.net/rapid"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

func TestBodiesThatDoNotFitAreRefusedFieldByField(t *testing.T) {
	s := newSite(t, &script{}, Config{}) // no call may be made
	for _, test := range []struct {
		name, body string
		fields     []string
	}{
		{"unknown field", `{"jobb": {}}`, []string{"jobb"}},
		{"unknown fields, deep", `{"job": {"servise": "x", "resources": {"cpu": 1}}, "x": 1}`, []string{"job.servise", "job.resources.cpu", "x"}},
		{
			"wrong types", `{"job": {"service": 3, "priority": "high", "labels": {"a": 1, "b": "ok"}, "parameters": [], "retry": {"backoff": "soon", "reasons": ["LOST"]}}, "validateOnly": "yes"}`,
			[]string{"job.service", "job.priority", "job.labels.a", "job.parameters", "job.retry.backoff", "job.retry.reasons[0]", "validateOnly"},
		},
		{
			"numbers out of range", `{"job": {"priority": 1e10, "resources": {"memoryBytes": "99999999999999999999", "cpus": 1.5}}}`,
			[]string{"job.priority", "job.resources.memoryBytes", "job.resources.cpus"},
		},
		{"the same field twice", `{"job": {}, "job": {}}`, []string{"job"}},
		{"the same field by two names", `{"job": {"outputName": "a", "output_name": "b"}}`, []string{"job.output_name"}},
		{"the same parameter twice", `{"job": {"parameters": {"a": {"b": 1, "b": 2}, "c": [{"d": 1, "d": 2}]}}}`, []string{"job.parameters.a.b", "job.parameters.c[0].d"}},
		{"half a character", `{"job": {"service": "\ud800"}}`, []string{"job.service"}},
		{"not an object", `[1]`, []string{"body"}},
		{"null", `null`, []string{"body"}},
		{"a list for an object", `{"job": []}`, []string{"job"}},
		{"a bad time", `{"job": {"submitTime": "yesterday"}}`, []string{"job.submitTime"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			refusal{http: 400, code: codes.InvalidArgument, reason: "INVALID_ARGUMENT", fields: test.fields}.check(t, s.post(t, "/v1/jobs", test.body))
		})
	}
	resp := s.post(t, "/v1/jobs:batchSubmit", `{"jobs": [{}, {"x": 1}, 7]}`)
	refusal{http: 400, code: codes.InvalidArgument, reason: "INVALID_ARGUMENT", fields: []string{"jobs[1].x", "jobs[2]"}}.check(t, resp)
}

func TestTheMessageNamesTheFirstFieldAndWhatItMustBe(t *testing.T) {
	s := newSite(t, &script{}, Config{})
	for body, want := range map[string]string{
		`{"job": {"priority": "high"}}`:            "job.priority must be a whole number from -2147483648 to 2147483647.",
		`{"jobb": 1}`:                              "jobb is not a field of SubmitRequest.",
		`{"validateOnly": 1, "requestId": 1}`:      "validateOnly must be true or false. And more: see the field violations.",
		`{"job": {"parameters": 1}}`:               "job.parameters must be an object.",
		`{"job": {"labels": {"a": null}}}`:         "job.labels.a must be text in UTF-8.",
		"{\"job\":\n  {\"service\": nothing}}":     "The body is not valid JSON: see line 2, column 16.",
		`{"job": {"service": "Sle`:                 "The body is not valid JSON: it ends in the middle of a value.",
		`{"job": {}} {}`:                           "The body is not valid JSON: see line 1, column 13.",
		"\xff":                                     "The body is not UTF-8.",
		strings.Repeat(`{"a":`, 101):               "The body nests deeper than 100 levels.",
		strings.Repeat("[", 1<<20):                 "The body nests deeper than 100 levels.",
		`{"a": "` + strings.Repeat(`[`, 200) + `"`: "The body is not valid JSON: it ends in the middle of a value.",
	} {
		var st struct{ Message string }
		resp := s.post(t, "/v1/jobs", body)
		if err := json.Unmarshal([]byte(resp.body), &st); err != nil || st.Message != want {
			t.Errorf("%.50s: %q, want %q", body, st.Message, want)
		}
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%.50s: %s", body, resp.Status)
		}
	}
	refusal{http: 400, code: codes.InvalidArgument, reason: "MALFORMED_JSON", fields: []string{"body"}}.check(t, s.post(t, "/v1/jobs", "{"))
}

func TestABodyOfNothingButMistakesGetsABoundedAnswer(t *testing.T) {
	s := newSite(t, &script{}, Config{})
	var b strings.Builder
	b.WriteString(`{"a":0`)
	for i := range 10_000 {
		fmt.Fprintf(&b, `,"f%d":0`, i)
	}
	b.WriteString("}")
	resp := s.post(t, "/v1/jobs", b.String())
	if resp.StatusCode != http.StatusBadRequest || len(resp.body) > 100_000 {
		t.Errorf("%s with %d bytes", resp.Status, len(resp.body))
	}
}

// blanks gives blanks for as long as somebody reads.
type blanks struct{}

func (blanks) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestBodiesAreBounded(t *testing.T) {
	want := refusal{http: 413, code: codes.ResourceExhausted, reason: "BODY_TOO_LARGE"}
	s := newSite(t, &script{}, Config{})
	huge := `{"job": {"service": "` + strings.Repeat("x", 10<<20) + `"}}`
	want.check(t, s.post(t, "/v1/jobs", huge))
	// Without a length the server has to read to find out, but not on and on.
	want.check(t, s.do(t, http.MethodPost, "/v1/jobs", io.LimitReader(blanks{}, 10<<20)))
	// Just below the limit it is taken.
	var got int
	s = newSite(t, &script{jobs: fake{submit: func(_ context.Context, r *jobsv1.SubmitRequest) (*jobsv1.SubmitResponse, error) {
		got = len(r.GetJob().GetService())
		return &jobsv1.SubmitResponse{}, nil
	}}}, Config{MaxBodyBytes: 1 << 20})
	fits := `{"job": {"service": "` + strings.Repeat("x", 1<<20-100) + `"}}`
	if resp := s.post(t, "/v1/jobs", fits); resp.StatusCode != http.StatusOK || got != 1<<20-100 {
		t.Errorf("%s, the service got %d bytes", resp.Status, got)
	}
	want.check(t, s.post(t, "/v1/jobs", fits+strings.Repeat(" ", 200)))
}

func TestABodyMustNotContradictThePath(t *testing.T) {
	var got *jobsv1.CancelRequest
	s := newSite(t, &script{jobs: fake{cancel: func(_ context.Context, r *jobsv1.CancelRequest) (*jobsv1.CancelResponse, error) {
		got = r
		return &jobsv1.CancelResponse{}, nil
	}}}, Config{})
	for _, body := range []string{"", " \n", "{}", `{"id": "5"}`, `{"reason": "typo"}`} {
		got = nil
		if resp := s.post(t, "/v1/jobs/5:cancel", body); resp.StatusCode != http.StatusOK || got.GetId() != "5" {
			t.Errorf("%q: %s, the service got %v", body, resp.Status, got)
		}
	}
	refusal{http: 400, code: codes.InvalidArgument, reason: "INVALID_ARGUMENT", fields: []string{"id"}}.
		check(t, s.post(t, "/v1/jobs/5:cancel", `{"id": "6"}`))
	refusal{http: 400, code: codes.InvalidArgument, reason: "INVALID_ARGUMENT", fields: []string{"reason"}}.
		check(t, s.post(t, "/v1/jobs/5:cancel?reason=x", `{}`))
}

func TestBadQueriesAreRefusedParameterByParameter(t *testing.T) {
	s := newSite(t, &script{}, Config{})
	for _, test := range []struct {
		path   string
		fields []string
	}{
		{"/v1/jobs?filtr=x&pageSize=many&view=ALL&z=", []string{"filtr", "pageSize", "view", "z"}},
		{"/v1/jobs?pageSize=1&page_size=2", []string{"page_size"}},
		{"/v1/jobs?owner=a&owner=b", []string{"owner"}},
		{"/v1/jobs?page_size=99999999999", []string{"page_size"}},
		{"/v1/jobs?page_size=", []string{"page_size"}},
		{"/v1/jobs?owner=%ff", []string{"owner"}},
		{"/v1/jobs?owner=a%00b", []string{"owner"}},
		{"/v1/jobs?%ff=1", []string{"\uFFFD"}},
		{"/v1/jobs?filter[a]=1", []string{"filter[a]"}},
		{"/v1/jobs:watch?until_final=perhaps&view=-1.5", []string{"until_final", "view"}},
		{"/v1/jobs/5:watch?id=6", []string{"id"}},
		{"/v1/jobs/5/logs/stdout?offset=x&tail_lines=1.5&download=maybe", []string{"download", "offset", "tail_lines"}},
		{"/v1/jobs/5/logs/stdin", []string{"stream"}},
		{"/v1/jobs/5/logs/0", []string{"stream"}},
		{"/v1/jobs/5/results/a?offset=3", []string{"offset"}},
		{"/v1/jobs/5/results.zip?download=1", []string{"download"}},
		{"/v1/workspace/a?download=x", []string{"download"}},
		{"/v1/workspace?path=a&path=b", []string{"path"}},
		{"/v1/services?x=1", []string{"x"}},
	} {
		t.Run(test.path, func(t *testing.T) {
			refusal{http: 400, code: codes.InvalidArgument, reason: "INVALID_ARGUMENT", fields: test.fields}.check(t, s.get(t, test.path))
		})
	}
	for _, query := range []string{"a=%", "a=%zz", "a;b"} {
		refusal{http: 400, code: codes.InvalidArgument, reason: "INVALID_ARGUMENT"}.check(t, s.get(t, "/v1/jobs?"+query))
		refusal{http: 400, code: codes.InvalidArgument, reason: "INVALID_ARGUMENT"}.check(t, s.get(t, "/v1/workspace/a?"+query))
	}
}

// requests are the messages that bodies are read into.
var requests = []proto.Message{
	&jobsv1.SubmitRequest{}, &jobsv1.BatchSubmitRequest{}, &jobsv1.CancelRequest{}, &jobsv1.BatchCancelRequest{},
	&jobsv1.RerunRequest{}, &jobsv1.ReportIssueRequest{}, &adminv1.SetSubmissionsRequest{}, &authv1.CreateTokenRequest{},
}

// checkDecode checks what must hold of any body: it is read whole, or refused with a sentence that the client can use.
func checkDecode(fatal func(string, ...any), text []byte) {
	for _, request := range requests {
		msg := request.ProtoReflect().New().Interface()
		p := decodeJSON(text, msg)
		if p == nil {
			if err := strictJSON.Unmarshal(text, request.ProtoReflect().New().Interface()); err != nil {
				fatal("%q was taken, though it does not fit: %v", text, err)
			}
			continue
		}
		reason, fields := explain(p.status)
		if len(fields) == 0 || (reason != "INVALID_ARGUMENT" && reason != "MALFORMED_JSON") {
			fatal("%q was refused with %s and fields %q", text, reason, fields)
		}
		if message := p.status.GetMessage(); strings.Contains(message, "proto:") || strings.Contains(message, "does not fit") {
			fatal("%q was refused with %q, which says nothing of use", text, message)
		}
		if (reason == "MALFORMED_JSON") == json.Valid(text) && nested(text) <= maxDepth && !bytes.ContainsFunc(text, func(c rune) bool { return c == '\uFFFD' }) {
			fatal("%q was refused with %s", text, reason)
		}
	}
}

func FuzzBody(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"job": {"service": "Sleep", "parameters": {"a": [1, null, {"b": 1e400}]}}}`, `{"job": {"labels": {"a": 1}, "labels": 2}}`,
		`{"ids": ["1", 2, null]}`, `{"roles": "x", "expireTime": "2026-01-01T00:00:00Z"}`, `[[[`, `"\ud800"`, "{\"a\":\x00}", `{"parameters": {"a": NaN}}`,
		`{"job": {"retry": {"reasons": ["REASON_LOST", 99, "x"]}}}`, `{"@type": "x"}`, `{"jobs": null}`, `{"jobs": [null]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) { checkDecode(t.Fatalf, text) })
}

// randomJSON draws JSON that resembles requests: the names of their fields, with values that may or may not fit.
func randomJSON(t *rapid.T, desc protoreflect.MessageDescriptor, depth int) string {
	var members []string
	for range rapid.IntRange(0, 4).Draw(t, "members") {
		field := desc.Fields().Get(rapid.IntRange(0, desc.Fields().Len()-1).Draw(t, "field"))
		name := rapid.SampledFrom([]string{field.JSONName(), field.TextName(), field.JSONName(), "nothing"}).Draw(t, "name")
		value := rapid.SampledFrom([]string{`"x"`, `"1"`, `1`, `-1.5`, `true`, `null`, `[]`, `{}`, `["x"]`, `[1, null]`, `{"a": "b"}`, `{"a": [1]}`, `"3s"`, `"2026-01-01T00:00:00Z"`}).Draw(t, "value")
		if isPlainMessage(field) && depth > 0 && !field.IsMap() && rapid.Bool().Draw(t, "nest") {
			if value = randomJSON(t, field.Message(), depth-1); field.IsList() {
				value = "[" + value + "]"
			}
		}
		members = append(members, fmt.Sprintf("%q: %s", name, value))
	}
	return "{" + strings.Join(members, ", ") + "}"
}

func TestEveryBodyIsTakenWholeOrRefusedInWords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		request := rapid.SampledFrom(requests).Draw(t, "request")
		checkDecode(t.Fatalf, []byte(randomJSON(t, request.ProtoReflect().Descriptor(), 3)))
	})
}
