package server

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/store"
)

// parse fills a Config as the command does.
func parse(t *testing.T, args []string, env map[string]string, file string) (Config, error) {
	t.Helper()
	var c Config
	f := pflag.NewFlagSet("stintd", pflag.ContinueOnError)
	define(f, &c)
	if err := f.Parse(args); err != nil {
		return c, err
	}
	path := ""
	if file != "" {
		path = filepath.Join(t.TempDir(), "stintd.yaml")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	err := fill(f, func(name string) (string, bool) { v, ok := env[name]; return v, ok }, path, c.sections())
	return c, err
}

func TestFlagWinsOverEnvironmentAndThatOverFile(t *testing.T) {
	file := "listen: 127.0.0.1:1\ndata: from-file\ncpus: 3\nallowed-hosts: [a, b]\nkeep-for:\n  completed: 90d\n  failed: 36h\n"
	env := map[string]string{"STINTD_DATA": "from-env", "STINTD_LISTEN": "127.0.0.1:2", "STINTD_KEEP_AT_MOST": "completed=5"}
	c, err := parse(t, []string{"--listen", "127.0.0.1:3"}, env, file)
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != "127.0.0.1:3" || c.Data != "from-env" || c.CPUs != 3 || !slices.Equal(c.AllowedHosts, []string{"a", "b"}) {
		t.Errorf("%+v", c)
	}
	r := c.retention()
	want := store.Keep{For: 90 * 24 * time.Hour, AtMost: 5}
	if r[jobsv1.State_STATE_COMPLETED] != want || r[jobsv1.State_STATE_FAILED].For != 36*time.Hour || len(r) != 2 {
		t.Errorf("retention %v", r)
	}
}

func TestDefaultsAreGood(t *testing.T) {
	c, err := parse(t, nil, nil, "")
	if err != nil || c.check() != nil {
		t.Fatalf("%v, %v", err, c.check())
	}
	if c.OutputHead != 16<<20 || c.OutputTail != 8<<20 || c.Grace != 10*time.Second || len(c.retention()) != 0 {
		t.Errorf("%+v", c)
	}
}

func TestMistakesAreNamedAllAtOnce(t *testing.T) {
	_, err := parse(t, nil, map[string]string{"STINTD_CPUS": "many"}, "lisen: x\nmemory: a lot\nkeep-for: {running: 1d}\n")
	for _, want := range []string{"STINTD_CPUS", `"lisen" is no setting`, "a lot", "running"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not named: %v", want, err)
		}
	}
	for _, file := range []string{"- a\n", "data: {a: [b]}\n: :", "\x00"} {
		if _, err := parse(t, nil, nil, file); err == nil {
			t.Errorf("%q is accepted", file)
		}
	}
	c := Config{CPUs: -1, Quota: -1, AccessLog: "some"}
	for _, want := range []string{"--data", "--services", "--listen", "--executor", "--cpus", "--quota", "--access-log"} {
		if err := c.check(); !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not named: %v", want, err)
		}
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "5": 5, "1K": 1 << 10, "512M": 512 << 20, "2G": 2 << 30, "2GiB": 2 << 30, "3TB": 3 << 40} {
		var n int64
		v := bytesValue{&n}
		if err := v.Set(text); err != nil || n != want {
			t.Errorf("%s = %d, %v", text, n, err)
		}
		var again int64
		if err := (bytesValue{&again}).Set(v.String()); err != nil || again != n {
			t.Errorf("%s is written %s, which is %d", text, v, again)
		}
	}
	for _, text := range []string{"", "-1", "1.5G", "G", "9999999999P", "1 X"} {
		var n int64
		if err := (bytesValue{&n}).Set(text); err == nil {
			t.Errorf("%q = %d", text, n)
		}
	}
}

func TestSocketOfADeepFolderCanBeReached(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("deep/", 30))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := dialSocket(t.Context(), dir); err == nil {
		t.Fatal("reached a server that is not there")
	}
	l, err := listenSocket(dir, socketName)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := dialSocket(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	info, err := os.Stat(filepath.Join(dir, socketName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket %v, %v", info.Mode(), err)
	}
	// A killed server leaves its socket; the next one replaces it.
	again, err := listenSocket(dir, socketName)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []interface{ Close() error }{l, again} {
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	}
}
