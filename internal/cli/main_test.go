package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"
)

// TestMain lets scripts run this test binary as `stint`, and otherwise runs
// the tests in a world without the developer's own token, server and zone.
func TestMain(m *testing.M) {
	testscript.Main(checked{m}, map[string]func(){
		"stint": func() { os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

// checked runs the tests and then looks for goroutines that they left behind.
type checked struct{ m *testing.M }

func (c checked) Run() int {
	config, err := os.MkdirTemp("", "stint-cli-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(config)
	for name, value := range map[string]string{"XDG_CONFIG_HOME": config, "STINT_TOKEN": "", "STINT_SERVER": "", "NO_COLOR": "", "COLUMNS": "", "LINES": ""} {
		os.Setenv(name, value)
	}
	time.Local = time.FixedZone("CET", 3600)
	code := c.m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// result is what a run of the program came to.
type result struct {
	code     int
	out, err string
}

// stint runs the program against a fake in this process. Waits between tries
// take no time.
func stint(f *fake, args ...string) result {
	return stintWith(f, func(*app) {}, args...)
}

// stintWith is stint with the app changed before, for example for a terminal.
func stintWith(f *fake, change func(*app), args ...string) result {
	var out, errOut bytes.Buffer
	a := newApp(strings.NewReader(""), &out, &errOut)
	a.wait = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	change(a)
	if f != nil {
		args = append(args, "--server", f.addr)
	}
	code := a.run(args)
	return result{code, out.String(), errOut.String()}
}

// onTerminal makes standard output a terminal with so many columns.
func onTerminal(columns int) func(*app) {
	return func(a *app) {
		a.screen = screen{tty: true, cursor: true, color: true, size: func() (int, int) { return columns, 24 }}
	}
}

func (r result) want(t *testing.T, code int) result {
	t.Helper()
	if r.code != code {
		t.Fatalf("exit code %d, want %d\nstdout:\n%s\nstderr:\n%s", r.code, code, r.out, r.err)
	}
	return r
}

func wantIn(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("no %q in:\n%s", p, text)
		}
	}
}

// submitted puts a job into the fake and answers its id.
func submitted(tb testing.TB, f *fake, args ...string) string {
	tb.Helper()
	r := stint(f, append([]string{"submit"}, append(args, "-o", "name")...)...)
	if r.code != 0 {
		tb.Fatalf("submit: %s", r.err)
	}
	return strings.TrimSpace(r.out)
}
