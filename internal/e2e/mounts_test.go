package e2e_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// errorDisk is an ext4 file system that turns read-only at its first error, and its device.
func errorDisk(t *testing.T) (dir, device string) {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 96<<20); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "mkfs.ext4", "-q", "-F", image).CombinedOutput(); err != nil {
		cannotMake(t, err, out)
	}
	out, err := exec.CommandContext(t.Context(), "losetup", "--find", "--show", image).CombinedOutput()
	if err != nil {
		cannotMake(t, err, out)
	}
	dir, device = t.TempDir(), strings.TrimSpace(string(out))
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
		if out, err := exec.Command("losetup", "--detach", device).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
	if err := syscall.Mount(device, dir, "ext4", 0, "errors=remount-ro"); err != nil {
		t.Fatal(err)
	}
	return dir, device
}

// cannotMake skips a test that needs a disk of its own, unless only a program is missing that has to be there.
func cannotMake(t *testing.T, err error, out []byte) {
	t.Helper()
	if required("programs") && errors.Is(err, exec.ErrNotFound) {
		t.Fatal(err)
	}
	t.Skipf("cannot make a disk here: %v\n%s", err, out)
}

// remount makes it writable again, as an operator does.
func remount(t *testing.T, dir, device string) {
	t.Helper()
	if err := syscall.Unmount(dir, 0); err != nil {
		t.Fatal(err)
	}
	const corrected = 1 // see e2fsck(8)
	cmd := exec.CommandContext(t.Context(), "e2fsck", "-p", device)
	if out, err := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() > corrected {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := syscall.Mount(device, dir, "ext4", 0, "errors=remount-ro"); err != nil {
		t.Fatal(err)
	}
}
