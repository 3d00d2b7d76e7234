package rig

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// childEnv makes the test binary a server of this test, or a child of one.
const childEnv = "STINT_TEST_RIG"

// burnt is the processor time that each child uses before it says so.
const burnt = 60 * time.Millisecond

func TestMain(m *testing.M) {
	role := map[string]func() error{"server": serveWithChildren, "child": burn}[os.Getenv(childEnv)]
	if role == nil {
		os.Exit(m.Run())
	}
	if err := role(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// burn uses processor time until it had enough, says so, and stays until its input ends.
func burn() error {
	for used := (syscall.Rusage{}); time.Duration(used.Utime.Nano()+used.Stime.Nano()) < burnt; {
		for range 100_000 {
			runtime.KeepAlive(used)
		}
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
			return err
		}
	}
	fmt.Fprintln(os.Stdout, "burnt")
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// serveWithChildren has one child that ended and one that is alive, and serves until it is stopped.
func serveWithChildren() error {
	for _, stays := range []bool{false, true} {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childEnv+"=child")
		in, errIn := child.StdinPipe()
		out, errOut := child.StdoutPipe()
		if err := errors.Join(errIn, errOut, child.Start()); err != nil {
			return err
		}
		if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
			return err
		}
		if stays {
			break
		}
		if err := errors.Join(in.Close(), child.Wait()); err != nil {
			return err
		}
	}
	stopped, _ := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	fmt.Fprintln(os.Stdout, "the test is serving on http://nowhere")
	<-stopped.Done()
	return nil // the child's input ends with this process
}

func TestChildrenAreChargedToTheServer(t *testing.T) {
	t.Setenv(childEnv, "server")
	p, err := Start(t.Context(), Command{Program: os.Args[0], Log: filepath.Join(t.TempDir(), "log")})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	if p.Address != "nowhere" {
		t.Errorf("address %q", p.Address)
	}
	own, err := p.Processor()
	if err != nil {
		t.Fatal(err)
	}
	all, err := p.ProcessorOfAll()
	if err != nil {
		t.Fatal(err)
	}
	// Each of two figures of each child may lack what is below a tick.
	if want := own + 2*burnt - 4*clockTick; all < want {
		t.Errorf("all processes used %v, the server %v; with its children at least %v is right", all, own, want)
	}
}

func TestServerThatDoesNotServeTellsWhy(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	_, err := Start(t.Context(), Command{Program: "/bin/sh", Args: []string{"-c", "echo no disk >&2; exit 1"}, Log: log})
	if err == nil || !cmp.Equal(err.Error(), "start /bin/sh: it does not serve: no disk\n") {
		t.Errorf("got %v", err)
	}
}

func TestReadyOnStandardError(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	p, err := Start(t.Context(), Command{
		Program: "/bin/sh", Args: []string{"-c", "echo first; echo 1:M ready at 7 >&2; exec sleep 60"}, Log: log, Ready: "ready at ", Merge: true, Stop: syscall.SIGINT,
	})
	if err != nil {
		t.Fatal(err)
	}
	p.Stop()
	logged, err := os.ReadFile(log)
	if diff := cmp.Diff("first\n1:M ready at 7\n", string(logged)); err != nil || p.Address != "7" || diff != "" {
		t.Errorf("address %q, %v, log (-want +got):\n%s", p.Address, err, diff)
	}
}

func TestParseUsage(t *testing.T) {
	const rest = " S 7 1 1 0 -1 4194560 100 200 0 0 11 22 33 44 20 0 1 0 1234"
	want := usage{pid: 42, parent: 7, own: 330 * time.Millisecond, waited: 770 * time.Millisecond}
	for _, name := range []string{"(postgres)", "(postgres: writer)", "(a) R 1 (b)"} {
		got, err := parseUsage("42 " + name + rest)
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(usage{})); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
	for _, line := range []string{"", "42 (x", ") 42 (", "42 (x) S 7", "x (x)" + rest, "42 (x) S 7 1 1 0 -1 4194560 100 200 0 0 11 many 33 44"} {
		if got, err := parseUsage(line); err == nil {
			t.Errorf("%q was read as %+v", line, got)
		}
	}
}

func TestOfTree(t *testing.T) {
	all := []usage{
		{pid: 4, parent: 3, own: 1000},
		{pid: 1, parent: 0, own: 1, waited: 1},
		{pid: 2, parent: 1, own: 10, waited: 20},
		{pid: 3, parent: 2, own: 100},
		{pid: 5, parent: 1, own: 1_000_000},
	}
	if got, err := ofTree(all, 2); err != nil || got != 1130 {
		t.Errorf("the tree of 2 used %d, %v; want 1130", got, err)
	}
	if got, err := ofTree(all, 6); err == nil {
		t.Errorf("the tree of a process that is not there used %d", got)
	}
}
