//go:build linux

package local

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/stint-jobs/stint/internal/executor"
)

// Variables that tell a program which graphics processors it may use, by their indexes, and in which
// order they are counted. See the CUDA C++ Programming Guide, "CUDA Environment Variables". HIP reads
// the first one, too.
const (
	gpusVariable  = "CUDA_VISIBLE_DEVICES"
	orderVariable = "CUDA_DEVICE_ORDER"
	gpuOrder      = "PCI_BUS_ID" // that of nvidia-smi
)

// FindGPUs returns the indexes of the NVIDIA graphics processors of this machine: as many as it has
// files /dev/nvidia0, /dev/nvidia1 and so on. The driver makes them when it is first used.
func FindGPUs() []int32 { return findGPUs("/dev") }

func findGPUs(dev string) []int32 {
	var all []int32
	found, _ := filepath.Glob(filepath.Join(dev, "nvidia*")) // the pattern is right
	for _, path := range found {
		if isGPU(path) {
			all = append(all, int32(len(all))) //nolint:gosec // few
		}
	}
	return all
}

func isGPU(path string) bool {
	n, ok := strings.CutPrefix(filepath.Base(path), "nvidia")
	_, err := strconv.ParseUint(n, 10, 16)
	return ok && err == nil
}

// environment returns that of a command, by which it sees the graphics processors that it was given
// and no others. Where the executor hands out none, nothing is said about them.
func (e *Executor) environment(t executor.Task) []string {
	if len(e.cfg.GPUs) == 0 && len(t.GPUs) == 0 {
		return t.Command.Env
	}
	given := make([]string, len(t.GPUs))
	for i, index := range t.GPUs {
		given[i] = strconv.Itoa(int(index))
	}
	env := slices.DeleteFunc(slices.Clone(t.Command.Env), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return name == gpusVariable || name == orderVariable
	})
	return append(env, gpusVariable+"="+strings.Join(given, ","), orderVariable+"="+gpuOrder)
}

// gpuFiles are the arguments of bwrap by which a command in a sandbox reaches graphics processors.
// It sees the files of all, since their indexes are among these, and uses those that the environment
// names.
func gpuFiles(dev string, given []int32) []string {
	if len(given) == 0 {
		return nil
	}
	var args []string
	for _, pattern := range []string{"nvidia*", "kfd", "dri"} {
		found, _ := filepath.Glob(filepath.Join(dev, pattern)) // the patterns are right
		for _, path := range found {
			args = append(args, "--dev-bind", path, path)
		}
	}
	return args
}
