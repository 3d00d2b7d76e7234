package catalog

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	catalogv1 "github.com/stint-jobs/stint/gen/stint/catalog/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// Service is one analysis as its description says. Its methods may be called
// from several goroutines.
type Service struct {
	proto   *catalogv1.Service // all but availability; read-only once loaded
	dir     string
	file    string    // below the services folder, for messages
	argv    []string  // files of the folder are absolute
	needs   []program // argv[0] is among them
	broken  string    // what is wrong with the description; empty when nothing is
	appSpec []byte    // strict JSON; nil for a service.yaml
	network bool
	reads   []string
	remote  bool

	programs *programs
	shown    atomic.Pointer[catalogv1.Service]
}

// ID is the service's stable name.
func (s *Service) ID() string { return s.proto.GetId() }

// Dir is the absolute path of the folder with the description.
func (s *Service) Dir() string { return s.dir }

// Network reports whether the command needs the network.
func (s *Service) Network() bool { return s.network }

// Reads are the absolute paths of what the command reads besides the system's and the job's own
// files: the service's folder, those beside it that services share because their names begin
// with `_`, and what the description names.
func (s *Service) Reads() []string {
	reads := []string{s.dir}
	if s.file != filepath.Base(s.file) { // in a folder of its own
		all := filepath.Dir(s.dir)
		entries, _ := os.ReadDir(all) // one that cannot be read shares nothing
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), "_") {
				reads = append(reads, filepath.Join(all, e.Name()))
			}
		}
	}
	return append(reads, s.reads...)
}

// AppSpec is the description as strict JSON for a service that comes from a
// BV-BRC app spec: the file that its script gets as its second argument. It is
// nil for all other services, and read-only.
func (s *Service) AppSpec() []byte { return s.appSpec }

// Proto is the service as the API shows it, with its availability now. The
// message is shared and read-only.
func (s *Service) Proto() *catalogv1.Service {
	ok, why := s.Available()
	if m := s.shown.Load(); m != nil && m.GetAvailable() == ok && m.GetUnavailableReason() == why {
		return m
	}
	m := &catalogv1.Service{
		Id:                s.proto.GetId(),
		Label:             s.proto.GetLabel(),
		Description:       s.proto.GetDescription(),
		Parameters:        s.proto.GetParameters(),
		DefaultResources:  s.proto.GetDefaultResources(),
		Results:           s.proto.GetResults(),
		Category:          s.proto.GetCategory(),
		Version:           s.proto.GetVersion(),
		Executor:          s.proto.GetExecutor(),
		TakesAdvice:       s.proto.GetTakesAdvice(),
		MaxResources:      s.proto.GetMaxResources(),
		Available:         ok,
		UnavailableReason: why,
	}
	s.shown.Store(m)
	return m
}

// Available reports whether jobs can run now and, when not, why and what would
// change that, in words for users and operators. What is installed is looked at
// again at most every few seconds.
func (s *Service) Available() (bool, string) {
	if s.broken != "" {
		return false, s.broken
	}
	var missing, packages []string
	unknown := false // whether some program has no known package
	for _, n := range s.needs {
		if s.remote && !n.ofTheFolder {
			continue // the machines that run it have it or not; this one cannot tell
		}
		if _, ok := s.programs.find(n.name); ok {
			continue
		}
		if n.ofTheFolder {
			return false, fmt.Sprintf("its command %s is gone or no longer executable", filepath.Base(n.name))
		}
		missing = append(missing, n.name)
		switch {
		case n.debPackage == "":
			unknown = true
		case !slices.Contains(packages, n.debPackage):
			packages = append(packages, n.debPackage)
		}
	}
	switch {
	case len(missing) == 0:
		return true, ""
	case !unknown:
		return false, fmt.Sprintf("needs %s: apt-get install %s", strings.Join(missing, ", "), strings.Join(packages, " "))
	default:
		return false, fmt.Sprintf("needs %s on the server's PATH", strings.Join(missing, ", "))
	}
}

// Call is what a command line is made of besides the description.
type Call struct {
	// ParamsFile is the path of params.json as the command will see it.
	ParamsFile string
	// AppSpecFile is the path of a file with AppSpec; used only where AppSpec is not nil.
	AppSpecFile string
	// AppServiceURL is the first argument of a BV-BRC script: the address of an app
	// service it may report to. Empty means that there is none.
	AppServiceURL string
}

// Command is the program, as an absolute path, and its arguments. The error is
// job.ErrUnavailable with the reason when the service cannot run now.
//
// A service.yaml says the whole command line. A BV-BRC script is called as its
// own system does: `script <app service URL> <app_spec.json> <params.json>`.
func (s *Service) Command(c Call) ([]string, error) {
	if ok, why := s.Available(); !ok {
		return nil, job.Userf(job.ErrUnavailable, "the service %s cannot run: %s", s.ID(), why)
	}
	var argv []string
	if p, ok := s.programs.find(s.argv[0]); ok {
		argv = append(argv, p)
	} else {
		// It runs on another machine, and only that one knows where the program is.
		argv = append(argv, "/usr/bin/env", s.argv[0])
	}
	argv = append(argv, s.argv[1:]...)
	if s.appSpec != nil {
		argv = append(argv, c.AppServiceURL, c.AppSpecFile, c.ParamsFile)
	}
	return argv, nil
}

// Display says how a result file is shown: by the first of the service's
// patterns that matches its slash-separated path below the output folder, as a
// download where none does.
func (s *Service) Display(file string) (display, title string) {
	for _, r := range s.proto.GetResults() {
		if ok, err := path.Match(r.GetPattern(), file); ok && err == nil {
			return r.GetDisplay(), r.GetTitle()
		}
	}
	return "download", ""
}
