package e2e_test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// What users give, and what they get of it, by the command line: as it is, or with a word about what is not.
func TestWhatUsersGiveAndGet(t *testing.T) {
	for name, flags := range map[string][]string{"plain": {"--sandbox", "off"}, "sandbox": {"--sandbox", "require"}} {
		t.Run(name, func(t *testing.T) {
			if name == "sandbox" {
				if _, err := exec.LookPath("bwrap"); err != nil && !required("programs") {
					t.Skip(err)
				}
			}
			services, err := filepath.Abs("testdata/truth-services")
			if err != nil {
				t.Fatal(err)
			}
			s := newServer(t, append(flags, "--services", services)...)
			testscript.Run(t, testscript.Params{
				Dir: "testdata/truth",
				Setup: func(env *testscript.Env) error {
					useBinaries(env)
					env.Setenv("STINT_SERVER", s.address)
					env.Setenv("DATA", s.data)
					return nil
				},
			})
		})
	}
}
