package batch

import (
	"fmt"
	"regexp"
	"strings"
)

// Quote makes one word of s for a POSIX shell. Between single quotes a shell
// takes every byte as it is but the single quote itself, and NUL, which no argument can have.
func Quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// doubleQuote makes one word of s for a POSIX shell without a single quote in it, unless s has some.
func doubleQuote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(s) + `"`
}

// quoteAll is the words with blanks between them.
func quoteAll(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = Quote(w)
	}
	return strings.Join(quoted, " ")
}

var variablePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*=`)

// checkWords refuses what could not be handed to the command as it is.
func checkWords(argv, env []string) error {
	if len(argv) == 0 || !strings.HasPrefix(argv[0], "/") {
		return fmt.Errorf("the program %.100q is not an absolute path", strings.Join(argv, " "))
	}
	if strings.Contains(argv[0], "=") {
		// env(1) would take it for one more variable.
		return fmt.Errorf("the program's path %.200q has an equals sign in it", argv[0])
	}
	for _, w := range argv {
		if strings.Contains(w, "\x00") {
			return fmt.Errorf("the argument %.100q has a NUL in it", w)
		}
	}
	for _, v := range env {
		if !variablePattern.MatchString(v) || strings.Contains(v, "\x00") {
			return fmt.Errorf("%.100q is no NAME=VALUE", v)
		}
	}
	return nil
}
