package batch

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
)

// fakeCommands is a folder with programs of Slurm's names that are scripts.
func fakeCommands(tb testing.TB, body string) map[string]string {
	tb.Helper()
	dir := tb.TempDir()
	programs := make(map[string]string)
	for _, name := range []string{"sbatch", "squeue", "sacct"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
			tb.Fatal(err)
		}
		programs[name] = path
	}
	return programs
}

func testShell(tb testing.TB, body string) *Shell {
	tb.Helper()
	tb.Setenv("SBATCH_PARTITION", "of the server")
	return &Shell{Programs: fakeCommands(tb, body), Env: []string{
		"PATH=" + os.Getenv("PATH"), "HOME=/", "USER=me", "LANG=C", "TZ=UTC", "SLURM_TIME_FORMAT=%s", "SLURM_CONF=/etc/slurm x/slurm.conf",
	}}
}

func TestCommandSeesNothingOfTheServer(t *testing.T) {
	for _, remote := range [][]string{nil, {"/bin/sh", "-c"}} {
		s := testShell(t, `env | sort; printf '<%s>' "$@"; cat`)
		s.Remote = remote
		a := s.Run(t.Context(), Call{Program: "squeue", Args: []string{"a b", "c'd", "$(e)", ""}, Stdin: []byte("input"), Timeout: time.Minute})
		if !a.OK() {
			t.Fatalf("answer %+v", a)
		}
		if !strings.HasSuffix(a.Stdout, "<a b><c'd><$(e)><>input") {
			t.Errorf("remote %q: the command got %q", remote, a.Stdout)
		}
		for line := range strings.Lines(a.Stdout) {
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
	}{
		{"success", "echo out; echo err >&2", 0},
		{"failure", "echo out; echo err >&2; exit 7", 7},
		{"signal", "echo out; echo err >&2; kill -9 $$", 137},
	} {
		a := testShell(t, tc.body).Run(t.Context(), Call{Program: "sacct", Timeout: time.Minute})
		if a.Stdout != "out\n" || !strings.HasPrefix(a.Stderr, "err\n") || a.Code != tc.code || a.Err != nil {
			t.Errorf("%s: answer %+v", tc.name, a)
		}
	}
	s := testShell(t, "")
	s.Programs["sacct"] = "/stint/no/such/program"
	if a := s.Run(t.Context(), Call{Program: "sacct", Timeout: time.Minute}); !errors.Is(a.Err, ErrNoProcess) {
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
	a := s.Run(t.Context(), Call{Program: "sbatch", Timeout: 500 * time.Millisecond})
	if !errors.Is(a.Err, ErrTimeout) || a.Code != -1 {
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
	if a := testShell(t, "sleep 1000").Run(ctx, Call{Program: "squeue", Timeout: time.Minute}); !errors.Is(a.Err, context.Canceled) {
		t.Errorf("answer %+v", a)
	}
}

func TestWords(t *testing.T) {
	in := "sbatch: error: Memory specification can not be satisfied\nsbatch: error: Batch job submission failed: No\n\n"
	if got, want := (Answer{Program: "sbatch", Stderr: in}).Words(), "Memory specification can not be satisfied; Batch job submission failed: No"; got != want {
		t.Errorf("Words() = %q, want %q", got, want)
	}
	if got := (Answer{Stderr: strings.Repeat("é", 1000)}).Words(); len(got) > 510 || !strings.HasSuffix(got, "...") {
		t.Errorf("%d bytes of words: %q", len(got), got)
	}
}
