//go:build linux

package local

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stint-jobs/stint/internal/executor/local/proc"
	"github.com/stint-jobs/stint/internal/executor/local/shim"
)

// smallShimVersion is what the test program says as stintd-shim.
const smallShimVersion = "1.2.3"

// smallShimMain is the test program as stintd-shim, which has no argument before those of shim.Main.
func smallShimMain(args []string) int {
	if len(args) == 1 && args[0] == shim.VersionArgument {
		return shim.PrintVersion(os.Stdout, smallShimVersion)
	}
	return shim.Main(args)
}

// smallShim puts the test program into a folder as stintd-shim.
func smallShim(t *testing.T) string {
	t.Helper()
	from, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	path := filepath.Join(t.TempDir(), shim.Name)
	to, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(to, from); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// What was checked at the start is what runs the jobs, though its file was replaced or is gone, and in a sandbox.
func TestSmallShimOutlivesItsFile(t *testing.T) {
	for _, mode := range []string{SandboxOff, SandboxRequire} {
		t.Run(mode, func(t *testing.T) {
			cfg := testConfig(t)
			if mode == SandboxRequire {
				cfg = sandboxed(t)
			}
			cfg.Shim, cfg.Version = smallShim(t), smallShimVersion
			j := newJob(t, cfg, `echo $$ >born; read code <hold; exit $code`)
			born, hold := j.fifo("born"), j.fifo("hold")
			next := cfg.Shim + ".new"
			if err := os.WriteFile(next, []byte("#!/bin/sh\nexit 9\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(next, cfg.Shim); err != nil {
				t.Fatal(err)
			}
			h := j.start()
			j.line(born)
			s, err := shim.ReadState(j.task.Dir)
			if err != nil {
				t.Fatal(err)
			}
			p, err := proc.Read(s.PID)
			if err != nil {
				t.Fatal(err)
			}
			if args := p.Args(); len(args) != 4 || args[0] != shim.Name {
				t.Errorf("the shim was started as %q", args)
			}
			comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", s.PID))
			if err != nil || string(comm) != shim.Name+"\n" {
				t.Errorf("the shim is called %q, %v", comm, err)
			}
			if _, err := hold.WriteString("5\n"); err != nil {
				t.Fatal(err)
			}
			if x := j.wait(h); x.Code != 5 || x.Reason != byItself {
				t.Errorf("ended with %+v", x)
			}
		})
	}
}

// An upgrade that replaced one program and not the other, or installed one alone, runs jobs all the same.
func TestShimThatCannotBeUsed(t *testing.T) {
	script := func(text string) string {
		path := filepath.Join(t.TempDir(), shim.Name)
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, tt := range []struct{ name, path, version, level, says string }{
		{"missing", filepath.Join(t.TempDir(), shim.Name), smallShimVersion, "INFO", "no such file"},
		{"of another version", smallShim(t), "1.2.4", "WARN", `it is of the version \"1.2.3 `},
		{"a script", script("#!/bin/sh\necho 1.2.3\n"), smallShimVersion, "WARN", "ask for its version"},
		{"no program", script("stintd-shim"), smallShimVersion, "WARN", "ask for its version"},
		{"a folder", t.TempDir(), smallShimVersion, "WARN", "ask for its version"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			cfg := testConfig(t)
			cfg.Shim, cfg.Version = tt.path, tt.version
			cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
			j := newJob(t, cfg, "exit 3")
			if said := log.String(); !strings.Contains(said, "level="+tt.level+` msg="jobs start slower`) || !strings.Contains(said, tt.says) {
				t.Errorf("it said %s", said)
			}
			if argv := j.e.cfg.ShimArgv; len(argv) != 2 || argv[0] != selfExe {
				t.Errorf("the shim is %q", argv)
			}
			if x := j.wait(j.start()); x.Code != 3 {
				t.Errorf("ended with %+v", x)
			}
		})
	}
}

func TestShimsKnowTheReasonsOfTheAPI(t *testing.T) {
	for _, r := range []shim.Reason{
		shim.ReasonLaunchFailed, shim.ReasonDiskFull, shim.ReasonTimeLimit, shim.ReasonOutOfMemory, shim.ReasonNodeFailed, shim.ReasonCancelledByOwner,
	} {
		if got := failureOf(&shim.Refusal{Reason: r}).Reason.String(); got != "REASON_"+string(r) {
			t.Errorf("%s is %s to the server", r, got)
		}
	}
}
