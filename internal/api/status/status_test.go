package status

import (
	"errors"
	"os"
	"strings"
	"testing"
)

func TestStatusSaysNothingOfTheInside(t *testing.T) {
	s := Of(errors.New("open /secret/path: permission denied"))
	if s.Message() != "Something went wrong inside the server; its log says what." {
		t.Errorf("message %q", s.Message())
	}
	for _, k := range kinds {
		s := Of(errors.Join(errors.New("secret"), k.sentinel))
		if s.Code() != k.code || s.Message() != k.message || len(s.Details()) != 1 {
			t.Errorf("%v: %v", k.sentinel, s)
		}
	}
	if Of(nil).Code() != 0 {
		t.Error("no error is an error")
	}
}

// Clients go by docs/api.md: it has every reason.
func TestReasonsAreDocumented(t *testing.T) {
	b, err := os.ReadFile("../../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	words := []string{"INTERNAL", "INVALID_ARGUMENT"}
	for _, k := range kinds {
		words = append(words, k.reason)
	}
	for _, w := range words {
		if !strings.Contains(text, "`"+w+"`") {
			t.Errorf("docs/api.md does not mention %s", w)
		}
	}
}
