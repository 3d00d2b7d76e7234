package slurm

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stint-jobs/stint/internal/workdir"
)

// fakeCommands is a folder with programs of Slurm's names that are scripts.
func fakeCommands(tb testing.TB, body string) map[string]string {
	tb.Helper()
	dir := tb.TempDir()
	programs := make(map[string]string)
	for _, name := range commands {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
			tb.Fatal(err)
		}
		programs[name] = path
	}
	return programs
}

func testShell(tb testing.TB, body string) *shell {
	tb.Helper()
	tb.Setenv("SBATCH_PARTITION", "of the server")
	cfg := Config{User: "me", SlurmConf: "/etc/slurm x/slurm.conf", Commands: fakeCommands(tb, body)}
	s, err := cfg.shell()
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func TestCommandSeesNothingOfTheServer(t *testing.T) {
	for _, remote := range [][]string{nil, {"/bin/sh", "-c"}} {
		s := testShell(t, `env | sort; printf '<%s>' "$@"; cat`)
		s.remote = remote
		a := s.run(t.Context(), call{program: "squeue", args: []string{"a b", "c'd", "$(e)", ""}, stdin: []byte("input"), timeout: time.Minute})
		if !a.ok() {
			t.Fatalf("answer %+v", a)
		}
		if !strings.HasSuffix(a.stdout, "<a b><c'd><$(e)><>input") {
			t.Errorf("remote %q: the command got %q", remote, a.stdout)
		}
		for line := range strings.Lines(a.stdout) {
			switch name, value, _ := strings.Cut(strings.TrimSpace(line), "="); name {
			case "PATH", "HOME", "USER", "PWD", "OLDPWD", "SHLVL", "_": // the last ones are the script's own
			case "LANG", "TZ", "SLURM_TIME_FORMAT", "SLURM_CONF":
				if value != map[string]string{"LANG": "C", "TZ": "UTC", "SLURM_TIME_FORMAT": "%s", "SLURM_CONF": "/etc/slurm x/slurm.conf"}[name] {
					t.Errorf("%s = %q", name, value)
				}
			default:
				if !strings.HasPrefix(line, "<") {
					t.Errorf("remote %q: the command sees %q", remote, line)
				}
			}
		}
	}
}

func TestCommandAnswers(t *testing.T) {
	for _, tc := range []struct {
		name, body string
		code       int
		err        error
	}{
		{"success", "echo out; echo err >&2", 0, nil},
		{"failure", "echo out; echo err >&2; exit 7", 7, nil},
		{"signal", "echo out; echo err >&2; kill -9 $$", -1, nil},
	} {
		a := testShell(t, tc.body).run(t.Context(), call{program: "sacct", timeout: time.Minute})
		if a.stdout != "out\n" || a.stderr != "err\n" || a.code != tc.code || (a.err != nil) != (tc.code < 0) {
			t.Errorf("%s: answer %+v", tc.name, a)
		}
	}
	s := testShell(t, "")
	s.programs["sacct"] = "/stint/no/such/program"
	if a := s.run(t.Context(), call{program: "sacct", timeout: time.Minute}); !errors.Is(a.err, errNoProcess) {
		t.Errorf("a missing program: %+v", a)
	}
}

func TestHungCommandIsKilledWithAllThatItStarted(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "leash")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	leash, err := os.OpenFile(fifo, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer leash.Close()
	s := testShell(t, "exec 9>"+fifo+"; echo begun >&9; echo begun; sleep 1000 & sleep 1000")
	a := s.run(t.Context(), call{program: "sbatch", timeout: 500 * time.Millisecond})
	if !errors.Is(a.err, errTimeout) || a.code != -1 {
		t.Errorf("answer %+v", a)
	}
	if err := leash.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	// The end of the file comes when nobody holds the other end any more.
	if got, err := io.ReadAll(leash); err != nil || string(got) != "begun\n" {
		t.Errorf("read %q, %v: something of the command is still alive", got, err)
	}
}

func TestCommandEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if a := testShell(t, "sleep 1000").run(ctx, call{program: "squeue", timeout: time.Minute}); !errors.Is(a.err, context.Canceled) {
		t.Errorf("answer %+v", a)
	}
}

func TestLastWords(t *testing.T) {
	in := "sbatch: error: Memory specification can not be satisfied\nsbatch: error: Batch job submission failed: No\n\n"
	if got, want := lastWords(in), "Memory specification can not be satisfied; Batch job submission failed: No"; got != want {
		t.Errorf("lastWords() = %q, want %q", got, want)
	}
	if got := lastWords(strings.Repeat("é", 1000)); len(got) > 510 || !strings.HasSuffix(got, "...") {
		t.Errorf("%d bytes of words: %q", len(got), got)
	}
}

func TestNewChecksTheConfiguration(t *testing.T) {
	root, err := workdir.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	good := func() Config {
		return Config{Name: "slurm", Folders: root, InstallID: "abc", Commands: fakeCommands(t, "")}
	}
	if _, err := New(good()); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Config){
		"jobs' folders":               func(c *Config) { c.Folders = nil },
		"installation id":             func(c *Config) { c.InstallID = "A-b" },
		"User is required":            func(c *Config) { c.Remote = []string{"ssh", "login1"} },
		`option "--wrap=x" is not al`: func(c *Config) { c.Defaults.Extra = []string{"--wrap=x"} },
		"service Big: the partition":  func(c *Config) { c.Services = map[string]Options{"Big": {Partition: "a\nb"}} },
		"find Slurm's commands":       func(c *Config) { c.Commands["sacct"] = "/stint/no/such/program" },
	} {
		cfg := good()
		change(&cfg)
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New() = %v, want it to say %q", err, want)
		}
	}
}
