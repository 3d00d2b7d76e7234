package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// hostile is a server with two users, an operator, and a service that misbehaves.
type hostile struct {
	refused     []time.Duration // processor time of each kind of call that a stranger made
	likeLibrary bool            // connections wait for the server's SETTINGS as gRPC's libraries do, which have its own transport
	*server
	services string // a folder of its own, which a test may change
	token    map[string]string
}

// newHostile starts one. Callers need tokens.
func newHostile(t *testing.T, flags ...string) *hostile {
	t.Helper()
	return newHostileOn(t, t.TempDir(), flags...)
}

func newHostileOn(t *testing.T, data string, flags ...string) *hostile {
	t.Helper()
	h := &hostile{services: t.TempDir(), token: make(map[string]string)}
	for _, from := range []string{"testdata/services", "testdata/hostile"} {
		if err := os.CopyFS(h.services, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
	}
	h.server = newServerOn(t, data, append([]string{"--auth", "token", "--services", h.services}, flags...)...)
	for _, user := range []string{"ann", "bob"} {
		h.token[user] = stintd(t, "token", "create", "--data", h.data, "--user", user)
	}
	h.token["op"] = stintd(t, "token", "create", "--data", h.data, "--user", "op", "--role", "operator")
	return h
}

// as is the context of a user's calls.
func (h *hostile) as(user string) context.Context {
	return metadata.AppendToOutgoingContext(h.Context(), "authorization", "Bearer "+h.token[user])
}

// misbehave is a job that does what is said, once.
func misbehave(what string) *jobsv1.Job {
	return &jobsv1.Job{
		Service:    "Misbehave",
		Parameters: &structpb.Struct{Fields: map[string]*structpb.Value{"what": structpb.NewStringValue(what)}},
		Retry:      &jobsv1.RetryPolicy{MaxAttempts: 1},
	}
}

// submit submits a job that is right.
func (h *hostile) submit(user string, j *jobsv1.Job) string {
	h.Helper()
	resp, err := h.jobs().Submit(h.as(user), &jobsv1.SubmitRequest{Job: j})
	if err != nil {
		h.Fatal(err)
	}
	return resp.GetJob().GetId()
}

func (h *hostile) get(id string) *jobsv1.Job {
	h.Helper()
	resp, err := h.jobs().Get(h.as("op"), &jobsv1.GetRequest{Id: id})
	if err != nil {
		h.Fatal(err)
	}
	return resp.GetJob()
}

// until watches a job until it is in the state and answers it; another end fails the test.
func (h *hostile) until(id string, want jobsv1.State) *jobsv1.Job {
	h.Helper()
	stream, err := h.jobs().WatchStatus(h.as("op"), &jobsv1.WatchStatusRequest{Ids: []string{id}, UntilFinal: true})
	if err != nil {
		h.Fatal(err)
	}
	for {
		m, err := stream.Recv()
		if err != nil {
			j := h.get(id)
			h.Fatalf("job %s never was %v, but %v %v %q: %v", id, want, j.GetState(), j.GetReason(), j.GetMessage(), err)
		}
		if m.GetJob().GetState() == want {
			return h.get(id)
		}
	}
}

// release ends all jobs that wait.
func (h *hostile) release() {
	h.Helper()
	if err := os.WriteFile(filepath.Join(h.data, "released"), nil, 0o600); err != nil {
		h.Fatal(err)
	}
}

// output is the folder of an attempt's results.
func (h *hostile) output(id string, attempt int) string {
	n, _ := strconv.Atoi(id)
	return filepath.Join(h.data, "jobs", strconv.Itoa(n/1000), id, "attempts", strconv.Itoa(attempt), "output")
}

// cursor is behind the latest change.
func (h *hostile) cursor() string {
	h.Helper()
	resp, err := h.jobs().Summarize(h.as("op"), &jobsv1.SummarizeRequest{Owner: "*"})
	if err != nil {
		h.Fatal(err)
	}
	return resp.GetCursor()
}

func (h *hostile) health() healthpb.HealthCheckResponse_ServingStatus {
	h.Helper()
	resp, err := healthpb.NewHealthClient(h.conn).Check(h.Context(), &healthpb.HealthCheckRequest{})
	if err != nil {
		h.Fatal(err)
	}
	return resp.GetStatus()
}

// metric reads one number without labels from /metrics.
func (h *hostile) metric(name string) float64 {
	h.Helper()
	resp, body := h.rest("op", call{path: "/metrics"})
	for line := range strings.Lines(body) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				h.Fatal(err)
			}
			return n
		}
	}
	h.Fatalf("no metric %s: %s", name, resp.Status)
	return 0
}

// call is one REST request, as it goes over the wire.
type call struct {
	method string // GET if empty
	path   string // as given: nothing is cleaned or escaped
	header map[string]string
	body   io.Reader
	length int64 // 0 means chunked if there is a body
}

// answer is how a request was answered.
type answer struct {
	Status     string
	StatusCode int
	Header     http.Header
}

// rest sends a request and reads the answer to its end.
func (h *hostile) rest(user string, c call) (got answer, body string) {
	h.Helper()
	if c.method == "" {
		c.method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(h.Context(), c.method, h.url("/"), c.body)
	if err != nil {
		h.Fatal(err)
	}
	req.URL.Opaque = c.path // goes out as it is
	if c.length != 0 {
		req.ContentLength = c.length
	}
	if user != "" {
		req.Header.Set("Authorization", "Bearer "+h.token[user])
	}
	for name, value := range c.header {
		req.Header[http.CanonicalHeaderKey(name)] = []string{value}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		h.Fatalf("%s %.100s: %v", c.method, c.path, err)
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		h.Fatalf("%s %.100s: %v", c.method, c.path, err)
	}
	return answer{resp.Status, resp.StatusCode, resp.Header}, string(all)
}

// leaks is what no answer may hold: places of the machine, and of the program.
var leaks = regexp.MustCompile(`/tmp/|/home/|/root/|/usr/|root:x:|internal/|goroutine |\.go:|0x[0-9a-f]{6,}|proto:|no such file or|permission denied|bolt`)

// reasonOf is the reason in the details of an error; it is empty when there is not exactly one of ours.
func reasonOf(st *spb.Status) string {
	var reasons []string
	for _, d := range st.GetDetails() {
		info := &errdetails.ErrorInfo{}
		if d.MessageIs(info) && d.UnmarshalTo(info) == nil && info.GetDomain() == "stint" {
			reasons = append(reasons, info.GetReason())
		}
	}
	return strings.Join(reasons, "")
}

// fieldsOf are the fields that an error blames, each followed by a space.
func fieldsOf(st *spb.Status) string {
	var fields strings.Builder
	for _, d := range st.GetDetails() {
		bad := &errdetails.BadRequest{}
		if d.MessageIs(bad) && d.UnmarshalTo(bad) == nil {
			for _, v := range bad.GetFieldViolations() {
				fields.WriteString(v.GetField() + " ")
			}
		}
	}
	return fields.String()
}

// judge compares an error with what it should be.
func judge(t *testing.T, st *spb.Status, reason, field string) {
	t.Helper()
	if got := reasonOf(st); got != reason {
		t.Errorf("reason %q, want %q: %.300s", got, reason, st)
	}
	if field != "" && !strings.Contains(" "+fieldsOf(st), " "+field+" ") {
		t.Errorf("fields %q, want %s: %.300s", fieldsOf(st), field, st)
	}
	if m := leaks.FindString(protojson.Format(st)); m != "" {
		t.Errorf("the answer tells %q: %.600s", m, protojson.Format(st))
	}
	if len(st.GetMessage()) > 600 || st.GetMessage() == "" {
		t.Errorf("a message of %d bytes", len(st.GetMessage()))
	}
	t.Logf("says: %.200s", st.GetMessage())
}

// unharmed runs a test and then wants the server as it was: nothing stored,
// nothing left open, and well.
func (h *hostile) unharmed(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	http.DefaultClient.CloseIdleConnections()
	cursor, fds, goroutines := h.cursor(), h.metric("process_open_fds"), h.metric("go_goroutines")
	test(t)
	http.DefaultClient.CloseIdleConnections()
	if got := h.cursor(); got != cursor {
		t.Errorf("something was changed: it is now at %s, before %s", got, cursor)
	}
	if got := h.health(); got != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("health %v", got)
	}
	// The server sees closed connections a moment later. What leaks never goes away.
	for n := 0; ; n++ {
		moreFDs, moreGoroutines := h.metric("process_open_fds")-fds, h.metric("go_goroutines")-goroutines
		if moreFDs < 10 && moreGoroutines < 20 {
			return
		}
		if n == 500 {
			t.Errorf("%v more files and %v more goroutines than before", moreFDs, moreGoroutines)
			return
		}
	}
}

// moment lets other processes run, between two looks at what they did.
func moment() { _, _ = syscall.Select(0, nil, nil, nil, &syscall.Timeval{Usec: 500}) }

// gone waits until a process is no more.
func gone(t *testing.T, pid int) {
	t.Helper()
	for range 20_000 {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		moment() // a foreign process gives no signal
	}
	t.Errorf("process %d is still there", pid)
}

// pids reads the process ids that a job wrote into a file of its output.
func pids(t *testing.T, path string) []int {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []int
	for lines := bufio.NewScanner(f); lines.Scan(); {
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, n)
	}
	return all
}
