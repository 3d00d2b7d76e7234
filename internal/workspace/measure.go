package workspace

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
)

// sum is what a folder holds.
type sum struct {
	files, bytes int64
	entries      int64 // files, folders and links
}

// measure adds up the files below dir. It follows no symbolic links and skips reserved names.
func measure(ctx context.Context, root *os.Root, dir string) (sum, error) {
	var total sum
	err := eachEntry(ctx, root, dir, func(e fs.DirEntry) error {
		name := path.Join(dir, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), reserved):
			return nil
		case e.IsDir():
			below, err := measure(ctx, root, name)
			total.files += below.files
			total.bytes += below.bytes
			total.entries += 1 + below.entries
			return err
		case !e.Type().IsRegular():
			total.entries++
			return nil
		}
		info, err := root.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		total.files++
		total.entries++
		total.bytes += info.Size()
		return nil
	})
	return total, err
}
