package server

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
)

// The place of an installation is its machine and its two folders, as the kernel knows them. The database keeps it, and
// a marker in the data folder says whose jobs are there. A copy of the folders has other inodes, so that a server which
// is started on it knows that it is not at the place where the jobs were started, and refuses.
//
// A folder that is renamed keeps its device, inode and birth. A restart of the machine may change the number of a
// device. A remount may change it where the file system has no device of its own. What cannot be told is a copy of the whole
// disk that is used on a copy of the same machine.

// placeOf returns the place as it is now. Both folders exist.
func placeOf(f folders) (*storev1.Place, error) {
	state, err := folderOf(f.state)
	if err != nil {
		return nil, err
	}
	data, err := folderOf(f.data)
	if err != nil {
		return nil, err
	}
	return &storev1.Place{
		MachineId: firstLine("/etc/machine-id", "/var/lib/dbus/machine-id"), BootId: firstLine("/proc/sys/kernel/random/boot_id"),
		State: state, Data: data,
	}, nil
}

func folderOf(path string) (*storev1.Folder, error) {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_INO|unix.STATX_BTIME, &st); err != nil {
		return nil, fmt.Errorf("look at a folder: %w", &fs.PathError{Op: "statx", Path: path, Err: err})
	}
	f := &storev1.Folder{Device: unix.Mkdev(st.Dev_major, st.Dev_minor), Inode: st.Ino}
	if st.Mask&unix.STATX_BTIME != 0 {
		f.BirthNs = st.Btime.Sec*1e9 + int64(st.Btime.Nsec)
	}
	return f, nil
}

// firstLine returns the first line of the first of the files that has one. A machine id that is not set yet counts as none.
func firstLine(paths ...string) string {
	for _, path := range paths {
		b, err := os.ReadFile(path)
		line, _, _ := strings.Cut(string(b), "\n")
		if err == nil && line != "" && line != "uninitialized" {
			return line
		}
	}
	return ""
}

// differences returns how a place differs from the one that an installation was at, in words; none where it is the same.
func differences(was, now *storev1.Place) []string {
	var d []string
	if was.GetMachineId() != "" && now.GetMachineId() != "" && was.GetMachineId() != now.GetMachineId() {
		d = append(d, "it ran on another machine (the machine-id differs)")
	}
	rebooted := was.GetBootId() != now.GetBootId()
	if !sameInode(was.GetState(), now.GetState(), rebooted) {
		d = append(d, "its state folder was another one (the inode differs, as that of a copy does)")
	}
	if !sameInode(was.GetData(), now.GetData(), rebooted) {
		d = append(d, "its data folder was another one (the inode differs, as that of a copy does)")
	}
	return d
}

// sameInode reports whether two looks at a folder saw the same one. Numbers of devices hold as long as the machine runs,
// and only where there is a device: those of network file systems, btrfs and tmpfs have the major number 0 and change
// with each mount.
func sameInode(was, now *storev1.Folder, rebooted bool) bool {
	if was.GetInode() != now.GetInode() {
		return false
	}
	if was.GetBirthNs() != 0 && now.GetBirthNs() != 0 && was.GetBirthNs() != now.GetBirthNs() {
		return false
	}
	noDevice := unix.Major(was.GetDevice()) == 0 || unix.Major(now.GetDevice()) == 0
	return was.GetDevice() == now.GetDevice() || rebooted || noDevice
}

// markerName is the file in the data folder that says whose it is.
const markerName = "installation.json"

// marker is what the file has.
type marker struct {
	// Installation and Place are the ids in the settings of the database.
	Installation string `json:"installation"`
	Place        string `json:"place"`
	// State is the path of the state folder, for people.
	State string `json:"state"`
	// MachineID and Data are of the place.
	MachineID string `json:"machine_id,omitempty"`
	Data      folder `json:"data"`
}

// folder is a folder as the kernel knows it; see storev1.Folder.
type folder struct {
	Device  uint64 `json:"device"`
	Inode   uint64 `json:"inode"`
	BirthNS int64  `json:"birth_ns,omitempty"`
}

// readMarker returns nil where there is none.
func readMarker(data string) (*marker, error) {
	path := filepath.Join(data, markerName)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // no marker
	}
	if err != nil {
		return nil, fmt.Errorf("read whose data folder it is: %w", err)
	}
	m := &marker{}
	if err := json.Unmarshal(b, m); err != nil || m.Installation == "" {
		return nil, refused(fmt.Errorf("%s cannot be read: %w. It says whose jobs are in %s; remove it if that is known", path, cmp.Or(err, errNoInstallation), data))
	}
	return m, nil
}

var errNoInstallation = errors.New("it names no installation")

// markerOf returns the marker of a data folder for the settings.
func markerOf(f folders, set *storev1.Settings) (marker, error) {
	state, err := filepath.Abs(f.state)
	if err != nil {
		return marker{}, fmt.Errorf("mark the data folder: %w", err)
	}
	p := set.GetPlace()
	return marker{
		Installation: set.GetInstallId(), Place: set.GetPlaceId(), State: state, MachineID: p.GetMachineId(),
		Data: folder{p.GetData().GetDevice(), p.GetData().GetInode(), p.GetData().GetBirthNs()},
	}, nil
}

// writeMarker makes the marker say that the data folder is that of the settings.
func writeMarker(f folders, set *storev1.Settings) error {
	m, err := markerOf(f, set)
	if err != nil {
		return err
	}
	if err := replaceJSON(filepath.Join(f.data, markerName), m); err != nil {
		return fmt.Errorf("mark the data folder: %w", err)
	}
	return nil
}

// fits reports whether the marker says what it should.
func (m *marker) fits(f folders, set *storev1.Settings) bool {
	want, err := markerOf(f, set)
	return err == nil && m != nil && *m == want
}

// belongs refuses a data folder of another installation or place. m may be nil.
func (m *marker) belongs(f folders, set *storev1.Settings) error {
	switch {
	case m == nil:
		return nil
	case m.Installation != set.GetInstallId():
		return refused(fmt.Errorf("the data folder %s belongs to installation %s, whose state folder is %s, and the database in %s is that of installation %s. Give the two folders of one installation",
			f.data, m.Installation, m.State, f.state, set.GetInstallId()))
	case m.Place != set.GetPlaceId():
		return refused(fmt.Errorf("the data folder %s was adopted by the state folder %s since, and this server has the state folder %s. "+
			"Give --state %s; or, if that one is not used any more, run stintd adopt --state %s --data %s", f.data, m.State, f.state, m.State, f.state, f.data))
	default:
		return nil
	}
}

// checkPlace refuses to start at another place than the one where the installation's jobs were started.
func checkPlace(f folders, set *storev1.Settings, now *storev1.Place) error {
	d := differences(set.GetPlace(), now)
	if len(d) == 0 {
		return nil
	}
	return refused(fmt.Errorf("the folders %s and %s are not those that installation %s used last: %s. "+
		"If the original may still be in use, this is a copy: leave it alone, or move the database of a backup into an installation of its own with stintd restore. "+
		"If the folders were moved here and the original is gone, run once: stintd adopt --state %s --data %s",
		f.state, f.data, set.GetInstallId(), strings.Join(d, "; "), f.state, f.data))
}

// keptPlaceID returns the place id of the data folder's marker if it is still the same folder on the same machine. What was
// started there is then known as the installation's own.
func (m *marker) keptPlaceID(now *storev1.Place) (string, bool) {
	if m == nil || m.Place == "" || m.MachineID != now.GetMachineId() {
		return "", false
	}
	return m.Place, sameInode(&storev1.Folder{Device: m.Data.Device, Inode: m.Data.Inode, BirthNs: m.Data.BirthNS}, now.GetData(), true)
}
