package rig

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Machine is where and when something was measured.
type Machine struct {
	Begin      time.Time `json:"begin"`
	End        time.Time `json:"end"`
	Stintd     string    `json:"stintd"`
	Go         string    `json:"go"`
	Kernel     string    `json:"kernel"`
	Processors int       `json:"processors"`
	Processor  string    `json:"processor"`
	FileSystem string    `json:"file_system"`
	LoadBegin  string    `json:"load_average_begin"`
	LoadEnd    string    `json:"load_average_end"`
}

// NewMachine notes where measuring begins now: with which stintd, on the disk of which folder.
func NewMachine(stintd, dir string) Machine {
	version, err := exec.Command(stintd, "--version").Output() //nolint:noctx // it prints a line
	if err != nil {
		version = []byte("unknown")
	}
	return Machine{
		Begin: time.Now().UTC(), Stintd: strings.TrimSpace(string(version)),
		Go: runtime.Version(), Kernel: firstLine("/proc/sys/kernel/osrelease"), Processors: runtime.NumCPU(), Processor: processorModel(),
		FileSystem: fileSystem(dir), LoadBegin: loadAverage(),
	}
}

// Done notes that measuring ends now.
func (m *Machine) Done() { m.End, m.LoadEnd = time.Now().UTC(), loadAverage() }

// Lines tell all of it.
func (m *Machine) Lines() []string {
	return []string{
		fmt.Sprintf("%s, %s", m.Begin.Format("2006-01-02 15:04:05 MST"), m.End.Sub(m.Begin).Round(time.Second)),
		fmt.Sprintf("%s; %s; Linux %s; %d processors (%s); %s", m.Stintd, m.Go, m.Kernel, m.Processors, m.Processor, m.FileSystem),
		fmt.Sprintf("load average at the start %s, at the end %s", m.LoadBegin, m.LoadEnd),
	}
}

func firstLine(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return line
}

func loadAverage() string {
	f := strings.Fields(firstLine("/proc/loadavg"))
	return strings.Join(f[:min(3, len(f))], " ")
}

func processorModel() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "model name") {
			_, name, _ := strings.Cut(line, ":")
			return strings.TrimSpace(name)
		}
	}
	return "unknown"
}

func fileSystem(dir string) string {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return "unknown"
	}
	switch st.Type {
	case unix.EXT4_SUPER_MAGIC:
		return "ext4"
	case unix.XFS_SUPER_MAGIC:
		return "xfs"
	case unix.BTRFS_SUPER_MAGIC:
		return "btrfs"
	case unix.TMPFS_MAGIC:
		return "tmpfs: nothing here is durable, so rows about Submit mean nothing"
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlayfs"
	default:
		return fmt.Sprintf("type %#x", st.Type)
	}
}
