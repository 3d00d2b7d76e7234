package auth

import (
	"os"
	"strings"
	"testing"
)

// Clients go by docs/api.md: it has every reason to be refused.
func TestRefusalsAreDocumented(t *testing.T) {
	b, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range statuses {
		if !strings.Contains(string(b), "`"+s.reason+"`") {
			t.Errorf("docs/api.md does not mention %s", s.reason)
		}
	}
}
