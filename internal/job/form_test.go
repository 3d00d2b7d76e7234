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
		"owner":                 {ValidOwner, 128},
		"service":               {ValidServiceID, 64},
		"executor":              {ValidExecutor, 63},
		"a name of an operator": {namedForm.matches, 63},
	} {
		if s := strings.Repeat("a", tc.most); !tc.valid(s) || tc.valid(s+"a") {
			t.Errorf("%s: %d letters are valid: %t, one more: %t", name, tc.most, tc.valid(s), tc.valid(s+"a"))
		}
		if tc.valid("a b") || tc.valid("a\n") || tc.valid("é") {
			t.Errorf("%s takes letters that it should not", name)
		}
	}
}
