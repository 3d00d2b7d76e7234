package e2e_test

import (
	"os"
	"path/filepath"
	"testing"

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
			env.Setenv("PATH", bin+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Setenv("STINT_SERVER", s.address)
			env.Setenv("GORACE", "atexit_sleep_ms=0")
			return nil
		},
	})
}
