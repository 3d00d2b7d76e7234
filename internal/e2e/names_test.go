package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// newCluster is a server whose jobs go to a cluster that cannot be reached, with rules for what may be named there.
func newCluster(t *testing.T) *server {
	t.Helper()
	dir := t.TempDir()
	away := filepath.Join(dir, "away")
	if err := os.WriteFile(away, []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	var config strings.Builder
	config.WriteString("executor: hpc\nclusters:\n  hpc:\n    partition: main\n    accounts: map\n    account-map: {" + localUser(t) + ": lab}\n" +
		"    allow: [{users: ['*'], accounts: [phages]}]\n    commands:\n")
	for _, name := range []string{"sbatch", "squeue", "sacct", "scancel", "scontrol"} {
		fmt.Fprintf(&config, "      %s: %s\n", name, away)
	}
	path := filepath.Join(dir, "stintd.yaml")
	if err := os.WriteFile(path, []byte(config.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	services, err := filepath.Abs("../../services")
	if err != nil {
		t.Fatal(err)
	}
	return newServer(t, "--config", path, "--services", services)
}

func localUser(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "id", "-un").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// Somebody else's account is refused with its field wherever a job is submitted.
func TestAForeignAccountIsRefusedOnEverySurface(t *testing.T) {
	s := newCluster(t)
	const words = `is "physics", an account of hpc that jobs of `
	_, err := jobsv1.NewJobServiceClient(s.conn).Submit(t.Context(), &jobsv1.SubmitRequest{Job: &jobsv1.Job{Service: "Date", Resources: &jobsv1.Resources{Account: "physics"}}})
	if err == nil || !strings.Contains(err.Error(), "job.resources.account "+words) || !strings.Contains(err.Error(), "or name one of these accounts: phages") {
		t.Errorf("over gRPC: %v", err)
	}

	res, err := http.Post("http://"+s.address+"/v1/jobs", "application/json", strings.NewReader(`{"job":{"service":"Date","resources":{"account":"physics","qos":"high"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), `"field":"job.resources.account"`) ||
		!strings.Contains(string(body), `"field":"job.resources.qos"`) {
		t.Errorf("over REST: %d, %s, %v", res.StatusCode, body, err)
	}

	stint := func(args ...string) (string, int) {
		cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "stint"), append([]string{"--server", s.address}, args...)...)
		out, _ := cmd.CombinedOutput()
		return string(out), cmd.ProcessState.ExitCode()
	}
	out, code := stint("submit", "Date", "--account", "physics", "--partition", "gpu", "--qos", "high", "--constraint", "avx2")
	for _, flag := range []string{"--account is \"physics\"", "--partition is \"gpu\"", "--qos is \"high\"", "--constraint is \"avx2\""} {
		if !strings.Contains(out, flag) {
			t.Errorf("the command line does not say %q:\n%s", flag, out)
		}
	}
	if code != 1 && code != 2 {
		t.Errorf("the command line ends with %d", code)
	}
	for _, allowed := range [][]string{{"--account", "phages"}, {"--account", "lab", "--partition", "main"}, nil} {
		if out, code := stint(append([]string{"submit", "Date", "-o", "name"}, allowed...)...); code != 0 {
			t.Errorf("%q: %d, %s", allowed, code, out)
		}
	}
	if out, code := stint("submit", "Date", "--owner", "stranger", "--reason", "a test"); code == 0 || !strings.Contains(out, "hpc has no account for stranger; ask the operator for one") {
		t.Errorf("without an account: %d, %s", code, out)
	}
}
