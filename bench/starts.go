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
	s, err := rounds(ctx, l.rounds,
		side{"header-only read", func(ctx context.Context) (sample, error) { return l.readHeaders(ctx, path) }},
		side{"warm start", func(ctx context.Context) (sample, error) { return l.startOn(ctx, data) }})
	if err != nil {
		return nil, err
	}
	return []result{ratio("13", pick(s[1], p50), pick(s[0], p50),
		figureOf("warm start, until it serves", "us", pick(s[1], p50)), figureOf("header-only read", "us", pick(s[0], p50)))}, nil
}

// coldStarts measures row 14, with the file out of the system's cache before each side.
func coldStarts(ctx context.Context, l *lab) ([]result, error) {
	data, err := l.stored(ctx, l.jobs)
	if err != nil {
		return nil, err
	}
	path := databaseOf(data)
	cold := func(run func(context.Context) (sample, error)) func(context.Context) (sample, error) {
		return func(ctx context.Context) (sample, error) {
			if err := dropCache(path); err != nil {
				return sample{}, err
			}
			return run(ctx)
		}
	}
	s, err := rounds(ctx, l.rounds,
		side{"reading the file once", cold(func(context.Context) (sample, error) {
			took, err := readWhole(path)
			return tookOnce(took), err
		})},
		side{"cold start", cold(func(ctx context.Context) (sample, error) { return l.startOn(ctx, data) })})
	if err != nil {
		return nil, err
	}
	return []result{ratio("14", pick(s[1], p50), pick(s[0], p50),
		figureOf("cold start, until it serves", "us", pick(s[1], p50)), figureOf("reading the file once", "us", pick(s[0], p50)))}, nil
}

func tookOnce(d time.Duration) sample {
	us := float64(d.Nanoseconds()) / 1e3
	return sample{rate: 1 / d.Seconds(), p50: us, p99: us}
}

// startOn starts stintd and stops it as soon as it serves.
func (l *lab) startOn(ctx context.Context, data string) (sample, error) {
	s, err := l.serve(ctx, data)
	if err != nil {
		return sample{}, err
	}
	defer s.stop()
	return tookOnce(s.took), nil
}

// readHeaders runs this program as `bench headers`.
func (l *lab) readHeaders(ctx context.Context, path string) (sample, error) {
	begin := time.Now()
	out, err := exec.CommandContext(ctx, l.self, "headers", path).CombinedOutput()
	if err != nil {
		return sample{}, fmt.Errorf("%w: %s", err, out)
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
