package faultfs

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/rpc"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// childVariable tells a process that it is the file system, and where to mount it.
const childVariable = "STINT_TEST_FAULTFS"

// IsChild reports whether this process was started to be the file system. TestMain then returns with Serve.
func IsChild() bool { return os.Getenv(childVariable) != "" }

// Serve is the file system, until the process that has started it ends or unmounts it. It returns the exit code.
func Serve() int {
	if err := serve(os.Getenv(childVariable)); err != nil {
		fmt.Fprintln(os.Stderr, "file system of a test:", err)
		return 1
	}
	return 0
}

func serve(at string) error {
	conn, err := net.FileConn(os.NewFile(3, "socket"))
	if err != nil {
		return err
	}
	r := &root{folders: make(map[string]*folder)}
	_, err = fs.Mount(at, r, &fs.Options{MountOptions: fuse.MountOptions{
		DirectMountStrict: true, FsName: "faultfs", Name: "faultfs", MaxWrite: 1 << 20,
	}})
	if err != nil {
		return err
	}
	server := rpc.NewServer()
	if err := server.RegisterName("Disk", &service{r}); err != nil {
		return err
	}
	server.ServeConn(conn) // until the other end is closed
	return syscall.Unmount(at, syscall.MNT_DETACH)
}

// service is what the file system does beside being one.
type service struct{ root *root }

// FolderArgs names a folder.
type FolderArgs struct {
	Folder string
	Seed   uint64
	Faults []Fault
}

// Calls are the calls of a folder until now.
type Calls struct {
	Sites []Site
	Count []int // of each site
	Fired []int // how often each fault of Arm has hit
}

// Make makes a folder.
func (s *service) Make(a FolderArgs, _ *struct{}) error {
	d := newFolder(s.root.nextNumber(), a.Seed)
	s.root.mu.Lock()
	defer s.root.mu.Unlock()
	s.root.folders[a.Folder] = d
	return nil
}

// Arm sets the faults of a folder and counts its calls anew.
func (s *service) Arm(a FolderArgs, _ *struct{}) error {
	d, err := s.folder(a.Folder)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults, d.fired, d.halted = a.Faults, make([]int, len(a.Faults)), false
	clear(d.calls)
	return nil
}

// Calls returns the calls of a folder since Arm.
func (s *service) Calls(a FolderArgs, out *Calls) error {
	d, err := s.folder(a.Folder)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for site := range d.calls {
		out.Sites = append(out.Sites, site)
	}
	slices.SortFunc(out.Sites, func(a, b Site) int {
		return strings.Compare(string(a.Kind)+a.Name, string(b.Kind)+b.Name)
	})
	for _, site := range out.Sites {
		out.Count = append(out.Count, d.calls[site])
	}
	out.Fired = d.fired
	return nil
}

// Crash returns what a loss of power now would leave of a folder's files.
func (s *service) Crash(a FolderArgs, image *map[string][]byte) error {
	d, err := s.folder(a.Folder)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	*image = d.crash()
	return nil
}

// Drop removes a folder.
func (s *service) Drop(a FolderArgs, _ *struct{}) error {
	s.root.mu.Lock()
	defer s.root.mu.Unlock()
	delete(s.root.folders, a.Folder)
	return nil
}

func (s *service) folder(name string) (*folder, error) {
	s.root.mu.Lock()
	defer s.root.mu.Unlock()
	if d := s.root.folders[name]; d != nil {
		return d, nil
	}
	return nil, fmt.Errorf("no folder %s", name)
}

// Disk is the file system, from the side of a test.
type Disk struct {
	path   string
	client *rpc.Client
}

// Start starts the file system in a process of its own, and ends it with the test. The test is skipped where there is no
// /dev/fuse, or fails if STINT_TEST_REQUIRE lists fuse.
func Start(tb testing.TB) *Disk {
	tb.Helper()
	if _, err := os.Stat("/dev/fuse"); err != nil || os.Geteuid() != 0 {
		if slices.Contains(strings.Split(os.Getenv("STINT_TEST_REQUIRE"), ","), "fuse") {
			tb.Fatalf("a FUSE file system wants root and /dev/fuse: %v", err)
		}
		tb.Skipf("a FUSE file system wants root and /dev/fuse: %v", err)
	}
	d := &Disk{path: tb.TempDir()}
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		tb.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "theirs")
	conn, err := net.FileConn(ours)
	if err := errors.Join(err, ours.Close()); err != nil {
		tb.Fatal(err)
	}
	child := exec.CommandContext(context.WithoutCancel(tb.Context()), os.Args[0], "-test.run=^$") //nolint:gosec // this very program
	child.Env = append(os.Environ(), childVariable+"="+d.path)
	child.ExtraFiles = []*os.File{theirs}
	child.Stdout, child.Stderr = tb.Output(), tb.Output()
	if err := errors.Join(child.Start(), theirs.Close()); err != nil {
		tb.Fatal(err)
	}
	d.client = rpc.NewClient(conn)
	tb.Cleanup(func() {
		if err := errors.Join(d.client.Close(), child.Wait()); err != nil {
			tb.Errorf("end the file system: %v", err)
		}
	})
	return d
}

// Folder is a folder of a Disk, with files and no folders.
type Folder struct {
	disk *Disk
	name string
}

// Folder makes a folder. What a crash leaves of it depends on the seed.
func (d *Disk) Folder(tb testing.TB, name string, seed uint64) *Folder {
	tb.Helper()
	f := &Folder{d, name}
	f.call(tb, "Make", FolderArgs{Seed: seed}, &struct{}{})
	return f
}

// Path returns the path of a file in the folder.
func (f *Folder) Path(name string) string { return filepath.Join(f.disk.path, f.name, name) }

// Arm sets the faults of the folder and counts its calls anew.
func (f *Folder) Arm(tb testing.TB, faults ...Fault) {
	tb.Helper()
	f.call(tb, "Arm", FolderArgs{Faults: faults}, &struct{}{})
}

// Calls returns the calls since Arm, and how many faults there have been.
func (f *Folder) Calls(tb testing.TB) Calls {
	tb.Helper()
	var calls Calls
	f.call(tb, "Calls", FolderArgs{}, &calls)
	return calls
}

// Crash writes what a loss of power now would leave of the folder to another, ordinary folder.
func (f *Folder) Crash(tb testing.TB, to string) {
	tb.Helper()
	var image map[string][]byte
	f.call(tb, "Crash", FolderArgs{}, &image)
	for name, data := range image {
		if err := os.WriteFile(filepath.Join(to, name), data, 0o600); err != nil {
			tb.Fatal(err)
		}
	}
}

// Drop frees the memory of the folder.
func (f *Folder) Drop(tb testing.TB) {
	tb.Helper()
	f.call(tb, "Drop", FolderArgs{}, &struct{}{})
}

func (f *Folder) call(tb testing.TB, method string, args FolderArgs, out any) {
	tb.Helper()
	args.Folder = f.name
	if err := f.disk.client.Call("Disk."+method, args, out); err != nil {
		tb.Fatalf("%s folder %s: %v", method, f.name, err)
	}
}
