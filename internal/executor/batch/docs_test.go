package batch

import (
	"os"
	"strings"
	"testing"
)

// Operators are told what is in a job's folder.
func TestFilesAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../../docs/slurm.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{commandName, tokenName, scriptName, submissionName, lockName, ownerName, logName, recordName, endName} {
		if !strings.Contains(string(doc), "`"+file+"`") {
			t.Errorf("docs/slurm.md does not explain the file %s", file)
		}
	}
}
