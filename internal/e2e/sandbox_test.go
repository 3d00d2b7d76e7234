package e2e_test

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// attacks is a server with a service that attacks it, and something worth to be attacked.
type attacks struct {
	*hostile
	host     string // a folder outside
	listener string // the port of somebody else on the loopback
	other    string // bob's job
}

func newAttacks(t *testing.T, flags ...string) *attacks {
	t.Helper()
	t.Setenv("STINT_E2E_SECRET", "of the server")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "of the server, too")
	h := newHostile(t, flags...)
	copies := map[string]string{"Attack": "network: false\n", "AttackByNetwork": "network: true\n"}
	for name, more := range copies {
		dir := filepath.Join(h.services, name)
		if err := os.CopyFS(dir, os.DirFS("testdata/sandbox/Attack")); err != nil {
			t.Fatal(err)
		}
		spec := filepath.Join(dir, "service.yaml")
		text, err := os.ReadFile(spec)
		if err != nil {
			t.Fatal(err)
		}
		text = append(bytes.Replace(text, []byte("id: Attack\n"), []byte("id: "+name+"\n"), 1), more...)
		if err := os.WriteFile(spec, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a := &attacks{hostile: h, host: t.TempDir()}
	for path, text := range map[string]string{
		filepath.Join(h.services, "_shared/words"): "shared", filepath.Join(a.host, "secret"): "secret",
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h.stop() // the services are read at start
	h.start()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-over })
	_, a.listener, _ = net.SplitHostPort(l.Addr().String())
	a.other = h.submit("bob", misbehave("nothing"))
	h.until(a.other, jobsv1.State_STATE_COMPLETED)
	if err := os.WriteFile(filepath.Join(h.output(a.other, 1), "secret"), []byte("of bob"), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

// run runs the attacks as a job of ann and answers it with what came of them.
func (a *attacks) run(t *testing.T, service, mark string) (*jobsv1.Job, map[string]string) {
	t.Helper()
	_, port, err := net.SplitHostPort(a.address)
	if err != nil {
		t.Fatal(err)
	}
	text := func(s string) *structpb.Value { return structpb.NewStringValue(s) }
	id := a.submit("ann", &jobsv1.Job{
		Service: service, Retry: &jobsv1.RetryPolicy{MaxAttempts: 1}, OutputName: service,
		Parameters: &structpb.Struct{Fields: map[string]*structpb.Value{
			"data": text(a.data), "other": text(a.other), "host": text(a.host), "server": text(port), "listener": text(a.listener),
			"pid": text(strconv.Itoa(a.cmd.Process.Pid)), "mark": text(mark),
		}},
	})
	j := a.until(id, jobsv1.State_STATE_COMPLETED)
	came := make(map[string]string)
	for line := range strings.Lines(a.result(t, id, "report")) {
		name, what, _ := strings.Cut(strings.TrimSpace(line), " ")
		came[name] = what
	}
	return j, came
}

func (a *attacks) result(t *testing.T, id, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(a.output(id, 1), name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// refusedAll are all attacks that there are, refused.
func refusedAll() map[string]string {
	want := make(map[string]string)
	for _, name := range []string{
		"database", "workspace", "results", "parameters", "socket", "ticket", "host-tmp", "home", "environment", "signal", "server", "listener",
		"usr", "service", "inputs",
	} {
		want[name] = "refused"
	}
	return want
}

// A job in a sandbox reaches nothing but what is its own; and without one all of that can be
// reached, so that the test would see it.
func TestJobsInASandboxReachNothing(t *testing.T) {
	if _, err := exec.LookPath("bwrap"); err != nil {
		if required("programs") {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	a := newAttacks(t, "--sandbox", "require")
	mark := strconv.Itoa(1_000_000 + os.Getpid())
	j, came := a.run(t, "Attack", mark)
	if diff := cmp.Diff(refusedAll(), came); diff != "" {
		t.Error(diff)
	}
	for line := range strings.Lines(a.result(t, j.GetId(), "may")) {
		if !strings.HasSuffix(line, " done\n") {
			t.Errorf("a job cannot even do this: %s", line)
		}
	}
	a.knowsItsOwnOnly(t, j)
	a.leavesNothing(t, j, mark)

	byNetwork := refusedAll()
	byNetwork["server"], byNetwork["listener"] = "done", "done"
	if _, came := a.run(t, "AttackByNetwork", mark); !cmp.Equal(byNetwork, came) {
		t.Error(cmp.Diff(byNetwork, came))
	}
	if said := serverStatus(t, a); !strings.Contains(said, "jobs run in a sandbox (bubblewrap ") || !strings.Contains(said, "no network unless the service says so") {
		t.Errorf("the server says of its executor: %q", said)
	}
}

func TestJobsWithoutASandboxReachAll(t *testing.T) {
	a := newAttacks(t, "--sandbox", "off")
	t.Cleanup(func() { os.Remove("/usr/local/stint-e2e-attack") })
	_, came := a.run(t, "Attack", "1")
	for name := range refusedAll() {
		if came[name] != "done" && !(os.Geteuid() != 0 && slices.Contains([]string{"usr", "home"}, name)) {
			t.Errorf("%s is %s without a sandbox: the test of the sandbox shows nothing", name, came[name])
		}
	}
	if said := serverStatus(t, a); !strings.Contains(said, "jobs run without a sandbox") {
		t.Errorf("the server says of its executor: %q", said)
	}
}

// serverStatus is what the server says of its executor, in its answer and in its log.
func serverStatus(t *testing.T, a *attacks) string {
	t.Helper()
	s, err := adminv1.NewStatusServiceClient(a.conn).GetServerStatus(a.as("op"), &adminv1.GetServerStatusRequest{})
	if err != nil || len(s.GetExecutors()) != 1 {
		t.Fatal(s, err)
	}
	said := s.GetExecutors()[0].GetMessage()
	eventually(t, "the log says the same", func() bool { return strings.Contains(a.log.String(), said) })
	return said
}

// knowsItsOwnOnly checks the job's environment and descriptors.
func (a *attacks) knowsItsOwnOnly(t *testing.T, j *jobsv1.Job) {
	t.Helper()
	var names []string
	for line := range strings.Lines(a.result(t, j.GetId(), "environment")) {
		name, value, _ := strings.Cut(line, "=")
		names = append(names, name)
		if strings.Contains(value, "of the server") {
			t.Errorf("the job has %s", line)
		}
	}
	slices.Sort(names)
	want := []string{
		"HOME", "LANG", "OMP_NUM_THREADS", "PATH", "STINT_ATTEMPT", "STINT_CPUS", "STINT_JOB_ID", "STINT_JOB_TOKEN", "STINT_MEMORY_BYTES",
		"STINT_OUTPUT_DIR", "STINT_OUTPUT_NAME", "STINT_OWNER", "STINT_PARAMS", "STINT_PARAM_data", "STINT_PARAM_host", "STINT_PARAM_listener",
		"STINT_PARAM_mark", "STINT_PARAM_other", "STINT_PARAM_pid", "STINT_PARAM_server", "STINT_PROGRESS", "STINT_REPORT_URL", "STINT_SERVICE", "TMPDIR", "TZ",
	}
	if diff := cmp.Diff(want, slices.Compact(names)); diff != "" {
		t.Errorf("the environment of a job: %s", diff)
	}
	if got := strings.Fields(a.result(t, j.GetId(), "descriptors")); !slices.Contains(got, "2") || len(got) > 4 { // and that of the script
		t.Errorf("the job has the descriptors %q", got)
	}
}

// leavesNothing checks that neither a process nor a link is left of a job, and that it was heard on the way.
func (a *attacks) leavesNothing(t *testing.T, j *jobsv1.Job, mark string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		if b, _ := os.ReadFile(path); bytes.Equal(b, []byte("sleep\x00"+mark+"\x00")) {
			t.Errorf("%s outlived its job", path)
		}
	}
	if p := j.GetProgress(); p.GetPercent() != 50 || p.GetMessage() != "half of it" {
		t.Errorf("its progress is %v", p)
	}
	results, err := a.jobs().ListResults(a.as("ann"), &jobsv1.ListResultsRequest{Id: j.GetId()})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range results.GetFiles() {
		names = append(names, r.GetPath())
	}
	slices.Sort(names)
	if diff := cmp.Diff([]string{"descriptors", "environment", "here", "link", "may", "report"}, names); diff != "" {
		t.Errorf("the results of the job: %s", diff)
	}
	for _, name := range []string{"leak", "passwd"} {
		if got, body := a.rest("ann", call{path: fmt.Sprintf("/v1/jobs/%s/results/%s", j.GetId(), name)}); got.StatusCode != http.StatusNotFound {
			t.Errorf("%s is answered %v: %.100q", name, got, body)
		}
	}
	err = filepath.WalkDir(filepath.Join(a.data, "workspace"), func(path string, e os.DirEntry, err error) error {
		if err == nil && (e.Name() == "leak" || e.Name() == "passwd") {
			t.Errorf("%s is in the workspace", path)
		}
		return err
	})
	if err != nil || results.GetResultFolder() == "" {
		t.Errorf("the results are in %q: %v", results.GetResultFolder(), err)
	}
}

// What the server cannot enforce it does not pretend to.
func TestServerThatCannotMakeASandbox(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "bwrap"), []byte("#!/bin/sh\necho 'bwrap: Creating new namespace failed' >&2\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), filepath.Join(bin, "stintd"), "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--services", "testdata/services", "--sandbox", "require")
	c.Env = []string{"PATH=" + dir}
	said, err := c.CombinedOutput()
	if err == nil || c.ProcessState.ExitCode() != 2 || !strings.Contains(string(said), "--sandbox require: ") || !strings.Contains(string(said), "--sandbox auto") {
		t.Errorf("it ended with %v: %s", err, said)
	}
}
