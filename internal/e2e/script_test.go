package e2e_test

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// The scenarios of the command line, which its own tests run against a scripted
// server, hold on the real one too.
func TestCommandLineScenarios(t *testing.T) {
	services, err := filepath.Abs("../../services")
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, "--services", services)
	testscript.Run(t, testscript.Params{
		Dir: "../cli/testdata/script",
		Setup: func(env *testscript.Env) error {
			useBinaries(env)
			env.Setenv("STINT_SERVER", s.address)
			return nil
		},
	})
}

// The server and its tools as an operator types them.
func TestOperatorScenarios(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   "testdata/script",
		Setup: func(env *testscript.Env) error { useBinaries(env); return nil },
		Cmds:  map[string]func(*testscript.TestScript, bool, []string){"await": await},
	})
}

func useBinaries(env *testscript.Env) {
	env.Setenv("PATH", bin+string(os.PathListSeparator)+env.Getenv("PATH"))
	env.Setenv("GORACE", "atexit_sleep_ms=0") // the race detector waits a second at the end of each command
}

// await waits until the operator's socket answers: it is the last that a server opens.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await SOCKET")
	}
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if conn, err := net.Dial("unix", ts.MkAbs(args[0])); err == nil {
			ts.Check(conn.Close())
			return
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			ts.Fatalf("no server came up")
		}
	}
}
