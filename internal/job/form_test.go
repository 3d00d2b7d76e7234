package job

import (
	"strings"
	"testing"
)

// Names have a length and letters, and each is held to both.
func TestFormsHaveALength(t *testing.T) {
	for name, tc := range map[string]struct {
		valid func(string) bool
		most  int
	}{
		"owner":     {ValidOwner, 128},
		"service":   {ValidServiceID, 64},
		"executor":  {ValidExecutor, 63},
		"label key": {labelKeyForm.matches, 63},
		"partition": {engineForm.matches, 64},
	} {
		if s := strings.Repeat("a", tc.most); !tc.valid(s) || tc.valid(s+"a") {
			t.Errorf("%s: %d letters are valid: %t, one more: %t", name, tc.most, tc.valid(s), tc.valid(s+"a"))
		}
		if tc.valid("a b") || tc.valid("a\n") || tc.valid("é") {
			t.Errorf("%s takes letters that it should not", name)
		}
	}
	if s := strings.Repeat("a", 256); !constraintForm.matches(s) || constraintForm.matches(s+"a") {
		t.Error("a constraint has up to 256 letters")
	}
}
