//go:build linux

package local

import (
	"os"
	"path/filepath"
	"strconv"

	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/workdir"
)

// systemConfiguration is what programs need of /etc: how names, libraries, time and
// certificates are found. All else of it, such as keys and settings of services, is nobody's business.
var systemConfiguration = []string{
	"alternatives", "ca-certificates.conf", "crypto-policies", "debian_version", "fonts", "gai.conf", "group", "host.conf", "hosts",
	"java-*", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "locale.alias", "locale.conf", "localtime", "magic", "matplotlibrc",
	"mime.types", "networks", "nsswitch.conf", "os-release", "papersize", "passwd", "perl", "pki/ca-trust", "pki/tls/certs",
	"protocols", "python*", "R", "services", "ssl/certs", "ssl/openssl.cnf", "terminfo", "timezone",
}

// ownFiles are those of an attempt that its command sees.
type ownFiles struct {
	output, tmp, progress string   // to write
	read                  []string // not to write; those that there are
}

func ownFilesOf(folder workdir.Dir, a workdir.Attempt) ownFiles {
	return ownFiles{
		output: a.OutputPath(), tmp: a.TmpPath(), progress: a.ProgressPath(),
		read: []string{folder.InputPath(), folder.ParamsPath()},
	}
}

// arguments are those of bwrap for a command. The order counts: what comes later lies over what came before.
// gpus are the indexes of those that the command was given.
func (s *sandbox) arguments(own ownFiles, c executor.Command, gpus []int32) []string {
	args := append(s.namespaces(c), system()...)
	if c.Network {
		args = append(args, "--ro-bind-try", "/etc/resolv.conf", "/etc/resolv.conf")
	}
	// Temporary files are on the disk and not in memory, wherever a program wants them.
	args = append(args, "--bind", own.tmp, "/tmp", "--bind", own.tmp, "/var/tmp")
	args = append(args, s.memoryFiles(c)...)
	args = append(args, gpuFiles("/dev", gpus)...)
	var hidden []string // what is to be seen of the hidden folders
	for _, path := range append(append([]string(nil), s.reads...), c.Reads...) {
		if s.hides(path) {
			hidden = append(hidden, path)
			continue
		}
		args = append(args, "--ro-bind", path, path)
	}
	for _, path := range s.hide {
		args = append(args, "--tmpfs", path)
	}
	for _, path := range hidden {
		args = append(args, "--ro-bind", path, path)
	}
	for _, path := range own.read {
		args = append(args, "--ro-bind-try", path, path)
	}
	for _, path := range []string{own.output, own.tmp, own.progress} {
		args = append(args, "--bind", path, path)
	}
	for _, path := range append([]string{"/", "/dev"}, s.hide...) {
		args = append(args, "--remount-ro", path)
	}
	return append(args, "--chdir", own.output)
}

// namespaces cut the command off from other processes and, unless it may have one, from the network.
func (s *sandbox) namespaces(c executor.Command) []string {
	args := []string{
		"--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try",
		"--hostname", "localhost", "--cap-drop", "ALL", "--new-session", "--die-with-parent", "--as-pid-1",
	}
	if s.bwrap.has["--disable-userns"] {
		args = append(args, "--disable-userns")
	}
	if !c.Network {
		args = append(args, "--unshare-net")
	}
	return args
}

// memoryFiles is /dev/shm, no larger than the job's memory.
func (s *sandbox) memoryFiles(c executor.Command) []string {
	args := []string{"--dev", "/dev"}
	if n := c.Resources.GetMemoryBytes(); n > 0 && s.bwrap.has["--size"] {
		args = append(args, "--size", strconv.FormatInt(n, 10))
	}
	return append(args, "--tmpfs", "/dev/shm")
}

// hides reports whether a path is in a hidden folder.
func (s *sandbox) hides(path string) bool {
	for _, hidden := range s.hide {
		if within(hidden, path) {
			return true
		}
	}
	return false
}

// system is what every command sees of this machine, to read only.
func system() []string {
	args := []string{"--ro-bind", "/usr", "/usr"}
	for _, path := range []string{"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"} {
		if to, err := os.Readlink(path); err == nil {
			args = append(args, "--symlink", to, path)
			continue
		}
		args = append(args, "--ro-bind-try", path, path)
	}
	for _, pattern := range systemConfiguration {
		found, _ := filepath.Glob("/etc/" + pattern) // the patterns are right
		for _, path := range found {
			args = append(args, "--ro-bind-try", path, path)
		}
	}
	// How many processors there are, and where.
	return append(args, "--ro-bind-try", "/sys/devices/system", "/sys/devices/system", "--proc", "/proc")
}
