package slurm

import (
	"os"
	"strings"
	"testing"
)

// Whoever teaches the executor a reason or an option tells operators of it.
func TestReasonsAndOptionsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../../docs/slurm.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range reasons {
		if !strings.Contains(string(doc), name) {
			t.Errorf("docs/slurm.md does not explain the reason %q", name)
		}
	}
	for _, option := range allowed {
		if !strings.Contains(string(doc), "`--"+option+"`") {
			t.Errorf("docs/slurm.md does not have the option --%s", option)
		}
	}
}
