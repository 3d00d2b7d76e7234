package jobs

import (
	"os"
	"strings"
	"testing"
)

// Clients go by docs/api.md: it has every filter field and order.
func TestFiltersAndOrdersAreDocumented(t *testing.T) {
	b, err := os.ReadFile("../../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	var words []string
	for name := range textFields {
		words = append(words, name)
	}
	for name := range timeFields {
		words = append(words, name)
	}
	for name := range numberFields {
		words = append(words, name)
	}
	for name := range orderFields {
		words = append(words, name)
	}
	for _, w := range append(words, "state", "reason", "labels", "labels.KEY") {
		if !strings.Contains(text, "`"+w+"`") {
			t.Errorf("docs/api.md does not mention %s", w)
		}
	}
}
