package reason_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/code"

	"github.com/stint-jobs/stint/internal/reason"
)

var update = flag.Bool("update", false, "write the table in docs/api.md")

// Clients go by docs/api.md, so its table is this one.
func TestTheDocumentedTableIsThisOne(t *testing.T) {
	const name, begin, end = "../../docs/api.md", "<!-- reasons: written by go test ./internal/reason -update -->\n", "<!-- end of reasons -->\n"
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(b), begin)
	was, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s has no lines %q and %q", name, begin, end)
	}
	var want strings.Builder
	want.WriteString("| reason | code | HTTP | when |\n|---|---|---|---|\n")
	for _, k := range reason.All() {
		fmt.Fprintf(&want, "| `%s` | %s | %d | %s |\n", k.Reason, code.Code(k.Code), k.HTTP, k.When)
	}
	if was == want.String() {
		return
	}
	if !*update {
		t.Fatalf("the table of reasons in %s is another one: run go test ./internal/reason -update", name)
	}
	if err := os.WriteFile(name, []byte(before+begin+want.String()+end+after), 0o600); err != nil {
		t.Fatal(err)
	}
}

// One reason means one thing, and says it as a sentence.
func TestReasonsAreTold(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range reason.All() {
		if seen[k.Reason] {
			t.Errorf("%s is there twice", k.Reason)
		}
		seen[k.Reason] = true
		if k.Reason != strings.ToUpper(k.Reason) || !strings.HasSuffix(k.Message, ".") || k.When == "" || k.HTTP < 400 || k.Code == 0 {
			t.Errorf("%+v is no whole entry", *k)
		}
		if reason.Of(k.Reason) != k || k.Info(nil).GetDomain() != "stint" || k.Info(nil).GetReason() != k.Reason {
			t.Errorf("%s is found as %v", k.Reason, reason.Of(k.Reason))
		}
	}
	if len(seen) < 50 {
		t.Errorf("the table has %d reasons", len(seen))
	}
	for c, k := range reason.Plain {
		if k.Code != c {
			t.Errorf("%v stands for %s", c, k.Reason)
		}
	}
}
