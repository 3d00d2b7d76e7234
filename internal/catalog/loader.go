package catalog

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	catalogv1 "github.com/stint-jobs/stint/gen/stint/catalog/v1"
)

const (
	serviceFile = "service.yaml"
	maxSpecSize = 1 << 20
)

var validServiceID = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`)

// loader reads one services folder.
type loader struct {
	root     string
	options  Options
	programs *programs
	catalog  *Catalog
	problems []Problem
}

// entry reads what one name in the services folder stands for. Names that begin
// with a dot or an underscore and files that are no app specs are left alone.
func (l *loader) entry(name string) {
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" {
		return
	}
	st, err := os.Stat(filepath.Join(l.root, name))
	switch {
	case err != nil:
		l.problems = append(l.problems, Problem{File: name, Message: reason(err)})
	case st.IsDir():
		l.folder(name)
	case filepath.Ext(name) == ".json":
		l.spec(name, parseAppSpec)
	}
}

// folder reads a folder: its service.yaml, or without one every app spec in it.
func (l *loader) folder(name string) {
	if _, err := os.Lstat(filepath.Join(l.root, name, serviceFile)); err == nil {
		l.spec(filepath.Join(name, serviceFile), parseServiceFile)
		return
	}
	entries, err := os.ReadDir(filepath.Join(l.root, name))
	if err != nil {
		l.problems = append(l.problems, Problem{File: name, Message: reason(err)})
		return
	}
	found := false
	for _, e := range entries {
		if filepath.Ext(e.Name()) == ".json" && !strings.HasPrefix(e.Name(), ".") {
			l.spec(filepath.Join(name, e.Name()), parseAppSpec)
			found = true
		}
	}
	if !found {
		l.problems = append(l.problems, Problem{File: name, Message: "the folder has no " + serviceFile, Minor: true})
	}
}

// parser reads a description into s and notes what is wrong with it.
type parser func(text []byte, s *Service, p *problems)

// spec reads one description. Whatever is wrong with it, something is listed
// for it if only its name can be a service's.
func (l *loader) spec(file string, parse parser) {
	s := &Service{
		proto:    &catalogv1.Service{},
		dir:      filepath.Dir(filepath.Join(l.root, file)),
		file:     file,
		programs: l.programs,
	}
	p := &problems{file: file}
	if text, err := readSpec(filepath.Join(l.root, file)); err != nil {
		p.add("", "%s", reason(err))
	} else {
		parse(text, s, p)
	}
	l.name(s, p)
	if l.options.Remote != nil {
		s.remote = l.options.Remote(s.proto.GetExecutor())
	}
	if len(s.argv) > 0 && filepath.IsAbs(s.argv[0]) && executable(s.argv[0]) {
		find := func(name string) bool { _, ok := s.programs.find(name); return ok }
		if s.remote {
			find = nil
		}
		if why := interpreterProblem(s.argv[0], find); why != "" {
			p.add("command", "%s", why)
		}
	}
	s.broken = p.broken()
	l.problems = append(l.problems, p.list...)
	id := s.proto.GetId()
	if id == "" {
		return
	}
	if first, ok := l.catalog.byID[id]; ok {
		l.problems = append(l.problems, Problem{File: file, Field: "id", Message: fmt.Sprintf("%s describes the service %s already; this description is not used", first.file, id)})
		return
	}
	l.catalog.byID[id] = s
	l.catalog.services = append(l.catalog.services, s)
}

// name sees to it that the service has a usable id and a label, from the name of the
// folder or file where the description has none.
func (l *loader) name(s *Service, p *problems) {
	fallback := strings.TrimSuffix(filepath.Base(s.file), ".json")
	if fallback == serviceFile {
		fallback = filepath.Base(s.dir)
	}
	if id := s.proto.GetId(); id != "" && !validServiceID.MatchString(id) {
		p.add("id", "%s is no id: letters, digits, - and _, a letter first, at most 64", quote(id))
		s.proto.Id = ""
	}
	if s.proto.GetId() == "" && validServiceID.MatchString(fallback) {
		s.proto.Id = fallback
	}
	if s.proto.GetLabel() == "" {
		s.proto.Label = s.proto.GetId()
	}
}

// readSpec reads a description, and no device, pipe or giant in its place.
func readSpec(path string) ([]byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	if st.Size() > maxSpecSize {
		return nil, fmt.Errorf("it has %d bytes; at most %d are read", st.Size(), maxSpecSize)
	}
	return os.ReadFile(path)
}

// reason is an error of the file system without the path, which the problem names already.
func reason(err error) string {
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		return pe.Err.Error()
	}
	return err.Error()
}
