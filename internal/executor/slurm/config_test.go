package slurm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stint-jobs/stint/internal/workdir"
)

// fakeCommands is a folder with programs of Slurm's names that are scripts.
func fakeCommands(tb testing.TB, body string) map[string]string {
	tb.Helper()
	dir := tb.TempDir()
	programs := make(map[string]string)
	for _, name := range append([]string{"sacctmgr"}, commands...) {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
			tb.Fatal(err)
		}
		programs[name] = path
	}
	return programs
}

func TestNewChecksTheConfiguration(t *testing.T) {
	root, err := workdir.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	good := func() Config {
		return Config{Name: "slurm", Folders: root, InstallID: "abc", Commands: fakeCommands(t, "")}
	}
	if _, err := New(good()); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Config){
		"jobs' folders":               func(c *Config) { c.Folders = nil },
		"installation id":             func(c *Config) { c.InstallID = "A-b" },
		"User is required":            func(c *Config) { c.Remote = []string{"ssh", "login1"} },
		`option "--wrap=x" is not al`: func(c *Config) { c.Defaults.Extra = []string{"--wrap=x"} },
		"service Big: the partition":  func(c *Config) { c.Services = map[string]Options{"Big": {Partition: "a\nb"}} },
		"has an equals sign in it": func(c *Config) {
			c.Remote, c.User, c.Commands["sbatch"] = []string{"ssh"}, "me", "/opt/slurm=22/sbatch"
		},
		"find Slurm's commands": func(c *Config) { c.Commands["sacct"] = "/stint/no/such/program" },
	} {
		cfg := good()
		change(&cfg)
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New() = %v, want it to say %q", err, want)
		}
	}
}
