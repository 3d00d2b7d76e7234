package server

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/file"
	"github.com/stint-jobs/stint/internal/workdir"
)

// restoreSuffix names the file that is being put in place.
const restoreSuffix = ".restore"

func restoreCommand(std Streams) *cobra.Command {
	var state, data string
	var replace bool
	cmd := &cobra.Command{
		Use: "restore FILE", Short: "Put a backup of the database in place", Args: cobra.ExactArgs(1),
		Long: `Check a backup and put it in place as the database of a server that does not run.

The state folder must have no database. With --replace the one that is there stays beside it, under a name with the time.
Ids of jobs and revisions go on far above those of the backup and of the folders in --data, so that none is given out
twice, and clients that watch are told to read everything anew.`,
	}
	addFolderFlags(cmd, &state, &data)
	cmd.Flags().BoolVar(&replace, "replace", false, "put the backup in the place of the database that is there, and keep that under another name")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		f, err := bothFolders(cmd, state, data)
		if err != nil {
			return err
		}
		return restore(cmd.Context(), std, f, restoreOptions{from: args[0], replace: replace})
	}
	return cmd
}

// addFolderFlags adds the flags that name an installation.
func addFolderFlags(cmd *cobra.Command, state, data *string) {
	cmd.Flags().StringVar(data, "data", "stint-data", "folder of jobs and workspaces")
	cmd.Flags().StringVar(state, "state", "", "folder of the database; empty means state below --data")
}

// bothFolders returns the folders of a tool that changes both.
func bothFolders(cmd *cobra.Command, state, data string) (folders, error) {
	if state != "" && !cmd.Flags().Changed("data") {
		return folders{}, fmt.Errorf("give --data, too: the folder of the jobs and workspaces that belong to the database: %w", errUsage)
	}
	return foldersOf(state, data), nil
}

type restoreOptions struct {
	from    string
	replace bool
}

func restore(ctx context.Context, std Streams, f folders, o restoreOptions) (err error) {
	if _, err := os.Stat(o.from); err != nil {
		return fmt.Errorf("look at the backup: %w", err)
	}
	if err := errors.Join(f.checkEdition(), f.make()); err != nil {
		return err
	}
	unlock, err := f.lock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	there, err := f.replaceable(o.replace)
	if err != nil {
		return err
	}
	part := f.database() + restoreSuffix
	defer func() { err = errors.Join(err, removeIfThere(part)) }()
	if err := copyFile(o.from, part); err != nil {
		return fmt.Errorf("copy the backup: %w", err)
	}
	if problems, err := checkInChild(ctx, thisProgram, part); err != nil || len(problems) > 0 {
		return errors.Join(err, problemsError(o.from, problems))
	}
	set, at, err := begin(f, part, there, offline("restore"))
	if err != nil {
		return err
	}
	if err := f.exchange(part, std); err != nil {
		return err
	}
	if err := errors.Join(writeMarker(f, set), noteAcknowledged(f, at)); err != nil {
		return err
	}
	fmt.Fprintf(std.Err, "%s is in place as %s: incarnation %s, revision %d\n", o.from, f.database(), at.Incarnation, at.Revision)
	return nil
}

func problemsError(path string, problems []string) error {
	if len(problems) == 0 {
		return nil
	}
	return fmt.Errorf("%s is damaged and was not put in place: %s (%d problems in all): %w", path, problems[0], len(problems), job.ErrStorage)
}

// replaceable reports whether there is a database that has been used, and refuses to replace one that it should not.
func (f folders) replaceable(replace bool) (there bool, err error) {
	path := f.database()
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	if !replace {
		return true, fmt.Errorf("%s is there already; --replace puts the backup in its place and keeps it under another name", path)
	}
	return true, nil
}

// begin begins a new incarnation in a database file for the folders. there is whether the database in place may tell
// which ids it has given out.
func begin(f folders, path string, there bool, by *storev1.AuditEntry) (*storev1.Settings, file.Position, error) {
	info, err := file.ReadInfo(path)
	if err != nil {
		return nil, file.Position{}, err
	}
	if info.Settings.GetIncarnation() == "" {
		return nil, file.Position{}, firstEdition(path)
	}
	now, err := placeOf(f)
	if err != nil {
		return nil, file.Position{}, err
	}
	mark, err := readMarker(f.data)
	if err != nil {
		return nil, file.Position{}, err
	}
	if mark != nil && mark.Installation != info.Settings.GetInstallId() {
		return nil, file.Position{}, mark.belongs(f, info.Settings)
	}
	last, err := lastID(f, info.NextID, there)
	if err != nil {
		return nil, file.Position{}, err
	}
	place, kept := mark.keptPlaceID(now)
	if !kept {
		place = rand.Text()
	}
	var set *storev1.Settings
	at, err := file.BeginIncarnation(path, file.Incarnation{
		Name: rand.Text(), Gap: revisionGap(), FirstID: idBehindGap(last), By: by,
		Edit: func(s *storev1.Settings) { s.PlaceId, s.Place, set = place, now, s },
	})
	return set, at, err
}

// lastID returns an id that no job above is known to have: of the database, of the one in place, and of the folders.
func lastID(f folders, next job.ID, there bool) (job.ID, error) {
	if there {
		if old, err := file.ReadInfo(f.database()); err == nil { // one that cannot be read says nothing
			next = max(next, old.NextID)
		}
	}
	root, err := workdir.Open(filepath.Join(f.data, "jobs"))
	if err != nil {
		return 0, err
	}
	last, err := root.Last()
	return max(next, last), errors.Join(err, root.Close())
}

const (
	minGap = 1 << 36
	maxGap = 1 << 40
	idStep = 1_000_000
)

// revisionGap returns how many revisions are skipped: more than were lost, and another number each time, so that two
// restores of one backup go on from different revisions.
func revisionGap() uint64 { return minGap + random()%(maxGap-minGap) }

// idBehindGap returns an id at least 100 million above the last one, and another each time.
func idBehindGap(last job.ID) job.ID {
	return (last/idStep+101)*idStep + job.ID(random()%900)*idStep + 1
}

func random() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return binary.LittleEndian.Uint64(b[:])
}

// exchange puts a file in the place of the database. What was there stays under a name with the time.
func (f folders) exchange(part string, std Streams) error {
	suffix := ".replaced-" + time.Now().UTC().Format("20060102T150405Z")
	switch err := os.Link(f.database(), f.database()+suffix); {
	case err == nil:
		fmt.Fprintf(std.Err, "the old database is %s\n", f.database()+suffix)
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("keep the old database: %w", err)
	}
	if err := os.Rename(part, f.database()); err != nil {
		return fmt.Errorf("put the backup in place: %w", err)
	}
	return syncFolder(f.state)
}

// copyFile makes a durable copy for its owner only. A file of that name is replaced.
func copyFile(from, to string) error {
	src, err := os.Open(filepath.Clean(from))
	if err != nil {
		return err
	}
	defer src.Close()
	return writeDurable(to, func(w io.Writer) error {
		_, err := io.Copy(w, src)
		return err
	})
}

func adoptCommand(std Streams) *cobra.Command {
	var state, data string
	cmd := &cobra.Command{
		Use: "adopt", Short: "Take over folders that were moved here, whose original is gone", Args: cobra.NoArgs,
		Long: `Make the folders, as they are now, those of their installation, after they were moved to another disk or machine, or
after a database that is older than it should be was found and nothing newer is left.

The original must be gone: two servers that believe to be one installation start and cancel each other's jobs on shared
clusters. Processes that the original left on this machine are not ended. Ids of jobs and revisions go on behind a gap,
as after stintd restore.`,
	}
	addFolderFlags(cmd, &state, &data)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		f, err := bothFolders(cmd, state, data)
		if err != nil {
			return err
		}
		return adopt(cmd.Context(), std, f)
	}
	return cmd
}

func adopt(ctx context.Context, std Streams, f folders) (err error) {
	if _, err := os.Stat(f.database()); err != nil {
		return fmt.Errorf("there is no database in %s; give the folder with --state or --data", f.state)
	}
	if err := errors.Join(f.checkEdition(), f.make()); err != nil {
		return err
	}
	unlock, err := f.lock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	set, at, err := begin(f, f.database(), false, offline("adopt"))
	if err != nil {
		return explainLocked(err)
	}
	if err := errors.Join(writeMarker(f, set), noteAcknowledged(f, at)); err != nil {
		return err
	}
	fmt.Fprintf(std.Err, "%s and %s are those of installation %s: incarnation %s, revision %d\n", f.state, f.data, set.GetInstallId(), at.Incarnation, at.Revision)
	return nil
}
