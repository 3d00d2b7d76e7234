package workdir

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// smallDisk is an attempt on a file system of 2 MiB.
func smallDisk(t *testing.T) Attempt {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("stint-test", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("a small file system needs the right to mount: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	r, err := Open(filepath.Join(dir, "jobs"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	a := r.Job(1).Attempt(1)
	if err := a.Create(); err != nil {
		t.Fatal(err)
	}
	return a
}

// fill writes to a file until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 64<<10))
	}
	if !IsDiskFull(err) {
		t.Fatalf("filling the disk ended with %v", err)
	}
}

func TestExitRecordFitsOnAFullDisk(t *testing.T) {
	a := smallDisk(t)
	if a.DiskFull() {
		t.Error("DiskFull() of an empty disk")
	}
	f, err := a.ReserveExit()
	if err != nil {
		t.Fatal(err)
	}
	fill(t, filepath.Join(a.OutputPath(), "big"))
	if !a.DiskFull() {
		t.Error("DiskFull() does not see a full disk")
	}
	if err := a.root.Job(1).Attempt(2).Create(); err == nil {
		if _, err := a.root.Job(1).Attempt(2).ReserveExit(); !IsDiskFull(err) {
			t.Errorf("ReserveExit() on a full disk = %v", err)
		}
	}
	if err := f.Commit(ExitRecord{Code: 1, Reason: "DISK_FULL"}); err != nil {
		t.Fatal(err)
	}
	if r, ok, err := a.ReadExit(); !ok || err != nil || r.Reason != "DISK_FULL" {
		t.Errorf("ReadExit() = %v, %v, %v", r, ok, err)
	}
}

func TestLogGoesOnAfterAFullDisk(t *testing.T) {
	a := smallDisk(t)
	w, err := a.CreateLog(Stdout, LogLimits{HeadBytes: 8 << 20, TailBytes: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 64<<10)
	for range 64 { // 4 MiB
		if n, err := w.Write(line); n != len(line) || err != nil {
			t.Fatalf("Write() = %d, %v", n, err)
		}
	}
	lost, cause := w.Lost()
	if !IsDiskFull(cause) || lost < 2<<20 || lost > 3<<20 {
		t.Errorf("Lost() = %d, %v; want over 2 MiB for want of room", lost, cause)
	}
	if err := os.Truncate(filepath.Join(a.Path(), "stdout.0"), 1<<20); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("there is room again\n")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var last LogChunk
	err = a.ReadLog(t.Context(), Stdout, LogOptions{}, func(c LogChunk) error {
		last = LogChunk{Offset: c.Offset, Data: append([]byte(nil), c.Data...), Size: c.Size}
		return nil
	})
	if err != nil || string(last.Data) != "there is room again\n" || last.Offset != 4<<20 {
		t.Errorf("the log ends with %q at %d, %v", last.Data, last.Offset, err)
	}
}

func TestIsDiskFull(t *testing.T) {
	for err, want := range map[error]bool{
		&os.PathError{Op: "write", Err: syscall.ENOSPC}: true,
		errors.Join(errors.New("x"), syscall.EDQUOT):    true,
		syscall.EIO: false,
		nil:         false,
	} {
		if got := IsDiskFull(err); got != want {
			t.Errorf("IsDiskFull(%v) = %v", err, got)
		}
	}
}
