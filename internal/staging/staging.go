// Package staging moves files between a user's workspace and the folder of a
// job: what a command sees is made of the job's own parameters and inputs and
// nothing else, and what it leaves is in the workspace whole, once, or not at all.
//
// Both ways are safe to repeat after a crash at any moment. Prepare finds the
// inputs that are staged already, and a retry thus runs on the files of the first attempt. Publish
// finds its own earlier result by a mark that is moved into place together with it. Neither
// keeps a record of its own: what is on the disk is the record.
package staging

import (
	"errors"
	"fmt"
	"log/slog"
	"os"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/catalog"
	"github.com/stint-jobs/stint/internal/workdir"
	"github.com/stint-jobs/stint/internal/workspace"
)

// Config is what an Area needs. Fields without a word about zero are required.
type Config struct {
	// Catalog has the services.
	Catalog *catalog.Live
	// Workspace has the users' files.
	Workspace *workspace.Workspace
	// Folders are the jobs' folders.
	Folders *workdir.Root
	// InstallID tells this installation from others that share its engines or its disk.
	InstallID string
	// Path is the PATH of commands. It should be the one that the catalog looks
	// for programs on. Empty means that of this process, without relative entries, and the usual folders after it.
	Path string
	// Report answers the URL by which the command of an attempt may tell of itself, and
	// the token for that; an empty URL where it cannot. Nil is that for all.
	Report func(j *jobsv1.Job, attempt int) (url, token string)
	// Sealed reports whether an executor shows commands their inputs read-only, so that they need no copies
	// of their own. Nil means that none does.
	Sealed func(executor string) bool
	// Room reserves room for copies of inputs on the disk of Folders. Its error is job.ErrNoSpace where there is none
	// now, and job.ErrExhausted where there never will be. Nil allows all.
	Room func(bytes int64) (release func(), err error)
	// ResultRoom does the same for copies of results on the disk of Workspace.
	ResultRoom func(bytes int64) (release func(), err error)
	// Logger receives what operators should know of files. Nil discards it.
	Logger *slog.Logger
}

// Area is where jobs are made ready and their results taken from. Its methods
// may be called from several goroutines, also for the same job.
type Area struct {
	cfg  Config
	path string
	log  *slog.Logger
}

// New makes an Area.
func New(cfg Config) (*Area, error) {
	if cfg.Catalog == nil || cfg.Workspace == nil || cfg.Folders == nil || cfg.InstallID == "" {
		return nil, errors.New("staging: Catalog, Workspace, Folders and InstallID are required")
	}
	a := &Area{cfg: cfg, path: cfg.Path, log: cfg.Logger}
	if a.path == "" {
		a.path = searchPath(os.Getenv("PATH"))
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	return a, nil
}

// openJob opens the folder of a job. Whatever links a command left there, they do not lead out of it.
func openJob(folder workdir.Dir) (*os.Root, error) {
	root, err := os.OpenRoot(folder.Path())
	if err != nil {
		return nil, fmt.Errorf("open the folder of job %s: %w", folder.ID(), err)
	}
	return root, nil
}
