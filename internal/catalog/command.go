package catalog

import (
	"path/filepath"
	"strings"
)

// setCommand takes the command line of a description. Its first word is a file of
// the folder, an absolute path, or the name of a program; further words that
// begin with ./ are files of the folder too. All others are arguments as they are.
func (s *Service) setCommand(words []string, p *problems) {
	if len(words) == 0 || words[0] == "" {
		p.add("command", "is missing: the file beside %s to run, or the name of a program, then its arguments", filepath.Base(s.file))
		return
	}
	for i, w := range words {
		if strings.ContainsRune(w, 0) {
			p.add("command", "word %d has a NUL character", i+1)
			return
		}
	}
	s.argv = append([]string(nil), words...)
	for i, w := range s.argv {
		if i > 0 && !strings.HasPrefix(w, "./") {
			continue
		}
		path, ok := s.beside(w)
		switch {
		case ok:
			s.argv[i] = path
		case i > 0 || strings.Contains(w, "/") && !filepath.IsAbs(w):
			p.add("command", "there is no file %s in the folder of the service", quote(w))
			return
		}
	}
	first := program{name: s.argv[0], ofTheFolder: filepath.IsAbs(s.argv[0])}
	if first.ofTheFolder && !executable(first.name) {
		p.add("command", "%s cannot be executed (chmod +x)", quote(words[0]))
	}
	for _, n := range s.needs {
		if n.name == first.name {
			return // listed under programs, with its package
		}
	}
	s.needs = append(s.needs, first)
}

// beside answers the absolute path of a file in the service's folder.
func (s *Service) beside(name string) (string, bool) {
	if !filepath.IsLocal(name) {
		return "", false
	}
	path := filepath.Join(s.dir, name)
	return path, regular(path)
}
