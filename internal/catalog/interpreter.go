package catalog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// maxFirstLine is how much of a script Linux reads to find its interpreter.
const maxFirstLine = 255

// interpreterProblem returns what keeps Linux from running a file of a service by its first line, in words for
// operators, or "". find looks for a program by its name; nil where the command runs on other machines, whose programs
// cannot be looked for here.
func interpreterProblem(path string, find func(name string) bool) string {
	line, err := firstLine(path)
	name := filepath.Base(path)
	switch {
	case err != nil:
		return fmt.Sprintf("%s cannot be read: %v", quote(name), errors.Unwrap(err))
	case bytes.HasPrefix(line, []byte("\x7fELF")):
		return ""
	case bytes.HasPrefix(line, []byte("\xef\xbb\xbf#!")):
		return fmt.Sprintf("%s begins with a byte order mark, before #!: save it without one", quote(name))
	case !bytes.HasPrefix(line, []byte("#!")) && find == nil:
		return "" // a shell there may run it
	case !bytes.HasPrefix(line, []byte("#!")):
		return fmt.Sprintf("%s is no program: it begins with neither #! and an interpreter, such as #!/bin/sh, nor machine code", quote(name))
	case bytes.HasSuffix(line, []byte("\r")):
		return fmt.Sprintf("%s has the line ends of Windows, which make its interpreter unknown: save it with those of Unix", quote(name))
	}
	words := strings.Fields(string(line[2:]))
	if len(words) == 0 {
		return fmt.Sprintf("%s names no interpreter behind #!", quote(name))
	}
	if find == nil {
		return ""
	}
	if info, err := os.Stat(words[0]); err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
		return fmt.Sprintf("%s needs the interpreter %s, which is not installed there", quote(name), words[0])
	}
	if filepath.Base(words[0]) == "env" && len(words) == 2 && !strings.HasPrefix(words[1], "-") && !find(words[1]) {
		return fmt.Sprintf("%s needs the interpreter %s, which is not on the server's PATH", quote(name), words[1])
	}
	return ""
}

// firstLine is the first line of a file as far as Linux reads it.
func firstLine(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head, err := io.ReadAll(io.LimitReader(f, maxFirstLine))
	if err != nil {
		return nil, err
	}
	line, _, _ := bytes.Cut(head, []byte("\n"))
	return line, nil
}
