package mount

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

const info = `22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 0:21 / /srv rw - nfs4 files.example.org:/srv rw,vers=4.2
24 23 254:1 / /srv/local rw master:2 propagate_from:3 - xfs /dev/vdb rw
25 22 0:30 / /mnt/with\040blank rw - fuse.sshfs me@host: rw
26 22 0:31 / /mnt/b rw - fuseblk /dev/sdb1 rw
27 22 0:32 / /srv/local rw - btrfs /dev/vdc rw
a line of another kind
28 22 0:33 /
`

func TestAPathIsOnTheLongestMountAboveIt(t *testing.T) {
	all, err := parse(strings.NewReader(info))
	if err != nil || len(all) != 6 {
		t.Fatalf("%v, %v", all, err)
	}
	for path, want := range map[string]string{
		"/": "ext4 /", "/var/lib/stint": "ext4 /", "/srv": "nfs4 /srv", "/srv/stint/state": "nfs4 /srv", "/srvx": "ext4 /",
		"/srv/local/x": "btrfs /srv/local", "/mnt/with blank/x": "fuse.sshfs /mnt/with blank", "/mnt/b": "fuseblk /mnt/b",
	} {
		m := at(all, path, 0)
		if got := m.Type + " " + m.Point; got != want {
			t.Errorf("%s is on %s, want %s", path, got, want)
		}
	}
	if m := at(all, "/srv/local/x", 24); m.Type != "xfs" {
		t.Errorf("mount 24 is %v", m)
	}
}

func TestNetworkFileSystemsAreKnownByNumberOrName(t *testing.T) {
	for _, c := range []struct {
		magic   uint32
		name    string
		network bool
	}{
		{0xEF53, "ext4", false},
		{0x58465342, "xfs", false},
		{0x9123683E, "btrfs", false},
		{0x01021994, "tmpfs", false},
		{0x794C7630, "overlay", false},
		{0x2FC12FC1, "zfs", false},
		{0x65735546, "fuseblk", false},
		{0x6969, "nfs4", true},
		{0x6969, "", true},
		{0x0BD00BD0, "lustre", true},
		{0xFF534D42, "cifs", true},
		{0xFE534D42, "smb3", true},
		{0x47504653, "gpfs", true},
		{0x19830326, "beegfs", true},
		{0x00C36400, "ceph", true},
		{0x01021997, "9p", true},
		{0x5346414F, "afs", true},
		{0x65735546, "fuse.sshfs", true},
		{0x65735546, "", true},
		{0x12345678, "glusterfs", true},
		{0x12345678, "wekafs", true},
		{0x12345678, "", false},
	} {
		m := judge(c.magic, Mount{Type: c.name})
		if m.Network != c.network || m.Type == "" {
			t.Errorf("0x%x %q: %+v", c.magic, c.name, m)
		}
	}
}

func TestFindLooksAboveWhatIsNotThere(t *testing.T) {
	dir := t.TempDir()
	want, err := Find(dir)
	if err != nil || want.Type == "" {
		t.Fatalf("%+v, %v", want, err)
	}
	got, err := Find(filepath.Join(dir, "not", "there"))
	if err != nil || got != want {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	loop := filepath.Join(dir, "loop")
	if err := os.Symlink(loop, loop); err != nil {
		t.Fatal(err)
	}
	if _, err := Find(loop); err == nil {
		t.Error("a link to itself is on a file system")
	}
}

// FUSE stands for the network file systems, which a test cannot mount.
func TestFindKnowsFUSE(t *testing.T) {
	dir := t.TempDir()
	server, err := fs.Mount(dir, &fs.Inode{}, &fs.Options{MountOptions: fuse.MountOptions{DirectMount: true, FsName: "test", Name: "stint"}})
	if err != nil {
		if slices.Contains(strings.Split(os.Getenv("STINT_TEST_REQUIRE"), ","), "fuse") && !errors.Is(err, os.ErrPermission) {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	t.Cleanup(func() {
		if err := server.Unmount(); err != nil {
			t.Error(err)
		}
	})
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, link, filepath.Join(link, "not-there")} {
		m, err := Find(path)
		if err != nil || !m.Network || m.Point != dir || m.Type != "fuse.stint" || m.Source != "test" {
			t.Errorf("%s: %+v, %v", path, m, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(info)
	f.Fuzz(func(t *testing.T, text string) {
		all, _ := parse(strings.NewReader(text))
		at(all, "/a/b", 0)
	})
}
