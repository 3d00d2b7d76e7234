package kv

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// smallDisk mounts a file system of a size.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	path := t.TempDir()
	if err := unix.Mount("tmpfs", path, "tmpfs", 0, "size="+size); err != nil {
		if slices.Contains(strings.Split(os.Getenv("STINT_TEST_REQUIRE"), ","), "fuse") {
			t.Fatalf("mount: %v", err)
		}
		t.Skipf("mount: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(path, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return path
}

// fillDisk writes a file until there is no space.
func fillDisk(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
}

func TestFullDisk(t *testing.T) {
	folder := smallDisk(t, "8m")
	cfg := testConfig(filepath.Join(folder, "jobs.db"))
	cfg.Reserve = 1 << 20
	db := openConfig(t, cfg)
	db.mustPut(t, "a", "1")
	reserve, filler := cfg.Path+reserveSuffix, filepath.Join(folder, "filler")
	if info, err := os.Stat(reserve); err != nil || info.Size() != cfg.Reserve {
		t.Fatalf("reserve: %v, %v", info, err)
	}
	fillDisk(t, filler)

	large := strings.Repeat("x", 300_000)
	if err := db.Do(t.Context(), Op{Stage: put("b", large)}); !errors.Is(err, ErrNoSpace) {
		t.Fatalf("on a full disk: %v, want ErrNoSpace", err)
	}
	if err := db.Do(t.Context(), Op{Stage: put("c", large), Internal: true}); err != nil {
		t.Errorf("the server's own, with a reserve: %v", err)
	}
	if err := db.Do(t.Context(), Op{Stage: put("b", "small")}); !errors.Is(err, ErrNoSpace) {
		t.Errorf("while the reserve is used: %v, want ErrNoSpace", err)
	}
	if _, err := os.Stat(reserve); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the reserve is there: %v", err)
	}

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	deadline := time.After(5 * time.Second)
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for err := ErrNoSpace; err != nil; {
		select {
		case <-again.C:
			err = db.Do(t.Context(), Op{Stage: put("b", large)})
		case <-deadline:
			t.Fatalf("five seconds after there was space: %v", err)
		}
	}
	if info, err := os.Stat(reserve); err != nil || info.Size() != cfg.Reserve {
		t.Errorf("reserve at the end: %v, %v", info, err)
	}
	db.wantContents(t, map[string]string{"a": "1", "b": large, "c": large})
}

func TestOpensOnAFullDisk(t *testing.T) {
	folder := smallDisk(t, "2m")
	cfg := testConfig(filepath.Join(folder, "jobs.db"))
	db, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	db.mustPut(t, "a", "1")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	filler := filepath.Join(folder, "filler")
	fillDisk(t, filler)
	cfg.Reserve = 1 << 18
	db = openConfig(t, cfg)
	if err := db.Healthy(); !errors.Is(err, ErrNoSpace) {
		t.Errorf("Healthy = %v, want ErrNoSpace", err)
	}
	db.wantContents(t, map[string]string{"a": "1"})
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if err := db.Do(t.Context(), Op{Stage: put("b", "2"), Internal: true}); err != nil {
		t.Errorf("the server's own: %v", err)
	}
}
