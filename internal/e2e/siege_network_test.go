package e2e_test

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// siegeBin names the folder of the binaries, in the environment of the part of TestSiege that runs in a network of its own.
	siegeBin = "STINT_TEST_SIEGE_BIN"
	// siegeNetwork is the first two numbers of the addresses that are all there is in that network, and siegeServer the server's.
	siegeNetwork = "10.99"
	siegeServer  = siegeNetwork + ".0.1"
)

// inNetworkOfItsOwn runs this test again in a network namespace in which all addresses of siegeNetwork are this machine's, and reports
// whether this is that run. What the run logs is logged here.
func inNetworkOfItsOwn(t *testing.T, within time.Duration) bool {
	t.Helper()
	if os.Getenv(siegeBin) != "" {
		makeAllAddressesOurs(t)
		return true
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout="+within.String())
	cmd.Env = append(os.Environ(), siegeBin+"="+bin)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if uid := os.Getuid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if os.Getenv("STINT_SIEGE") != "" { // somebody waits for it
		cmd.Stdout, cmd.Stderr = io.MultiWriter(&out, os.Stderr), os.Stderr
	}
	err := cmd.Start()
	switch {
	case err != nil && os.Getenv("STINT_SIEGE") != "":
		t.Fatalf("make a network namespace: %v", err)
	case err != nil:
		t.Skipf("cannot make a network namespace here: %v", err)
	}
	if err := cmd.Wait(); err != nil || !strings.Contains(out.String(), "--- PASS: "+t.Name()) {
		t.Errorf("in a network of its own: %v\n%s", err, out.String())
		return false
	}
	t.Logf("in a network of its own:\n%s", out.String())
	return false
}

// makeAllAddressesOurs gives the loopback of this namespace the whole of siegeNetwork: the kernel takes each address of a loopback's
// network as its own.
func makeAllAddressesOurs(t *testing.T) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	for _, step := range []struct {
		name    string
		request uint
		set     func(*unix.Ifreq) error
	}{
		{"lo", unix.SIOCSIFFLAGS, func(r *unix.Ifreq) error { r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING); return nil }},
		{"lo:siege", unix.SIOCSIFADDR, func(r *unix.Ifreq) error { return r.SetInet4Addr([]byte{10, 99, 0, 1}) }},
		{"lo:siege", unix.SIOCSIFNETMASK, func(r *unix.Ifreq) error { return r.SetInet4Addr([]byte{255, 255, 0, 0}) }},
	} {
		r, err := unix.NewIfreq(step.name)
		if err == nil {
			err = step.set(r)
		}
		if err == nil {
			err = unix.IoctlIfreq(fd, step.request, r)
		}
		if err != nil {
			t.Fatalf("set up %s: %v", step.name, err)
		}
	}
}
