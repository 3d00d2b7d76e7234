package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/stint-jobs/stint/bench/rig"
)

// starts measures row 13, whose limit reads the headers of all records in a process of its own.
func starts(ctx context.Context, l *lab) ([]result, error) {
	data, err := l.stored(ctx, l.jobs)
	if err != nil {
		return nil, err
	}
	path := databaseOf(data)
	if _, err := readWhole(path); err != nil { // so that the first round is warm, too
		return nil, err
	}
	s, err := rig.Rounds(ctx, l.rounds,
		rig.Side{Name: "header-only read", Run: func(ctx context.Context) (rig.Sample, error) { return l.readHeaders(ctx, path) }},
		rig.Side{Name: "warm start", Run: func(ctx context.Context) (rig.Sample, error) { return l.startOn(ctx, data) }})
	if err != nil {
		return nil, err
	}
	return []result{ratio("13", rig.Pick(s[1], rig.P50), rig.Pick(s[0], rig.P50),
		figureOf("warm start, until it serves", "us", rig.Pick(s[1], rig.P50)), figureOf("header-only read", "us", rig.Pick(s[0], rig.P50)))}, nil
}

// coldStarts measures row 14, with the file out of the system's cache before each side.
func coldStarts(ctx context.Context, l *lab) ([]result, error) {
	data, err := l.stored(ctx, l.jobs)
	if err != nil {
		return nil, err
	}
	path := databaseOf(data)
	cold := func(run func(context.Context) (rig.Sample, error)) func(context.Context) (rig.Sample, error) {
		return func(ctx context.Context) (rig.Sample, error) {
			if err := dropCache(path); err != nil {
				return rig.Sample{}, err
			}
			return run(ctx)
		}
	}
	s, err := rig.Rounds(ctx, l.rounds,
		rig.Side{Name: "reading the file once", Run: cold(func(context.Context) (rig.Sample, error) {
			took, err := readWhole(path)
			return tookOnce(took), err
		})},
		rig.Side{Name: "cold start", Run: cold(func(ctx context.Context) (rig.Sample, error) { return l.startOn(ctx, data) })})
	if err != nil {
		return nil, err
	}
	return []result{ratio("14", rig.Pick(s[1], rig.P50), rig.Pick(s[0], rig.P50),
		figureOf("cold start, until it serves", "us", rig.Pick(s[1], rig.P50)), figureOf("reading the file once", "us", rig.Pick(s[0], rig.P50)))}, nil
}

func tookOnce(d time.Duration) rig.Sample {
	us := float64(d.Nanoseconds()) / 1e3
	return rig.Sample{Rate: 1 / d.Seconds(), P50: us, P99: us}
}

// startOn starts stintd and stops it as soon as it serves.
func (l *lab) startOn(ctx context.Context, data string) (rig.Sample, error) {
	s, err := l.serve(ctx, data)
	if err != nil {
		return rig.Sample{}, err
	}
	defer s.Stop()
	return tookOnce(s.Took), nil
}

// readHeaders runs this program as `bench headers`.
func (l *lab) readHeaders(ctx context.Context, path string) (rig.Sample, error) {
	begin := time.Now()
	out, err := exec.CommandContext(ctx, l.self, "headers", path).CombinedOutput()
	if err != nil {
		return rig.Sample{}, fmt.Errorf("%w: %s", err, out)
	}
	return tookOnce(time.Since(begin)), nil
}

// readWhole reads a file in order.
func readWhole(path string) (time.Duration, error) {
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	begin := time.Now()
	_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{f}, make([]byte, 1<<20))
	return time.Since(begin), err
}

// mostCached is the part of a file that may be left in the cache for a start to count as cold.
const mostCached = 0.01

// dropCache has the system forget what it holds of a file, and makes sure that it did.
func dropCache(path string) error {
	f, err := os.OpenFile(filepath.Clean(path), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil { // what is not written cannot be dropped
		return err
	}
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		return fmt.Errorf("drop the cache: %w", err)
	}
	part, err := cached(f)
	if err == nil && part > mostCached {
		err = fmt.Errorf("%.0f%% of the file are still cached", 100*part)
	}
	return err
}

// cached is the part of a file that is in the system's cache.
func cached(f *os.File) (float64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	m, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return 0, err
	}
	page := os.Getpagesize()
	resident := make([]byte, (len(m)+page-1)/page)
	_, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&m[0])), uintptr(len(m)), uintptr(unsafe.Pointer(&resident[0])))
	if errno != 0 {
		return 0, errors.Join(errno, unix.Munmap(m))
	}
	n := 0
	for _, b := range resident {
		n += int(b & 1)
	}
	return float64(n) / float64(len(resident)), unix.Munmap(m)
}
