//go:build linux

package local

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/executor/local/shim"
)

// What Sandbox.Mode may be.
const (
	// SandboxOff runs commands as plain processes of the server's user.
	SandboxOff = "off"
	// SandboxAuto uses a sandbox where one can be made, and says so where it cannot.
	SandboxAuto = "auto"
	// SandboxRequire makes New fail where none can be made.
	SandboxRequire = "require"
)

// Sandbox says what commands are kept apart by. The zero value is none.
type Sandbox struct {
	// Mode is SandboxOff, SandboxAuto or SandboxRequire. Empty means SandboxOff.
	Mode string
	// Hide are absolute folders that no command may see but for its own files in them,
	// whatever else is shown. The folder of all jobs is always one of them.
	Hide []string
	// Reads are absolute paths, besides the system's, that every command may read.
	Reads []string
}

// What New answers.
var (
	// ErrSandbox: a sandbox is required and cannot be made.
	ErrSandbox = errors.New("jobs cannot be put into a sandbox")
	// ErrSandboxBind: what is to be shown in the sandbox cannot be, or must not be.
	ErrSandboxBind = errors.New("the sandbox cannot show it")
)

// sandbox is what was found out about a Sandbox.
type sandbox struct {
	mode    string
	bwrap   bwrap
	hide    []string
	reads   []string
	threads int    // the most that a command may have; 0 where that cannot be enforced
	why     string // why there is none; empty when there is one
}

// findSandbox finds out, by making one, whether commands can be run in a sandbox.
func findSandbox(cfg Config) (sandbox, error) {
	s := sandbox{mode: cfg.Sandbox.Mode, reads: cfg.Sandbox.Reads, threads: threadsMost()}
	s.hide = outermost(append([]string{cfg.Folders.Path()}, cfg.Sandbox.Hide...))
	switch s.mode {
	case "", SandboxOff:
		s.mode = SandboxOff
		s.why = "it is switched off"
		return s, nil
	case SandboxAuto, SandboxRequire:
	default:
		return s, fmt.Errorf("local executor: Sandbox.Mode %q is not off, auto or require", s.mode)
	}
	for _, path := range s.reads {
		if err := s.checkRead(path); err != nil {
			return s, fmt.Errorf("local executor: %w", err)
		}
	}
	err := s.probe(cfg)
	if err == nil {
		return s, nil
	}
	s.why = err.Error()
	if s.mode == SandboxRequire {
		return s, fmt.Errorf("local executor: %w: %w", ErrSandbox, err)
	}
	return s, nil
}

// checkRead refuses to show what cannot be or must not be shown.
func (s *sandbox) checkRead(path string) error {
	if !filepath.IsAbs(path) || filepath.Clean(path) == "/" {
		return fmt.Errorf("%w: %q is not the absolute path of a file or folder below /", ErrSandboxBind, path)
	}
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("%w: %w", ErrSandboxBind, err)
	}
	if s.hides(path) {
		return fmt.Errorf("%w: %s is in a folder of the server, which jobs must not see", ErrSandboxBind, path)
	}
	return nil
}

// probe makes a sandbox as jobs get it, and runs something in it.
func (s *sandbox) probe(cfg Config) (err error) {
	if s.bwrap, err = findBwrap(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(cfg.Folders.Path(), ".sandbox-probe-")
	if err != nil {
		return fmt.Errorf("try the sandbox: %w", err)
	}
	defer os.RemoveAll(dir)
	own := ownFiles{output: filepath.Join(dir, "output"), tmp: filepath.Join(dir, "tmp"), progress: filepath.Join(dir, "progress")}
	err = errors.Join(os.Mkdir(own.output, 0o700), os.Mkdir(own.tmp, 0o700), os.WriteFile(own.progress, nil, 0o600))
	if err != nil {
		return fmt.Errorf("try the sandbox: %w", err)
	}
	program, err := os.Open(cfg.ShimArgv[0])
	if err != nil {
		return fmt.Errorf("try the sandbox: %w", err)
	}
	defer program.Close()
	return shim.Boxed{Bwrap: s.bwrap.path, Args: s.arguments(own, executor.Command{}, nil), Threads: s.threads}.
		Try(shim.Trial{Program: program, Arguments: cfg.ShimArgv[1:], Dir: own.output})
}

// on reports whether commands are run in a sandbox.
func (s *sandbox) on() bool { return s.why == "" }

// describe says what is enforced, for an operator.
func (s *sandbox) describe() string {
	if !s.on() {
		return "jobs run without a sandbox, as the user of the server and with all that this user may see: " + s.why
	}
	words := []string{
		"jobs run in a sandbox (bubblewrap " + s.bwrap.version + "): a read-only system, no files but their own, no other processes, no privileges",
		"no network unless the service says so",
	}
	if s.threads > 0 {
		words = append(words, fmt.Sprintf("at most %d processes and threads", s.threads))
	}
	if !s.bwrap.has["--disable-userns"] {
		words = append(words, "namespaces of their own are not forbidden (bubblewrap 0.8 can)")
	}
	return strings.Join(words, ", ")
}

// threadsMost is how many processes and threads a command in a sandbox may have. Linux counts
// them by user and user namespace since 5.14, so that the limit is the job's own; before, and
// for root in any case, there is no such limit.
func threadsMost() int {
	const most = 4096
	var u unix.Utsname
	if os.Geteuid() == 0 || unix.Uname(&u) != nil {
		return 0
	}
	var major, minor int
	if n, err := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor); n != 2 || err != nil {
		return 0
	}
	if major < 5 || major == 5 && minor < 14 {
		return 0
	}
	return most
}

// bwrap is the program that makes the sandbox.
type bwrap struct {
	path    string
	version string
	has     map[string]bool // options that not every version has
}

// findBwrap finds the program and asks it what it can do.
func findBwrap() (bwrap, error) {
	path, err := exec.LookPath("bwrap")
	if err != nil {
		return bwrap{}, errors.New("the program bwrap is not installed (apt-get install bubblewrap)")
	}
	if path, err = filepath.Abs(path); err != nil {
		return bwrap{}, err
	}
	ask := func(option string) string {
		c := exec.Command(path, option) //nolint:noctx // it only prints
		c.WaitDelay = time.Second
		said, err := c.CombinedOutput()
		if err != nil {
			return ""
		}
		return string(said)
	}
	b := bwrap{path: path, has: make(map[string]bool)}
	_, b.version, _ = strings.Cut(strings.TrimSpace(ask("--version")), " ")
	help := ask("--help")
	for _, option := range []string{"--disable-userns", "--size"} {
		b.has[option] = strings.Contains(help, option+" ")
	}
	if !strings.Contains(help, "--as-pid-1 ") {
		return bwrap{}, fmt.Errorf("%s is no bubblewrap, or one older than 0.3", path)
	}
	return b, nil
}

// outermost are the folders, by their real paths too, without those that lie in others.
func outermost(folders []string) []string {
	var all []string
	for _, path := range folders {
		all = append(all, filepath.Clean(path))
		if resolved, err := filepath.EvalSymlinks(path); err == nil {
			all = append(all, resolved)
		}
	}
	slices.Sort(all) // a folder comes before what is in it
	var outer []string
	for _, path := range all {
		if !slices.ContainsFunc(outer, func(o string) bool { return within(o, path) }) {
			outer = append(outer, path)
		}
	}
	return outer
}

// within reports whether a path is a folder or lies in it.
func within(folder, path string) bool {
	rel, err := filepath.Rel(folder, path)
	return err == nil && filepath.IsLocal(rel)
}
