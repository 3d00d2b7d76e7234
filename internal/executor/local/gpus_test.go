//go:build linux

package local

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCommandsSeeTheGPUsThatTheyWereGiven(t *testing.T) {
	const said = `echo "${CUDA_VISIBLE_DEVICES-unset} ${CUDA_DEVICE_ORDER-unset}"`
	for name, c := range map[string]struct {
		has, given []int32
		env        string
		want       string
	}{
		"two of them":                     {[]int32{0, 1, 2}, []int32{0, 2}, "A=b", "0,2 PCI_BUS_ID"},
		"none":                            {[]int32{0, 1, 2}, nil, "A=b", " PCI_BUS_ID"},
		"whatever the environment said":   {[]int32{0}, []int32{0}, "CUDA_VISIBLE_DEVICES=5", "0 PCI_BUS_ID"},
		"one that was there at its start": {nil, []int32{4}, "A=b", "4 PCI_BUS_ID"},
		"all where none are handed out":   {nil, nil, "CUDA_VISIBLE_DEVICES=5", "5 unset"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig(t)
			cfg.GPUs = c.has
			j := newJob(t, cfg, said)
			j.task.Command.Env, j.task.GPUs = append(j.task.Command.Env, c.env), c.given
			before := slices.Clone(j.task.Command.Env)
			j.wait(j.start())
			if got := j.stdout(); got != c.want+"\n" {
				t.Errorf("the command sees %q, want %q", got, c.want)
			}
			if !slices.Equal(before, j.task.Command.Env) {
				t.Errorf("the task's own environment was changed to %q", j.task.Command.Env)
			}
		})
	}
}

func TestGPUsAreCountedByTheirFiles(t *testing.T) {
	dev := t.TempDir()
	if got := findGPUs(dev); len(got) != 0 {
		t.Errorf("a machine without any has %v", got)
	}
	for _, name := range []string{"nvidia0", "nvidia1", "nvidia10", "nvidiactl", "nvidia-uvm", "nvidia-caps", "sda"} {
		if err := os.WriteFile(filepath.Join(dev, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]int32{0, 1, 2}, findGPUs(dev)); diff != "" {
		t.Error(diff)
	}
	if got := gpuFiles(dev, nil); got != nil {
		t.Errorf("a command without any reaches %q in the sandbox", got)
	}
	got := strings.Join(gpuFiles(dev, []int32{1}), " ")
	for _, name := range []string{"nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "nvidia-caps"} {
		path := filepath.Join(dev, name)
		if !strings.Contains(got, "--dev-bind "+path+" "+path) {
			t.Errorf("a command with one does not reach %s in the sandbox: %s", name, got)
		}
	}
	if strings.Contains(got, "sda") {
		t.Errorf("it reaches more: %s", got)
	}
}
