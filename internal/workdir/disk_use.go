package workdir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// entryBytes is what a file or folder counts beside its size, as in workspaces.
const entryBytes = 4 << 10

// DiskUse returns what the folder of a job takes: the sizes of its files, and 4 KiB for each file and folder. A file counts
// also where a workspace has it, too. A job without a folder takes nothing.
func (d Dir) DiskUse(ctx context.Context) (bytes int64, _ error) {
	err := filepath.WalkDir(d.Path(), func(_ string, e fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // it went while we looked
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		}
		if bytes += entryBytes; !e.Type().IsRegular() {
			return nil
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			bytes += info.Size()
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("measure the folder of job %s: %w", d.id, err)
	}
	return bytes, nil
}
