package job

import (
	"fmt"
	"os"
	"strings"
	"testing"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// docs/states.md is what users are promised, so it must say what the code does.
func TestStatesAreDocumented(t *testing.T) {
	b, err := os.ReadFile("../../docs/states.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for _, from := range States {
		cells := []string{StateWord(from)}
		for _, to := range States {
			word := "-"
			if Legal(from, to) {
				word = "yes"
			}
			cells = append(cells, word)
		}
		row := "| " + strings.Join(cells, " | ") + " |"
		if !strings.Contains(text, row+"\n") {
			t.Errorf("docs/states.md lacks the row of the transition table\n%s", row)
		}
	}
	for n := range jobsv1.Reason_name {
		if r := jobsv1.Reason(n); r != jobsv1.Reason_REASON_UNSPECIFIED && !strings.Contains(text, fmt.Sprintf("\n| `%s` | ", ReasonWord(r))) {
			t.Errorf("docs/states.md has no row for the reason %s", ReasonWord(r))
		}
	}
	byItself, ifAsked := cutSection(text, "When an attempt fails", "A job may also ask"), cutSection(text, "A job may also ask", "\nThe wait before")
	for n := range jobsv1.Reason_name {
		r := jobsv1.Reason(n)
		_, byDefault := Retry(nil, r, 1)
		if got := strings.Contains(byItself, "`"+ReasonWord(r)+"`"); r != jobsv1.Reason_REASON_UNSPECIFIED && got != byDefault {
			t.Errorf("docs/states.md says retry by default after %s: %v", ReasonWord(r), got)
		}
		if got := strings.Contains(ifAsked, "`"+ReasonWord(r)+"`"); r != jobsv1.Reason_REASON_UNSPECIFIED && got != (Retryable(r) && !byDefault) {
			t.Errorf("docs/states.md says retry if asked after %s: %v", ReasonWord(r), got)
		}
	}
}

// cutSection is what is between two texts.
func cutSection(text, from, to string) string {
	_, text, _ = strings.Cut(text, from)
	text, _, _ = strings.Cut(text, to)
	return text
}
